"""Between a key and its paint comes nothing that can wait."""

import time
from functools import partial

from textual.app import App
from textual.timer import Timer

from coconut_tui.engine import LONGEST_WAIT, Engine
from coconut_tui.engine.garbage import Sweeper

MOMENT = 0.005  # seconds after which what has given way looks whether it may go on


class KeysFirst:
    """While somebody waits for a paint, no garbage is collected, a run takes no further step, and what else
    there is to draw is left for later."""

    def __init__(self, app: App[None], engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._sweeper = Sweeper()
        self._ends = 0.0  # when a key has been waited for long enough
        self._patience: Timer | None = None

    def start(self) -> None:
        """The app is there."""
        self._sweeper.start()
        self._app.set_interval(1.0, self._sweeper.sweep)

    def stop(self) -> None:
        """The app ends."""
        self._sweeper.stop()

    @property
    def is_awaited(self) -> bool:
        """Whether somebody has pressed a key and waits for the paint of what it does."""
        return time.monotonic() < self._ends

    def make_way(self) -> None:
        """A key was pressed; it may still have to be taken from what else the app has to do."""
        self._ends = time.monotonic() + LONGEST_WAIT
        self._sweeper.note_key()
        self._engine.give_way()
        if self._patience is not None:
            self._patience.stop()
        give_up = partial(self._painted, self._ends)  # as a key may do nothing
        self._patience = self._app.set_timer(LONGEST_WAIT, give_up)

    def acted(self) -> None:
        """What the key does is being done. Widgets ask for their paint once they are idle, perhaps behind the
        next refresh: the one after that shows it."""
        self._app.call_after_refresh(self._app.call_after_refresh, self._painted, self._ends)

    def _painted(self, ends: float) -> None:
        if ends != self._ends:
            return  # another key has been pressed since
        self._ends = 0.0
        self._sweeper.painted()
        self._engine.go_on()
