"""The question editor."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Footer, Static, TextArea

from coconut_tui.screens.writing import WritingDialog
from coconut_tui.widgets.tokens import error_line


class QuestionScreen(WritingDialog):
    """Asks for a question, and stays until it has been read: one that is refused is there to be mended."""

    BINDINGS = [
        Binding("ctrl+s,f2", "ask", "ask", priority=True),
        Binding("ctrl+g", "outside", "in your editor", priority=True),
        Binding("up", "go(-1)", "earlier questions", show=False, priority=True),
        Binding("down", "go(1)", "later questions", show=False, priority=True),
        Binding("escape", "dismiss", "cancel", priority=True),
    ]

    def __init__(
        self, question: str, earlier: Sequence[str], ask: Callable[[str], None], error: str = ""
    ) -> None:
        """earlier: questions asked before, newest first; ask is given what was written, as it was written.

        error: why the question was refused.
        """
        super().__init__()
        self._ask = ask
        self._error, self._refused = error, question
        self._texts = [question, *(text for text in earlier if text != question)]
        self._place = 0  # which of them is in the editor

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Question"
            dialog.border_subtitle = "ctrl+s asks, escape closes"
            if len(self._texts) > 1:
                dialog.border_subtitle = "ctrl+s asks, up brings earlier questions, escape closes"
            yield TextArea(self._texts[0], soft_wrap=True)
            yield Static(error_line(self._error), id="refused")
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
        """Ask the question as it stands, without the space around it."""
        self.take("reading it …")

    def _hand_on(self) -> None:
        self._refused = self.query_one(TextArea).text
        self._ask(self._refused.strip())

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """The error was about another text."""
        if not self.waits and event.text_area.text != self._refused:
            self.query_one("#refused", Static).update(Text())
