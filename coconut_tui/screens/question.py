"""The question editor."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, TextArea


class QuestionScreen(ModalScreen[str | None]):
    """Asks for a question; gives None when it is left."""

    BINDINGS = [
        Binding("ctrl+s,f2", "ask", "ask", priority=True),
        Binding("escape", "leave", "cancel", priority=True),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Question"
            dialog.border_subtitle = "ctrl+s asks, escape leaves"
            yield TextArea(self._question, soft_wrap=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin with the whole text selected, so that typing replaces it."""
        self.query_one(TextArea).select_all()

    def action_ask(self) -> None:
        """Take the question as it stands."""
        self.dismiss(" ".join(self.query_one(TextArea).text.split()))

    def action_leave(self) -> None:
        """Leave the question as it was."""
        self.dismiss(None)
