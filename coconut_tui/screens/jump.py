"""A letter at every place that can be gone to; pressing it goes there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset, Region
from textual.screen import ModalScreen
from textual.widgets import Label

Go = Callable[[], object]


@dataclass(frozen=True)
class Target:
    """A place on screen, and how to go there. Its letter stands at its right end, where it hides least."""

    region: Region
    go: Go


class JumpScreen(ModalScreen[Go | None]):
    """Gives how to go to the target whose letter was pressed, or what else a key stands for."""

    def __init__(
        self, targets: Sequence[Target], keys: Mapping[str, Go], marks: Mapping[str, Region] | None = None
    ) -> None:
        """keys: what else a key stands for; marks: where on screen such a key is shown."""
        super().__init__()
        self._marks = marks or {}
        self._targets = dict(zip(ascii_letters, targets, strict=False))
        self._keys = keys

    def compose(self) -> ComposeResult:
        for letter, target in self._targets.items():
            label = Label(f" {letter} ", classes="jump")
            label.absolute_offset = Offset(target.region.right - 4, target.region.y)
            yield label
        for key, region in self._marks.items():
            label = Label(key, classes="jump mark")
            label.absolute_offset = region.offset
            yield label

    def on_key(self, event: events.Key) -> None:
        """Any other key leaves."""
        event.stop()
        target = self._targets.get(event.character or "")
        self.dismiss(self._keys.get(event.key) if target is None else target.go)

    def on_click(self, event: events.Click) -> None:
        """A click goes to the smallest place that lies there."""
        there = [target for target in self._targets.values() if target.region.contains(*event.screen_offset)]
        self.dismiss(min(there, key=lambda target: target.region.area).go if there else None)
