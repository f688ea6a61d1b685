"""The pictures that are taken, as files and on one sheet, and how much of each holds anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from pictures.cells import Cells, share
from pictures.drawing import caption_font, draw

WIDE = 120  # columns from which a finished run is to fill TARGET of the cells
TARGET = 0.35
_GAP, _CAPTION = 10, 18  # pixels
_PAPER, _INK = (90, 90, 90), (255, 255, 255)
_COLOURS, _SHEET_COLOURS = 128, 64  # a PNG holds few colours in little room


@dataclass(frozen=True)
class Picture:
    """A picture as it is on the sheet, and what it is of."""

    screen: str
    size: tuple[int, int]
    theme: str
    filled: float  # share of its cells, from 0 to 1
    missed: bool  # whether that is less than it has to be
    image: Image.Image

    @property
    def column(self) -> tuple[tuple[int, int], str]:
        """Where it is on the sheet."""
        return self.size, self.theme

    @property
    def line(self) -> str:
        """What is printed of it."""
        note = f"  below {TARGET:.0%}" if self.missed else ""
        return f"{_text(self.size):7}  {self.theme:14}  {self.screen:16}  {self.filled:6.1%}{note}"

    @property
    def caption(self) -> str:
        """What stands above it."""
        return f"{self.screen} · {_text(self.size)} · {self.theme} · {self.filled:.0%}"


@dataclass
class Album:
    """Pictures in a folder; scale: of a picture on the sheet."""

    folder: Path
    scale: float
    pictures: list[Picture] = field(default_factory=list)

    def add(self, screen: str, size: tuple[int, int], theme: str, cells: Cells, *, finished: bool) -> Picture:
        """Draw a screen, and keep it; finished: whether a finished run is on it, which has to fill it."""
        image, filled = draw(cells), share(cells)
        _reduced(image, _COLOURS).save(self.folder / f"{screen}-{size[0]}x{size[1]}-{theme}.png", optimize=True)
        width, height = (round(side * self.scale) for side in image.size)
        small = image.resize((width, height), Image.Resampling.LANCZOS)
        missed = finished and size[0] >= WIDE and filled < TARGET
        self.pictures.append(Picture(screen, size, theme, filled, missed, small))
        return self.pictures[-1]

    def write_sheet(self, path: Path) -> None:
        """A row for each screen, a column for each size and theme."""
        screens = list(dict.fromkeys(each.screen for each in self.pictures))
        columns = list(dict.fromkeys(each.column for each in self.pictures))
        widths = [
            max(each.image.width for each in self.pictures if each.column == column) for column in columns
        ]
        heights = [max(each.image.height for each in self.pictures if each.screen == name) for name in screens]
        left = dict(zip(columns, _places(widths, _GAP), strict=True))
        top = dict(zip(screens, _places(heights, _GAP + _CAPTION), strict=True))
        whole = sum(widths) + _GAP * (len(widths) + 1), sum(heights) + (_GAP + _CAPTION) * len(heights) + _GAP
        sheet = Image.new("RGB", whole, _PAPER)
        pen, font = ImageDraw.Draw(sheet), caption_font(11)
        for each in self.pictures:
            x, y = left[each.column], top[each.screen]
            pen.text((x, y), each.caption, _INK, font)
            sheet.paste(each.image, (x, y + _CAPTION))
        _reduced(sheet, _SHEET_COLOURS).save(path, optimize=True)


def _places(lengths: list[int], gap: int) -> Iterator[int]:
    place = _GAP
    for length in lengths:
        yield place
        place += length + gap


def _reduced(image: Image.Image, colours: int) -> Image.Image:
    return image.quantize(colours, dither=Image.Dither.NONE)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
