"""The pictures that are taken, as files and on one sheet, and how much of each holds anything."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from pictures.cells import Cells, share
from pictures.drawing import caption_font, draw

WIDE = 120  # columns from which a finished run is to fill TARGET of the cells
TARGET = 0.35
Size = tuple[int, int]  # columns and lines
_ABOUT = "explorer"  # what a file of a picture says of itself
_GAP, _CAPTION = 10, 18  # pixels
_PAPER, _INK = (90, 90, 90), (255, 255, 255)
_SHEET_COLOURS = 32


@dataclass(frozen=True)
class Picture:
    """What a picture is of; filled: the share of its cells, from 0 to 1; finished: of a finished run."""

    screen: str
    size: Size
    theme: str
    filled: float
    finished: bool

    @property
    def column(self) -> tuple[Size, str]:
        """Where it is on the sheet."""
        return self.size, self.theme

    @property
    def missed(self) -> bool:
        """Whether it holds less than it has to."""
        return self.finished and self.size[0] >= WIDE and self.filled < TARGET

    @property
    def line(self) -> str:
        """What is printed of it."""
        note = f"  below {TARGET:.0%}" if self.missed else ""
        return f"{_text(self.size):7}  {self.theme:14}  {self.screen:16}  {self.filled:6.1%}{note}"

    @property
    def caption(self) -> str:
        """What stands above it."""
        return f"{self.screen} · {_text(self.size)} · {self.theme} · {self.filled:.0%}"

    @property
    def about(self) -> str:
        """All of it in a line, which its file keeps."""
        width, height = self.size
        return f"{self.screen} {width} {height} {self.theme} {self.filled:.6f} {int(self.finished)}"

    @classmethod
    def read(cls, path: Path) -> "Picture | None":
        """What a file is a picture of; None where it does not say."""
        with Image.open(path) as image:
            about = str(image.info.get(_ABOUT, "")).split()
        if len(about) != 6:
            return None
        screen, width, height, theme, filled, finished = about
        return cls(screen, (int(width), int(height)), theme, float(filled), finished == "1")


@dataclass(frozen=True)
class Album:
    """A folder with pictures, a file each."""

    folder: Path

    def add(self, screen: str, size: Size, theme: str, cells: Cells, *, finished: bool) -> Picture:
        """Draw a screen, and keep it; finished: whether a finished run is on it, which has to fill it."""
        picture = Picture(screen, size, theme, share(cells), finished)
        about = PngInfo()
        about.add_text(_ABOUT, picture.about)
        _save(reduced(draw(cells)), self._path(picture), about)
        return picture

    def pictures(self) -> list[Picture]:
        """All that are there."""
        return [each for path in sorted(self.folder.glob("*.png")) if (each := Picture.read(path)) is not None]

    def write_sheet(self, path: Path, screens: Sequence[str], scale: float) -> list[Picture]:
        """A row for each of these screens, a column for each size and theme; scale: of a picture there."""
        shown = [picture for picture in self.pictures() if picture.screen in screens]
        rows = [screen for screen in screens if any(each.screen == screen for each in shown)]
        columns = sorted({each.column for each in shown}, key=_order)
        images = {each: self._small(each, scale) for each in shown}
        widths = [max(images[each].width for each in shown if each.column == column) for column in columns]
        heights = [max(images[each].height for each in shown if each.screen == screen) for screen in rows]
        left = dict(zip(columns, _places(widths, _GAP), strict=True))
        top = dict(zip(rows, _places(heights, _GAP + _CAPTION), strict=True))
        whole = sum(widths) + _GAP * (len(widths) + 1), sum(heights) + (_GAP + _CAPTION) * len(heights) + _GAP
        sheet = Image.new("RGB", whole, _PAPER)
        pen, font = ImageDraw.Draw(sheet), caption_font(11)
        for each in shown:
            x, y = left[each.column], top[each.screen]
            pen.text((x, y), each.caption, _INK, font)
            sheet.paste(images[each], (x, y + _CAPTION))
        _save(reduced(sheet, _SHEET_COLOURS), path)
        return shown

    def _path(self, picture: Picture) -> Path:
        width, height = picture.size
        return self.folder / f"{picture.screen}-{width}x{height}-{picture.theme}.png"

    def _small(self, picture: Picture, scale: float) -> Image.Image:
        with Image.open(self._path(picture)) as image:
            width, height = (round(side * scale) for side in image.size)
            return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def _save(image: Image.Image, path: Path, about: PngInfo | None = None) -> None:
    """Whole or not at all: others may be making a sheet of the same folder."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    image.save(aside, "PNG", optimize=True, pnginfo=about)
    aside.replace(path)


def _order(column: tuple[Size, str]) -> tuple[Size, bool, bool, str]:
    """Small screens first; of a size dark ones, light ones, and those in the terminal's own colours."""
    size, theme = column
    return size, theme.startswith("ansi"), "light" in theme, theme


def _places(lengths: Sequence[int], gap: int) -> Iterator[int]:
    place = _GAP
    for length in lengths:
        yield place
        place += length + gap


def reduced(image: Image.Image, colours: int = 128) -> Image.Image:
    """The image with few colours, which a PNG holds in little room."""
    return image.quantize(colours, dither=Image.Dither.NONE)


def _text(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
