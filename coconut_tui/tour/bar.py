"""The bar that leads through the tour: it looks where the person is, and goes on when a step is done."""

from typing import cast

from rich.text import Text
from textual.timer import Timer
from textual.widgets import Static

from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.tour.steps import FAREWELL, STOPS

_LOOKS_EVERY = 0.2  # seconds


class TourBar(Static):
    """One step of the tour at a time; not there where there is no tour."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.stop: int | None = None  # number of the step, from 0; len(STOPS) at the end, None without a tour
        self._timer: Timer | None = None
        self._needs = ""  # what the step that is shown says to do first

    def on_mount(self) -> None:
        """Out of the way until the tour begins."""
        self.display = False

    def begin(self) -> None:
        """Begin with the first step."""
        self._go_to(0)
        self._timer = self._timer or self.set_interval(_LOOKS_EVERY, self._look)

    def end(self) -> None:
        """Leave the tour."""
        self.stop, self.display = None, False
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _look(self) -> None:
        app = cast(ExplorerBase, self.app)
        if self.stop is None or self.stop == len(STOPS):
            return
        step = STOPS[self.stop]
        if step.done(app) or (app.view is not None and not step.meant(app)):
            self._go_to(self.stop + 1)
        elif step.needs(app) != self._needs:
            self._go_to(self.stop)

    def _go_to(self, number: int) -> None:
        self.stop, self.display = number, True
        app = cast(ExplorerBase, self.app)
        keys = {action.name: action.shown_keys for action in app.actions}
        if number == len(STOPS):
            self.update(Text(f" {FAREWELL.format_map(keys)}"))
            return
        step = STOPS[number]
        self._needs = step.needs(app)
        text = Text(f" {number + 1}/{len(STOPS)} {step.title} ", "bold reverse")
        self.update(Text().append_text(text).append("  " + step.instruction(keys, self._needs)))
