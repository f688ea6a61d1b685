"""Picking from what was used lately."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from coconut_core.common.token_names import plain_name
from coconut_tui.widgets.tokens import error_line


class RecentScreen(ModalScreen[str | None]):
    """Lists what was used lately, newest first, and filters it; gives what was picked, None when it is left.

    Where something new may be written as well, that counts unless the cursor has been moved into the list.
    """

    BINDINGS = [
        Binding("down", "cursor(1)", "down", show=False, priority=True),
        Binding("up", "cursor(-1)", "up", show=False, priority=True),
        Binding("ctrl+s", "confirm", "open", priority=True),
        Binding("escape", "dismiss", "leave", priority=True),
    ]

    def __init__(
        self, title: str, items: Sequence[str], new: str = "", *, error: str = "", leaving: str = "closes"
    ) -> None:
        """new: what may be written that is not in the list; empty where nothing may. error: why the list is
        shown; leaving: what escape does."""
        super().__init__()
        self._title, self._items, self._new = title, items, new
        self._error, self._leaving = error, leaving
        self._matches: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = self._title
            dialog.border_subtitle = f"enter opens, up and down pick, escape {self._leaving}"
            if self._error:
                yield Static(error_line(self._error).append("\n"), id="why")
            yield Input(placeholder=self._new or "filter: words that are in it", compact=True)
            yield OptionList()
        yield Footer()

    def on_mount(self) -> None:
        """List all; the list keeps its height while it is filtered."""
        self.query_one(OptionList).styles.height = max(1, len(self._items))
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter anew."""
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes it, too."""
        self.action_confirm()

    def action_confirm(self) -> None:
        """Take what the cursor stands on, else what was written."""
        place, text = self.query_one(OptionList).highlighted, self.query_one(Input).value.strip()
        if place is not None:
            self.dismiss(self._matches[place])
        elif self._new and text:
            self.dismiss(text)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take what was clicked."""
        self.dismiss(self._matches[event.option_index])

    def action_cursor(self, by: int) -> None:
        """Move the cursor while the filter is being typed."""
        options = self.query_one(OptionList)
        if self._matches:
            before = -1 if options.highlighted is None else options.highlighted
            options.highlighted = min(max(before + by, 0), len(self._matches) - 1)

    def _show(self, words: str) -> None:
        options = self.query_one(OptionList)
        self._matches = [
            item for item in self._items if all(word in item.lower() for word in words.lower().split())
        ]
        options.clear_options()
        options.add_options(
            [Option(Text(plain_name(item), no_wrap=True, overflow="ellipsis")) for item in self._matches]
        )
        if self._matches and not self._new:
            options.highlighted = 0
