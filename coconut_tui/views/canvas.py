"""A canvas of characters: words, and lines of braille dots that are joined where they meet in a cell.

Two by four dots a cell let a line go straight from any place to any other, so that lines which cross can be
told apart; box-drawing lines have four directions, and every bend takes a column of its own.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len
from rich.text import Span, Text

_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of each dot of a cell, by column and row
_BLANK = 0x2800
_DASH = 3  # dots that are drawn, and then left out

Dot = tuple[int, int]  # from the left in half cells, from above in quarter lines
Cell = tuple[int, int]  # column and line
_Written = tuple[str, tuple[str, ...]]  # a letter, or nothing behind one that is two cells wide, and its styles


@lru_cache(maxsize=1024)  # lines stay where they are from thought to thought
def line_cells(way: tuple[Dot, ...], *, thick: bool = False, dashed: bool = False) -> dict[Cell, int]:
    """The cells of a line through some dots, each with the bits of its dots."""
    found: dict[Cell, int] = {}
    for number, (x, y, steep) in enumerate(_dots(way)):
        if dashed and number // _DASH % 2:
            continue
        for column, row in ((x, y), (x + steep, y + (not steep))) if thick else ((x, y),):
            cell = column // 2, row // 4
            found[cell] = found.get(cell, 0) | _BITS[column % 2][row % 4]
    return found


def _dots(way: Sequence[Dot]) -> Iterator[tuple[int, int, bool]]:
    """The dots from the first to the last, neighbours each, and whether the line is steep there."""
    yield (*way[0], True)
    for (x, y), (to_x, to_y) in pairwise(way):
        count = max(abs(to_x - x), abs(to_y - y))
        for number in range(1, count + 1):
            part = number / count
            yield round(x + (to_x - x) * part), round(y + (to_y - y) * part), abs(to_y - y) >= abs(to_x - x)


class Canvas:
    """Cells that can be written on. What lies outside is left out; words lie over lines, later words over
    earlier ones, and of lines that meet in a cell the one that was drawn last gives the style."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._lines: dict[Cell, tuple[int, str]] = {}
        self._words: dict[Cell, _Written] = {}

    def line(self, cells: dict[Cell, int], style: str) -> None:
        """A line, see line_cells."""
        for cell, bits in cells.items():
            self._lines[cell] = self._lines.get(cell, (0, ""))[0] | bits, style

    def write(self, column: int, row: int, text: str, *styles: str) -> None:
        """A text without line breaks; all the styles hold, later ones before earlier ones."""
        for letter in text:
            width = cell_len(letter)
            if not width and (column - 1, row) in self._words:
                before, kept = self._words[column - 1, row]
                self._words[column - 1, row] = before + letter, kept
                continue
            self._words[column, row] = letter, styles
            for behind in range(1, width):
                self._words[column + behind, row] = "", styles
            column += width

    def box(self, corner: Cell, width: int, height: int, style: str, *, heavy: bool = False) -> None:
        """A frame with nothing in it, in double strength where it is heavy."""
        column, row = corner
        top_left, side, top_right, edge, bottom_left, bottom_right = "┏━┓┃┗┛" if heavy else "╭─╮│╰╯"
        self.write(column, row, top_left + side * (width - 2) + top_right, style)
        for line in range(1, height - 1):
            self.write(column, row + line, edge + " " * (width - 2) + edge, style)
        self.write(column, row + height - 1, bottom_left + side * (width - 2) + bottom_right, style)

    def lines(self) -> list[Text]:
        """The lines from above; none is wider than the canvas."""
        rows: list[dict[int, _Written]] = [{} for _ in range(self.height)]
        for (column, row), (bits, style) in self._lines.items():
            if 0 <= row < self.height and 0 <= column < self.width:
                rows[row][column] = chr(_BLANK | bits), (style,)
        for (column, row), (letter, styles) in self._words.items():
            if 0 <= row < self.height and 0 <= column <= self.width - max(1, cell_len(letter)):
                rows[row][column] = letter, styles
        return [_text(row) for row in rows]


def _text(row: dict[int, _Written]) -> Text:
    """The cells of a line by their columns, with spaces between them."""
    letters: list[str] = []
    spans: list[Span] = []
    length = end = 0  # in letters and in cells
    for column in sorted(row):
        letter, styles = row[column]
        blank = " " * (column - end)
        letters += (blank, letter)
        length += len(blank)
        for style in filter(None, styles):
            last = spans[-1] if spans else None
            if len(styles) == 1 and last is not None and (last.end, last.style) == (length, style):
                spans[-1] = Span(last.start, length + len(letter), style)
            else:
                spans.append(Span(length, length + len(letter), style))
        length += len(letter)
        end = column + 1
    return Text("".join(letters), no_wrap=True, spans=spans)
