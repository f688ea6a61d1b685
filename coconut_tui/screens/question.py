"""The question editor."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, TextArea


class QuestionScreen(ModalScreen[str | None]):
    """Asks for a question; gives None when it is left."""

    BINDINGS = [
        Binding("ctrl+s,f2", "ask", "ask", priority=True),
        Binding("up", "go(-1)", "earlier questions", show=False, priority=True),
        Binding("down", "go(1)", "later questions", show=False, priority=True),
        Binding("escape", "leave", "cancel", priority=True),
    ]

    def __init__(self, question: str, earlier: Sequence[str] = ()) -> None:
        """earlier: questions asked before, newest first."""
        super().__init__()
        self._texts = [question, *(text for text in earlier if text != question)]
        self._place = 0  # which of them is in the editor

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Question"
            dialog.border_subtitle = "ctrl+s asks, escape leaves"
            if len(self._texts) > 1:
                dialog.border_subtitle = "ctrl+s asks, up brings earlier questions, escape leaves"
            yield TextArea(self._texts[0], soft_wrap=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin with the whole text selected, so that typing replaces it."""
        self.query_one(TextArea).select_all()

    def action_go(self, by: int) -> None:
        """Up or down in the text; at its edge, or while all of it is selected, to another question."""
        area = self.query_one(TextArea)
        whole = area.selected_text == area.text
        at_edge = (
            area.navigator.is_first_wrapped_line(area.cursor_location)
            if by < 0
            else area.navigator.is_last_wrapped_line(area.cursor_location)
        )
        place = self._place - by
        if (whole or at_edge) and 0 <= place < len(self._texts):
            self._texts[self._place] = area.text
            self._place = place
            area.text = self._texts[place]
            area.select_all()
        elif by < 0:
            area.action_cursor_up()
        else:
            area.action_cursor_down()

    def action_ask(self) -> None:
        """Take the question as it stands."""
        self.dismiss(" ".join(self.query_one(TextArea).text.split()))

    def action_leave(self) -> None:
        """Leave the question as it was."""
        self.dismiss(None)
