"""A question with yes or no."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from coconut_core.common.errors import visible


class ConfirmScreen(ModalScreen[bool]):
    """Asks before something is done; gives True where it is to be."""

    BINDINGS = [
        Binding("enter,y,ctrl+s", "answer(True)", "yes"),
        Binding("escape,n,q", "answer(False)", "no"),
    ]

    def __init__(self, title: str, question: str) -> None:
        super().__init__()
        self._title, self._question = title, question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = Text(visible(self._title))
            dialog.border_subtitle = "enter yes, escape no"
            yield Static(Text(visible(self._question)))
        yield Footer()

    def action_answer(self, yes: bool) -> None:
        """Give the answer."""
        self.dismiss(yes)
