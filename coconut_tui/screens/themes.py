"""Choosing a theme: the one under the cursor is on screen."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList


class ThemesScreen(ModalScreen[None]):
    """Lists all themes beside what they are seen on; escape goes back to the one before."""

    BINDINGS = [
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
        Binding("escape,q", "leave", "as before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._before = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Theme"
            dialog.border_subtitle = "enter takes it"
            yield OptionList(*sorted(self.app.available_themes))
        yield Footer()

    def on_mount(self) -> None:
        """Begin at the theme in use."""
        self._before = self.app.theme
        themes = self.query_one(OptionList)
        themes.highlighted = sorted(self.app.available_themes).index(self._before)
        themes.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what it looks like."""
        self.app.theme = str(event.option.prompt)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """It stays."""
        self.dismiss()

    def action_leave(self) -> None:
        """The theme before comes back."""
        self.app.theme = self._before
        self.dismiss()

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        themes = self.query_one(OptionList)
        themes.action_cursor_down() if by > 0 else themes.action_cursor_up()
