"""Each thought of each number of hops as a cell with a number and a shade, and below what thoughts say most."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable

from coconut_core.common.token_names import plain_name
from coconut_tui.widgets.atlas_cells import SHARES, number_text
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.tokens import fitted, share_text

if TYPE_CHECKING:
    from coconut_core.atlas.summary import Summary

_LEAST, _MOST = 5, 16  # cells of a column
_SIDE = 7  # cells of the row's names
_ROOM_FOR_SHARE = 10  # cells of a column from which a token's share stands behind it


@dataclass(frozen=True)
class Cell:
    """Where a cell stands: a thought, and either a number of hops or a token."""

    thought: int
    hops: int | None = None
    token: str | None = None

    @property
    def condition(self) -> str:
        """A filter for its runs."""
        if self.token is not None:
            return "token({}) = '{}'".format(self.thought, self.token.replace("'", "''"))
        return f"thoughts >= {self.thought}" if self.hops is None else f"hops = {self.hops}"


class AtlasHeat(DataTable[Text]):
    """The heat map."""

    BINDINGS = [
        Binding("enter", "select_cursor", "show these only"),
        Binding("j", "cursor_down", "down", show=False),
        Binding("k", "cursor_up", "up", show=False),
        Binding("h", "cursor_left", "left", show=False),
        Binding("l", "cursor_right", "right", show=False),
    ]

    class Picked(Message):
        """A cell was taken."""

        def __init__(self, cell: Cell) -> None:
            super().__init__()
            self.cell = cell

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            cursor_type="cell",
            cell_padding=0,
            cursor_foreground_priority="renderable",  # the shade stays, turned round
            cursor_background_priority="renderable",
        )
        self._cells: list[Sequence[Cell | None]] = []
        self._shown_for: object = None

    def show(self, summary: "Summary", thought: int, width: int, lines: int) -> None:
        """thought: the one in question, from 1, whose column the cursor is in."""
        if self._shown_for == (summary, width, lines):
            self.move_cursor(column=thought - 1)
            return
        self._shown_for = summary, width, lines
        heat = summary.heat
        count = max([len(summary.tokens), *map(len, heat.means)], default=0)
        at = self.cursor_coordinate
        self.clear(columns=True)
        self._cells = []
        if not count:
            return
        size = max(_LEAST, min(_MOST, (width - _SIDE - 1) // count))
        numbers = range(1, count + 1)
        for number in numbers:
            self.add_column(Text(f"{number:^{size}}", "bold"), width=size)
        room = max(1, lines - 1)
        most = (
            1.0
            if heat.column in SHARES
            else max(filter(None, (m for row in heat.means for m in row)), default=1.0)
        )
        kept = max(1, room - bool(any(summary.tokens)))
        for hops, means in [*zip(heat.rows, heat.means, strict=True)][:kept]:
            drawn = [_heat_cell(value, most, size, share=heat.column in SHARES) for value in means]
            self._add(
                "all" if hops is None else f"{hops} hops", drawn, [Cell(each, hops=hops) for each in numbers]
            )
        for rank in range(min(room - len(self._cells), max(map(len, summary.tokens), default=0))):
            ranked = [each[rank] if rank < len(each) else None for each in summary.tokens]
            self._add(
                "says" if rank == 0 else "",
                [_token_cell(item, summary.count, size) for item in ranked],
                [
                    Cell(each, token=item[0]) if item else None
                    for each, item in zip(numbers, ranked, strict=True)
                ],
            )
        self.move_cursor(row=min(at.row, len(self._cells) - 1), column=thought - 1)

    def on_data_table_cell_selected(self, event: DataTable.CellSelected) -> None:
        """Take a cell."""
        event.stop()
        row = self._cells[event.coordinate.row]
        cell = row[event.coordinate.column] if event.coordinate.column < len(row) else None
        if cell is not None:
            self.post_message(self.Picked(cell))

    def _add(self, name: str, drawn: Sequence[Text], cells: Sequence[Cell | None]) -> None:
        self.add_row(*drawn, label=Text(name.ljust(_SIDE), "dim"))
        self._cells.append(cells)


def _heat_cell(value: float | None, most: float, size: int, *, share: bool) -> Text:
    """A number on its shade, with a gap to the next cell."""
    if value is None or not isfinite(value):
        return Text("–".center(size - 1) + " ", "dim")
    level = round(max(0.0, min(1.0, value / most)) * (SHADES - 1))
    number = number_text(value, share=share).center(size - 1)
    return Text().append(number, f"coconut.shade.{level}" if level else "").append(" ")


def _token_cell(item: tuple[str, int] | None, count: int, size: int) -> Text:
    """A token, and the share of the runs whose thought says it."""
    if item is None:
        return Text()
    behind = f" {share_text(item[1] / max(1, count))}" if size >= _ROOM_FOR_SHARE else ""
    room = size - 1 - len(behind)
    return Text(fitted(plain_name(item[0]), room)).append(behind, "dim")
