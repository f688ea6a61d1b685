"""What the dialogs that are only read have in common."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer

SEARCHING: list[BindingType] = [
    Binding("slash", "app.act('search')", "search"),
    Binding("n", "app.search_on(1)", "next", show=False),
    Binding("N", "app.search_on(-1)", "previous", show=False),
]


class ReadingDialog(ModalScreen[None]):
    """A dialog with something to read, which the keys of a pager move."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *SEARCHING,
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("pagedown,space", "scroll(10)", "page down", show=False),
        Binding("pageup", "scroll(-10)", "page up", show=False),
    ]

    def on_mount(self) -> None:
        """Name the keys of the dialog in the place of the explorer's."""
        if not self.query(Footer):
            self.mount(Footer())

    def action_scroll(self, by: int) -> None:
        """Move by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
