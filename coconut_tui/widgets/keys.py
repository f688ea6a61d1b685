"""The line of keys at the bottom."""

from textual.screen import Screen
from textual.widgets import Footer


class KeysFooter(Footer):
    """Put together anew only where there are other keys to show: it is a widget for each, made, styled and laid
    out, and Textual asks for it whenever the focus moves."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[object, ...]] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Show other keys, where they are others."""
        keys = [tuple(each)[1:] for each in screen.active_bindings.values() if each.binding.show]
        here = screen.app.app_focus and self.is_attached and screen is self.screen
        if not here or keys != self._shown:
            super().bindings_changed(screen)
        if here:
            self._shown = keys
