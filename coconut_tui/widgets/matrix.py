"""The thoughts as a matrix: a row for each token, a column for each thought, the shade its probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

from rich.text import Text

from coconut_core.common.cells import cells, padded, shortened
from coconut_core.records.trace import StepRecord
from coconut_tui.run.lookups import LN_P, RANK
from coconut_tui.run.matrix import Column, Matrix
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.token_marks import pin_sign, pin_style
from coconut_tui.widgets.tokens import EDIT_STYLE, FRONTIER_BOLD, FRONTIER_STYLE, fitted, flat

LEAST_CELL = 4  # columns of the screen: what parts two thoughts, and three for a number
LEAST_SHARE = 0.005  # smaller ones are left blank
_MOST_NAME = 14
_SPARE_NAME = 4  # cells that are left over and go to the names
_LN_CELLS = 5  # of a logarithm with a digit behind the point
_HEADINGS = {LN_P: "ln p", RANK: "rank"}


@dataclass(frozen=True)
class Grid:
    """Where the cells of a matrix stand. edges: where the columns in sight begin, and the last one ends."""

    name: int  # cells of a row's name
    edges: tuple[int, ...]
    first_column: int
    first_row: int
    rows: int  # in sight
    lines: int  # of a row

    @property
    def columns(self) -> range:
        """The columns in sight."""
        return range(self.first_column, self.first_column + len(self.edges) - 1)

    @property
    def height(self) -> int:
        """Lines in all: the heading, rows, and the frontier's sum."""
        return 2 + self.rows * self.lines

    def column_at(self, x: int) -> int | None:
        """The column at a cell of the pane."""
        places = zip(self.columns, self.edges[:-1], self.edges[1:], strict=True)
        return next((number for number, left, right in places if left <= x < right), None)


