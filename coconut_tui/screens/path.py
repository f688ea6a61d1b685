"""Asks for a file's path."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input


class PathScreen(ModalScreen[str | None]):
    """Asks for a path; gives None when it is left."""

    BINDINGS = [Binding("escape", "leave", "cancel", priority=True)]

    def __init__(self, title: str, path: str) -> None:
        super().__init__()
        self._title, self._path = title, path

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = self._title
            dialog.border_subtitle = "enter takes it, escape leaves"
            yield Input(self._path)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the path."""
        self.dismiss(event.value.strip() or None)

    def action_leave(self) -> None:
        """Leave without one."""
        self.dismiss(None)
