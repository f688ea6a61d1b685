"""A causal grid in the terminal, with Rich."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coconut_core.common.errors import visible
from coconut_core.grid.measuring import Cell, Grid, MeanCell, MeanGrid
from coconut_core.grid.tables import Measured, largest, mark_of, shift_of
from coconut_core.terminal.show import cell

STRONG = 0.5  # share of the largest change from which on a cell is bold
LEAST = 0.1  # and below which it is dim


def print_grid(grid: Measured, about: dict[str, Any], console: Console | None = None) -> None:
    """The grid with what was asked above it, and what its numbers are below."""
    console = console or Console()
    layout = grid.layout
    console.print(cell(f"{layout.title} ({about['direction']})", "bold"))
    if isinstance(grid, Grid):
        text = visible(grid.question)
        console.print(cell(text if len(text) <= console.width else f"…{text[1 - console.width :]}", "dim"))
    console.print()
    most = largest([shift_of(each) for each in grid.cells.values()])
    widths = [
        max((len(mark_of(each)) for (_, at), each in grid.cells.items() if at == column), default=0)
        for column in range(len(layout.columns))
    ]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"{layout.row_title} \\ {layout.column_title}", no_wrap=True)
    for name in layout.columns:
        table.add_column(cell(name), justify="right", no_wrap=True)
    for row, name in enumerate(layout.rows):
        places = [(row, column) for column in range(len(layout.columns))]
        table.add_row(
            cell(name),
            *(
                _text(grid.cells[place], most, widths[place[1]]) if place in grid.cells else Text()
                for place in places
            ),
        )
    console.print(table)
    console.print()
    for line in _below(grid):
        console.print(cell(line))
    errors = dict.fromkeys(each.error for each in grid.cells.values() if isinstance(each, Cell) and each.error)
    for error in errors:
        console.print(cell(f"–: {error}", "dim"))


def _text(known: Cell | MeanCell, most: float, width: int) -> Text:
    """A cell: the change with the sign of a flip, or the mean with half its interval; width: cells of marks."""
    room = " " * (width + bool(width))
    if isinstance(known, Cell) and known.error:
        return Text(f"–{room}", "dim")
    shift, mark = shift_of(known), mark_of(known)
    if shift != shift:  # not known: only whether another answer was given
        return Text(f"{'≠' if isinstance(known, Cell) and known.changed else '='}{room}")
    text = f"{shift:+.2f}"
    if isinstance(known, MeanCell) and known.shift.n > 1:
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