def grid_of(matrix: Matrix, width: int, height: int, cursor: int | None) -> Grid:
    """Cells for a matrix in so much room; cursor is the column that has to be in sight."""
    longest = max((cells(row.name) for row in matrix.rows), default=4)
    group = max((len(row.group) for row in matrix.rows), default=0)
    name = min(longest, _MOST_NAME, max(5, width // 3 - 4)) + group + 4
    room = max(LEAST_CELL, width - name - 1)
    shown = max(1, min(len(matrix.columns), room // LEAST_CELL))
    first = max(0, min((cursor or 0) - shown // 2, len(matrix.columns) - shown))
    cell = room // shown
    name += min(room - cell * shown, _SPARE_NAME)
    edges = tuple(range(name, name + cell * shown + 1, cell))
    expected = max(len(matrix.rows) + bool(matrix.hidden), matrix.expected_rows, 1)
    lines = max(1, min(4, (height - 2) // expected))
    rows = max(1, min(len(matrix.rows) + bool(matrix.hidden), (height - 2) // lines))
    return Grid(name, edges, first, _first_row(matrix, rows, cursor), rows, lines)


def _first_row(matrix: Matrix, rows: int, cursor: int | None) -> int:
    """Where not all rows fit, those around the largest share of the thought under the cursor are shown."""
    count = len(matrix.rows) + bool(matrix.hidden)
    if count <= rows or cursor is None:
        return 0
    shares = [row[cursor] or 0.0 for row in matrix.shares]
    largest = max(range(len(shares)), key=lambda place: shares[place], default=0)
    return max(0, min(largest - rows // 2, count - rows))


def draw_matrix(
    matrix: Matrix, grid: Grid, cursor: int | None, stops: Sequence[bool], scale: str = ""
) -> list[Text]:
    """The lines of the matrix. stops: for each column whether a breakpoint stops there."""
    lines = [_heading(matrix, grid, cursor, stops, scale)]
    for place in range(grid.first_row, grid.first_row + grid.rows):
        for line in range(grid.lines):
            lines.append(_line(matrix, grid, cursor, place, line, scale))
    lines.append(_frontier(matrix, grid, cursor))
    return lines


def column_mark(step: StepRecord | None) -> str:
    """What is said of a thought whose numbers mean nothing."""
    if step is None:
        return ""
    return "NaN" if not step.readable else "flat" if flat(step.top) else ""


def role_style(role: str) -> str:
    """The colour of a row's role."""
    if role.startswith("pin."):
        return pin_style(int(role[4:]))
    return f"coconut.{role}" if role else ""


def role_sign(role: str) -> str:
    """The sign that says the same as the colour."""
    if role.startswith("pin."):
        return pin_sign(int(role[4:]))
    return {"right": "✓", "wrong": "✗", "path": "★"}.get(role, " ")


# -- inside ------------------------------------------------------------------------------------------------


def _heading(matrix: Matrix, grid: Grid, cursor: int | None, stops: Sequence[bool], scale: str) -> Text:
    left = "‹" if grid.first_column or matrix.more[0] else " "
    text = Text(padded(f"{_HEADINGS.get(scale, 'p in %')}", grid.name - 1), "dim").append(left, "dim")
    for number, begin, end in zip(grid.columns, grid.edges[:-1], grid.edges[1:], strict=True):
        column = matrix.columns[number]
        step, here = column.step, number == cursor
        star = "*" if stops[number] else ""
        label = column.label if cells(column.label) < end - begin else column.label.strip("⟨⟩")
        label = shortened(label, end - begin - 1 - len(star)) + star
        style = "bold reverse" if here else "bold" if step is not None else "dim"
        text.append(" ").append(_middle(label, end - begin - 1), style)
        if step is not None and step.edit:  # right in front of the number
            place = begin + (end - begin) - len(text.plain[begin:].lstrip()) - 1
            text = text[:place] + Text("✎", EDIT_STYLE) + text[place + 1 :]
    right = grid.columns.stop < len(matrix.columns) or matrix.more[1]
    return text.append("›" if right else "", "dim")


def _line(matrix: Matrix, grid: Grid, cursor: int | None, place: int, line: int, scale: str) -> Text:
    row = matrix.rows[place] if place < len(matrix.rows) else None  # None: the nodes without a row
    numbered = line == (grid.lines - 1) // 2
    text = _name(matrix, grid, place, numbered)
    for number, begin, end in zip(grid.columns, grid.edges[:-1], grid.edges[1:], strict=True):
        column, here = matrix.columns[number], number == cursor
        share = matrix.hidden_share(column) if row is None else matrix.shares[place][number]
        frontier = row is not None and matrix.is_frontier(row, column)
        if frontier and numbered:
            text.append("▸", FRONTIER_BOLD)
        elif here or number - 1 == cursor:
            text.append("│", "bold")
        else:
            text.append(" ")
        mark = column_mark(column.step)
        if mark:
            shown = mark if place == grid.first_row and numbered else ""
            text.append(_middle(shown, end - begin - 1), EDIT_STYLE)
            continue
        shown = ""
        if numbered:
            rank = None if row is None else matrix.ranks[place][number] if scale == RANK else None
            shown = _number(column, share, rank, scale, row is None, end - begin - 1)
        text.append(_middle(shown, end - begin - 1), heat(share or 0.0) or ("" if here else "dim"))
        if here:
            text.stylize("bold", len(text) - (end - begin - 1))
    if cursor == grid.columns.stop - 1:
        text.append("│", "bold")
    return text


def _name(matrix: Matrix, grid: Grid, place: int, numbered: bool) -> Text:
    """The row's name with its sign, and in front what group it begins."""
    if not numbered:
        return Text(" " * grid.name)
    group = max((len(row.group) for row in matrix.rows), default=0)
    room = grid.name - group - 4
    if place >= len(matrix.rows):
        count = len(matrix.hidden)
        words = f"{count} out of reach" if grid.name > 15 else f"{count} beyond"
        return Text(fitted(words, grid.name), "dim")
    row = matrix.rows[place]
    before = matrix.rows[place - 1].group if place > grid.first_row else ""
    text = Text(padded(row.group if row.group != before else "", group), "dim")
    style = role_style(row.role)
    return text.append(f" {role_sign(row.role)} ", style).append(
        padded(fitted(row.name, room), room + 1), style
    )


def _number(column: Column, share: float | None, rank: int | None, scale: str, several: bool, room: int) -> str:
    """A cell's number: percent, the logarithm, or the rank; what is not recorded is beyond the last."""
    step = column.step
    if step is None:
        return "·" if column.kind == "thought" else ""
    if scale == RANK and not several:
        return str(rank) if rank is not None else f">{len(step.top)}"
    if share is None:
        return ""
    if scale == LN_P:
        return f"{log(share):z.{1 if room >= _LN_CELLS else 0}f}" if share > 0 else "–"
    return f"{100 * share:.0f}" if share >= LEAST_SHARE else ""


def _frontier(matrix: Matrix, grid: Grid, cursor: int | None) -> Text:
    """How much of each thought lies on the frontier where a search would stand."""
    if not any(row.hops is not None for row in matrix.rows):
        return Text()
    text = Text(padded(fitted("▸ frontier", grid.name), grid.name), FRONTIER_STYLE)
    for number, begin, end in zip(grid.columns, grid.edges[:-1], grid.edges[1:], strict=True):
        column = matrix.columns[number]
        there = [place for place, row in enumerate(matrix.rows) if matrix.is_frontier(row, column)]
        total = sum(matrix.shares[place][number] or 0.0 for place in there)
        known = column.step is not None and column.step.readable and column.kind == "thought"
        shown = f"{100 * total:.0f}" if known else ""
        style = FRONTIER_BOLD if number == cursor else FRONTIER_STYLE
        text.append(" ").append(_middle(shown, end - begin - 1), style)
    return text


def heat(share: float) -> str:
    """The style of a cell. By the root, so that the parts of a superposition are seen beside a sure name."""
    if share < LEAST_SHARE:
        return ""
    return f"coconut.shade.{max(1, min(SHADES - 1, round(sqrt(share) * (SHADES - 1))))}"


def _middle(text: str, width: int) -> str:
    """A number in the middle of a cell, its last digit where those above and below have theirs."""
    if len(text) > 3 or width < 3:
        return fitted(text, width) if cells(text) >= width else text.center(width)
    return padded(padded(text, (width + 4) // 2, right=True), width)
