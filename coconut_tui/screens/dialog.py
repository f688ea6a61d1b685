"""What dialogs have in common: those that are only read, or in which a text is written, what-if, and keys of
lists that are filtered."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer

from coconut_tui.run.state import WhatIf

SEARCHING: list[BindingType] = [
    Binding("slash", "app.act('search')", "search"),
    Binding("n", "app.search_on(1)", "next", show=False),
    Binding("N", "app.search_on(-1)", "previous", show=False),
]


# Of a list below a field, which has the focus.
LIST_CURSOR: list[BindingType] = [
    Binding("down", "cursor(1)", "down", show=False, priority=True),
    Binding("up", "cursor(-1)", "up", show=False, priority=True),
    Binding("pagedown", "cursor(10)", "down", show=False, priority=True),
    Binding("pageup", "cursor(-10)", "up", show=False, priority=True),
]


# Of what is read: the keys of a pager.
PAGER: list[BindingType] = [
    Binding("j,down", "scroll(1)", "down", show=False),
    Binding("k,up", "scroll(-1)", "up", show=False),
    Binding("pagedown,space", "scroll(10)", "page down", show=False),
    Binding("pageup", "scroll(-10)", "page up", show=False),
]


class DrawsNewest(ModalScreen[str | None]):
    """A dialog that is filled as results come in. Of those that come in fast the newest is drawn.

    Textual calls on_mount and on_resize of every class of a screen: what is derived must not call these again.
    """

    DRAWN: ClassVar[str]  # selector of the widget that is there as long as something can be drawn

    def __init__(self) -> None:
        super().__init__()
        self._stale = False  # whether there is more than what is drawn

    def on_mount(self) -> None:
        """Draw, once it is known how much room there is."""
        self.call_after_refresh(self._draw_newest)

    def on_resize(self) -> None:
        """What is drawn follows the size."""
        self.call_after_refresh(self._draw_newest)

    def draw_soon(self) -> None:
        """There is more to draw."""
        if not self._stale:
            self._stale = True
            self.call_later(self._draw_newest)

    def _draw_newest(self) -> None:
        self._stale = False
        if self.query(self.DRAWN):  # else it is not there yet, or not any more
            self._draw()

    def _draw(self) -> None:
        raise NotImplementedError


class WhatIfDialog(DrawsNewest):
    """A table of interventions that is filled as they come in; gives the one that is to become a branch."""

    DRAWN = "#what-if-state"

    def __init__(self, title: str) -> None:
        super().__init__()
        self._table = WhatIf(title, ())

    def show(self, table: WhatIf) -> None:
        """Show what is known."""
        self._table = table
        self.draw_soon()

    def action_confirm(self) -> None:
        """Take what is under the cursor, as enter does."""
        self.query_one(DataTable).action_select_cursor()


class ReadingDialog(ModalScreen[None]):
    """A dialog with something to read, which the keys of a pager move."""

    BINDINGS: ClassVar[list[BindingType]] = [*SEARCHING, *PAGER]

    def on_mount(self) -> None:
        """Name the keys of the dialog in the place of the explorer's."""
        if not self.query(Footer):
            self.mount(Footer())

    def action_scroll(self, by: int) -> None:
        """Move by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
