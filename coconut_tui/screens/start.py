"""What is shown until there is a run: how far the loading of the model is."""

import time
from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from coconut_tui.engine import LOADING
from coconut_tui.run.action import shown_key
from coconut_tui.widgets.text import escaped, plain_title
from coconut_tui.widgets.tokens import with_marks

_MOST_KEYS = 32  # that wait for the run
_WHAT_COMES = (
    "Then s takes a step and c runs to the answer. Bars and shades are probabilities: what a thought would "
    "say, were it to speak. The line at the bottom names the keys that do something, ? explains what you see."
)


class StartScreen(ModalScreen[None]):
    """Tells the stages of loading, and keeps the keys that are pressed meanwhile."""

    BINDINGS = [
        Binding("escape", "forget", "forget the keys", priority=True),
        Binding("ctrl+z", "app.suspend_process", "suspend", priority=True),
    ]

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._stage, self._begun = 0, time.monotonic()
        self._done: list[int] = []  # seconds that each stage took
        self.keys: list[str] = []  # pressed meanwhile

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = plain_title(f"Opening {self._source}")
            dialog.border_subtitle = "keys that you press now wait, ctrl+q quits"
            yield Static(stages(0, [0], ()), id="stages")
            yield Static(Text(_WHAT_COMES, "dim"))

    def on_mount(self) -> None:
        """Count the seconds."""
        self.call_after_refresh(self._draw)
        self.set_interval(1.0, self._draw)

    def show(self, activity: str) -> None:
        """Tell what the engine is doing."""
        if activity in LOADING and (stage := LOADING.index(activity)) > self._stage:
            self._done += [self._seconds] + [0] * (stage - self._stage - 1)
            self._stage, self._begun = stage, time.monotonic()
            self._draw()

    def on_key(self, event: events.Key) -> None:
        """Keep a key for the run."""
        event.stop()
        if len(self.keys) < _MOST_KEYS:
            self.keys.append(event.key)
        self._draw()

    def action_forget(self) -> None:
        """Forget the keys that wait."""
        self.keys = []
        self._draw()

    @property
    def _seconds(self) -> int:
        return int(time.monotonic() - self._begun)

    def _draw(self) -> None:
        if self.is_mounted:
            self.query_one("#stages", Static).update(
                escaped(stages(self._stage, [*self._done, self._seconds], self.keys))
            )


def stages(stage: int, seconds: Sequence[int], keys: Sequence[str]) -> Text:
    """The stages of loading with the seconds that they took, and the keys that wait."""
    text = Text()
    for number, name in enumerate(LOADING):
        mark, style = ("✓", "") if number < stage else ("▸", "bold") if number == stage else ("·", "dim")
        text.append(f"{mark} {name}", style)
        text.append(f"  {seconds[number]} s\n" if number <= stage and seconds[number] else "\n", "dim")
    text = with_marks(text)
    return text.append(f"\nwaiting: {' '.join(map(shown_key, keys))}\n" if keys else "\n\n")
