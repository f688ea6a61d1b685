"""A causal grid in the terminal, with Rich."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coconut_core.common.cells import cells
from coconut_core.common.errors import visible
from coconut_core.grid.measuring import Cell, Grid, MeanCell, MeanGrid
from coconut_core.grid.tables import Measured, largest, mark_of, shift_of
from coconut_core.terminal.show import cell

STRONG = 0.5  # share of the largest change from which on a cell is bold
LEAST = 0.1  # and below which it is dim


def print_grid(grid: Measured, about: dict[str, Any], console: Console | None = None) -> None:
    """The grid with what was asked above it, and what its numbers are below."""
    console = console or Console()
    layout, rows = grid.layout, _rows(grid, intervals=True)
    names = f"{layout.row_title} \\ {layout.column_title}"
    needed = _width(names, layout.rows, layout.columns, rows)
    if needed > console.width and not console.is_terminal:
        console = Console(width=needed, file=console.file)  # nothing is cut off in a pipe
    elif needed > console.width:
        rows = _rows(grid, intervals=False)
    console.print(cell(f"{layout.title} ({about['direction']})", "bold"))
    if isinstance(grid, Grid):
        text = visible(grid.question)
        console.print(cell(text if len(text) <= console.width else f"…{text[1 - console.width :]}", "dim"))
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(names, no_wrap=True)
    for name in layout.columns:
        table.add_column(cell(name), justify="right", no_wrap=True)
    for name, texts in zip(layout.rows, rows, strict=True):
        table.add_row(cell(name), *texts)
    console.print(table)
    console.print()
    for line in _below(grid):
        console.print(cell(line))
    errors = dict.fromkeys(each.error for each in grid.cells.values() if isinstance(each, Cell) and each.error)
    for error in errors:
        console.print(cell(f"–: {error}", "dim"))


def _rows(grid: Measured, *, intervals: bool) -> list[list[Text]]:
    """The cells, row by row; those that are none are empty."""
    layout = grid.layout
    most = largest([shift_of(each) for each in grid.cells.values()])
    marks = [
        max((len(mark_of(each)) for (_, at), each in grid.cells.items() if at == column), default=0)
        for column in range(len(layout.columns))
    ]
    return [
        [
            _text(grid.cells[row, column], most, marks[column], intervals)
            if (row, column) in grid.cells
            else Text()
            for column in range(len(layout.columns))
        ]
        for row in range(len(layout.rows))
    ]


def _width(names: str, rows: Sequence[str], columns: Sequence[str], texts: list[list[Text]]) -> int:
    """Cells that a table needs."""
    by_column = [
        max(len(name), *(row[number].cell_len for row in texts)) for number, name in enumerate(columns)
    ]
    return max(map(cells, (names, *rows))) + sum(by_column) + 2 * (len(columns) + 1)


def _text(known: Cell | MeanCell, most: float, width: int, interval: bool) -> Text:
    """A cell: the change with the sign of a flip, or the mean with half its interval; width: cells of marks."""
    room = " " * (width + bool(width))
    if isinstance(known, Cell) and known.error:
        return Text(f"–{room}", "dim")
    shift, mark = shift_of(known), mark_of(known)
    if shift != shift:  # not known: only whether another answer was given
        return Text(f"{'≠' if isinstance(known, Cell) and known.changed else '='}{room}")
    text = f"{shift:+.2f}"
    if interval and isinstance(known, MeanCell) and known.shift.n > 1:
        text += f" ±{known.shift.high - known.shift.mean:.2f}"
    size = abs(shift) / most if most else 0.0
    colour = "red" if shift < 0 else "blue"
    style = "dim" if size < LEAST else f"bold {colour}" if size >= STRONG else colour
    return Text(f"{text}{f' {mark}' if mark else '':<{len(room)}}", style)


def _below(grid: Measured) -> list[str]:
    if isinstance(grid, MeanGrid):
        without = f"Without a change: {grid.difference} nats."
        return [
            f"Mean change of logit(right) - logit(wrong), in nats, over n = {grid.count} questions, ± half its "
            f"95 % interval. {without}",
            "Behind it how many right answers became wrong (✗) and wrong ones right (✓).",
        ]
    own = f"Without a change it says “{visible(grid.own.answer or 'nothing')}”"
    if len(grid.words) < 2:
        return [f"{own}. No other answer is known: = the same answer, ≠ another one."]
    first, second = map(visible, grid.words)
    behind = f" behind “{visible(grid.behind)}”" if grid.behind else ""
    lines = [
        f"Change of log p({first}) - log p({second}){behind}, in nats. {own}: {grid.own.difference:+.2f}.",
    ]
    marks = "✗ a right answer becomes wrong, ✓ a wrong one right."
    return [*lines, marks] if grid.judged else lines
