"""Choosing the columns of an atlas's table."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList
from textual.widgets.option_list import Option

from coconut_core.atlas.columns import COLUMNS
from coconut_tui.run.atlas import COURSE

_ABOUT = "a column for each thought, as high as the measure that v chooses"


class ColumnsScreen(ModalScreen[tuple[str, ...] | None]):
    """Lists all columns with what they are; gives those that are to be shown, in their order."""

    BINDINGS = [
        Binding("space,x", "turn", "show or hide"),
        Binding("K", "shift(-1)", "further left"),
        Binding("J", "shift(1)", "further right"),
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
        Binding("enter,ctrl+s", "confirm", "take these", priority=True),
        Binding("escape,q", "dismiss", "close"),
    ]

    def __init__(self, shown: Sequence[str], graphs: bool) -> None:
        super().__init__()
        self._shown = set(shown)
        known = [
            name for name, column in COLUMNS.items() if (graphs or not column.of_graph) and name != "tokens"
        ]
        self._order = [*shown, *(name for name in (COURSE, *known) if name not in shown)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = "Columns"
            dialog.border_subtitle = "space shows and hides, enter takes these, escape closes"
            yield OptionList(*self._options())
        yield Footer()

    def action_turn(self) -> None:
        """Show or hide the column under the cursor."""
        self._shown ^= {self._order[self._here]}
        self._list(self._here)

    def action_shift(self, by: int) -> None:
        """Move the column under the cursor."""
        here, to = self._here, min(max(self._here + by, 0), len(self._order) - 1)
        self._order.insert(to, self._order.pop(here))
        self._list(to)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        options = self.query_one(OptionList)
        options.highlighted = min(max(self._here + by, 0), len(self._order) - 1)

    def action_confirm(self) -> None:
        """Take what is marked."""
        self.dismiss(tuple(name for name in self._order if name in self._shown) or None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click shows or hides."""
        self.query_one(OptionList).highlighted = event.option_index
        self.action_turn()

    @property
    def _here(self) -> int:
        return self.query_one(OptionList).highlighted or 0

    def _list(self, here: int) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(self._options())
        options.highlighted = here

    def _options(self) -> list[Option]:
        lines = []
        for name in self._order:
            column = COLUMNS.get(name)
            line = Text(f"{'■' if name in self._shown else '□'} {name:<16}", no_wrap=True, overflow="ellipsis")
            line.append(_ABOUT if column is None else column.about, "dim")
            lines.append(Option(line))
        return lines
