"""A letter at every place that can take the focus; pressing it goes there."""

from collections.abc import Sequence
from string import ascii_lowercase

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Label


class JumpScreen(ModalScreen[Widget | None]):
    """Gives the widget whose letter was pressed."""

    def __init__(self, targets: Sequence[Widget]) -> None:
        super().__init__()
        self._targets = dict(zip(ascii_lowercase, targets, strict=False))

    def compose(self) -> ComposeResult:
        for letter, target in self._targets.items():
            label = Label(f" {letter} ", classes="jump")
            label.absolute_offset = Offset(target.region.x, target.region.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        """Any other key leaves."""
        event.stop()
        self.dismiss(self._targets.get(event.key))

    def on_click(self, event: events.Click) -> None:
        """A click goes to what lies there."""
        self.dismiss(
            next((each for each in self._targets.values() if each.region.contains(*event.screen_offset)), None)
        )
