"""The command line at the bottom of the screen."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from coconut_tui.run.commands import Completion, completed
from coconut_tui.widgets.tokens import error_line

_HINT = "tab completes, enter runs, escape leaves"
_MOST = 8  # completions


class CommandScreen(ModalScreen[str | None]):
    """Asks for a line; gives None when it is left."""

    BINDINGS = [
        Binding("escape", "dismiss", "cancel", priority=True),
        Binding("tab", "complete", "complete", priority=True),
        Binding("ctrl+s", "confirm", "run", priority=True),
    ]

    def __init__(self, text: str, error: str, complete: Callable[[str], Sequence[Completion]]) -> None:
        """error is what was wrong with the text when it was given before."""
        super().__init__()
        self._text, self._error, self._complete = text, error, complete

    def compose(self) -> ComposeResult:
        with Vertical(id="command"):
            yield Static(id="completions")
            yield Static(id="command-error")
            with Horizontal(id="command-line"):
                yield Label(":")
                yield Input(self._text, compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Begin behind what is there."""
        self.query_one(Input).cursor_position = len(self._text)
        self._show(self._text)
        error = error_line(self._error) if self._error else _HINT
        self.query_one("#command-error", Static).update(error)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what the line can become; the error was about another line."""
        self._show(event.value)
        if event.value != self._text:
            self.query_one("#command-error", Static).update(_HINT)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes the line, too."""
        self.action_confirm()

    def action_confirm(self) -> None:
        """Take the line."""
        self.dismiss(self.query_one(Input).value.strip() or None)

    def action_complete(self) -> None:
        """Write as much as is certain."""
        line = self.query_one(Input)
        line.value = completed(line.value, self._complete(line.value))
        line.cursor_position = len(line.value)

    def _show(self, text: str) -> None:
        completions = self._complete(text)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
        for completion in completions[:_MOST]:
            table.add_row(Text(completion.usage), Text(completion.description))
        if len(completions) > _MOST:
            table.add_row(Text("…", "dim"), f"{len(completions) - _MOST} more")
        self.query_one("#completions", Static).update(table)
