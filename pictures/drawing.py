"""Cells as an image, as a terminal draws them."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len

from pictures.cells import Cell, Cells

WIDTH, HEIGHT = 10, 20  # pixels of a cell
_POINTS = 16.6  # the size at which the font's cells have that width
_LARGE = 8  # times as large are the characters of frames set first
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_BASE = 15.5  # pixels from the top of a cell to where letters stand
_EIGHTHS_UP = "▁▂▃▄▅▆▇█"
_EIGHTHS_ACROSS = "▏▎▍▌▋▊▉█"
_NO_CHARACTER = "\uffff"
_BRAILLE = 0x2800
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))  # column and row of each bit

Box = tuple[float, float, float, float]


def draw(cells: Cells) -> Image.Image:
    """The whole screen."""
    image = Image.new("RGB", (len(cells[0]) * WIDTH, len(cells) * HEIGHT))
    pen = ImageDraw.Draw(image)
    for y, line in enumerate(cells):
        for x, cell in enumerate(line):
            pen.rectangle(_box(x, y), cell.ground)
        for x, cell in enumerate(line):
            if cell.character.strip():
                _put(image, x, y, cell)
    return image


def _put(image: Image.Image, x: int, y: int, cell: Cell) -> None:
    mask = _mask(cell.character, cell.bold, cell.italic)
    image.paste(cell.letters, (x * WIDTH, y * HEIGHT), mask)
    if cell.underlined:
        ImageDraw.Draw(image).line(
            (x * WIDTH, y * HEIGHT + 18, (x + 1) * WIDTH - 1, y * HEIGHT + 18), cell.letters
        )


@cache
def _mask(character: str, bold: bool, italic: bool) -> Image.Image:
    """Where a character covers its cell. Bars and dots of braille are drawn and not set, or they leave gaps."""
    mask = Image.new("L", (WIDTH * cell_len(character), HEIGHT))
    pen = ImageDraw.Draw(mask)
    if shapes := list(_shapes(character)):
        for x0, y0, x1, y1 in shapes:
            pen.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), 255)
    elif "\u2500" <= character <= "\u257f":
        return _line(character, bold)
    else:
        pen.text((0, _BASE), character, 255, _font(character, bold, italic), anchor="ls")
    return mask


def _line(character: str, bold: bool) -> Image.Image:
    """A character of a frame, made to reach from edge to edge of its cell."""
    font = _font(character, bold, italic=False).font_variant(size=_LARGE * _POINTS)
    ascent, descent = _LARGE * _POINTS * 0.928, _LARGE * _POINTS * 0.236  # of all DejaVu fonts
    mask = Image.new("L", (_LARGE * WIDTH, round(ascent + descent)))
    ImageDraw.Draw(mask).text((0, ascent), character, 255, font, anchor="ls")
    return mask.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _shapes(character: str) -> Iterator[Box]:
    """The rectangles that a bar or a braille character is made of."""
    code = ord(character)
    if (place := _EIGHTHS_UP.find(character)) >= 0:
        yield 0, HEIGHT * (1 - (place + 1) / 8), WIDTH, HEIGHT
    elif (place := _EIGHTHS_ACROSS.find(character)) >= 0:
        yield 0, 0, max(1, WIDTH * (place + 1) / 8), HEIGHT
    elif character == "▀":
        yield 0, 0, WIDTH, HEIGHT / 2
    elif character == "▐":
        yield WIDTH / 2, 0, WIDTH, HEIGHT
    elif character == "▔":
        yield 0, 0, WIDTH, HEIGHT / 8
    elif character == "▕":
        yield WIDTH * 7 / 8, 0, WIDTH, HEIGHT
    elif _BRAILLE <= code < _BRAILLE + 256:
        for bit, (column, row) in enumerate(_DOTS):
            if code >> bit & 1:
                x, y = (column + 0.5) * WIDTH / 2, (row + 0.5) * HEIGHT / 4
                yield x - 1.5, y - 1.5, x + 1.5, y + 1.5


def _box(x: int, y: int) -> tuple[int, int, int, int]:
    return x * WIDTH, y * HEIGHT, (x + 1) * WIDTH - 1, (y + 1) * HEIGHT - 1


@cache
def _font(character: str, bold: bool, italic: bool) -> ImageFont.FreeTypeFont:
    """The font that has the character; where the one of terminals lacks it, the one with more characters."""
    style = ("Bold" if bold else "") + ("Oblique" if italic else "")
    font = _opened(f"DejaVuSansMono{'-' if style else ''}{style}")
    lacks = bytes(font.getmask(character)) == bytes(font.getmask(_NO_CHARACTER))
    return _opened("DejaVuSans") if lacks else font


@cache
def _opened(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS / f"{name}.ttf", _POINTS)


def caption_font(points: float) -> ImageFont.FreeTypeFont:
    """For what stands beside pictures."""
    return ImageFont.truetype(_FONTS / "DejaVuSans.ttf", points)
