"""Writing a finding down."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Footer, Input, Static, TextArea

from coconut_core.common.errors import visible
from coconut_tui.screens.writing import WritingDialog


class NoteScreen(WritingDialog):
    """Asks for title, tags and note, and stays until they have been written: nothing that was typed is lost."""

    BINDINGS = [
        Binding("ctrl+s,f2", "keep", "note it down", priority=True),
        Binding("ctrl+g", "outside", "the note in your editor", priority=True),
        Binding("escape", "dismiss", "cancel", priority=True),
    ]

    def __init__(
        self, where: str, known_tags: Sequence[str], keep: Callable[[str, Sequence[str], str], None]
    ) -> None:
        """where: what is noted, in a line; known_tags: those in use; keep is given title, tags and note, and
        calls refuse() or dismisses this."""
        super().__init__()
        self._where, self._known_tags, self._keep = where, known_tags, keep

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="note") as dialog:
            dialog.border_title = "Note a finding"
            dialog.border_subtitle = "ctrl+s notes it down, tab goes on, escape closes"
            yield Static(Text(visible(self._where), "dim", no_wrap=True, overflow="ellipsis"), id="note-where")
            yield Input(placeholder="title: what was found, in a line", compact=True, id="note-title")
            known = " ".join(self._known_tags)
            used = f": used so far {known}" if known else ""
            yield Input(placeholder=f"tags, with spaces between{visible(used)}", compact=True, id="note-tags")
            yield TextArea(soft_wrap=True, placeholder="the note, in Markdown", id="note-text")
            yield Static(id="refused")
        yield Footer()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field."""
        self.focus_next()

    def action_keep(self) -> None:
        """Hand on what was written."""
        self.take("noting it down …")

    def _hand_on(self) -> None:
        tags = self.query_one("#note-tags", Input).value.replace(",", " ").split()
        title = self.query_one("#note-title", Input).value
        self._keep(title, [tag.removeprefix("#") for tag in tags], self.query_one(TextArea).text)
