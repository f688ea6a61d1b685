"""A canvas of characters: words, and lines of braille dots that are joined where they meet in a cell.

Two by four dots a cell let a line go straight from any place to any other, so that lines which cross can be
told apart; box-drawing lines have four directions, and every bend takes a column of its own.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise

from rich.cells import cell_len
from rich.text import Span, Text

_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of each dot of a cell, by column and row
_BLANK = 0x2800
_EMPTY: tuple[str, tuple[str, ...]] = (" ", ())
_DASH = 3  # dots that are drawn, and then left out

Dot = tuple[int, int]  # from the left in half cells, from above in quarter lines
Cell = tuple[int, int]  # column and line


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
        self._words: dict[Cell, tuple[str, tuple[str, ...]]] = {}

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

    def lines(self) -> list[Text]:
        """The lines from above; none is wider than the canvas."""
        return [self._row(row) for row in range(self.height)]

    def _row(self, row: int) -> Text:
        letters: list[str] = []
        spans: list[Span] = []
        end = 0
        cells = [self._cell(column, row) for column in range(self.width)]
        while cells and cells[-1] == _EMPTY:
            cells.pop()
        for styles, group in groupby(cells, key=lambda cell: cell[1]):
            text = "".join(letter for letter, _ in group)
            spans += [Span(end, end + len(text), style) for style in styles if style]
            letters.append(text)
            end += len(text)
        return Text("".join(letters), no_wrap=True, spans=spans)

    def _cell(self, column: int, row: int) -> tuple[str, tuple[str, ...]]:
        if (column, row) in self._words:
            letter, styles = self._words[column, row]
            cut = column + cell_len(letter) > self.width
            return (" " if cut else letter), styles
        if (column, row) in self._lines:
            bits, style = self._lines[column, row]
            return chr(_BLANK | bits), (style,)
        return _EMPTY
