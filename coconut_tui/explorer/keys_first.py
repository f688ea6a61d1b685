"""Between a key and its paint comes nothing that can wait."""

from textual.app import App

from coconut_tui.engine import Engine
from coconut_tui.engine.garbage import Sweeper


class KeysFirst:
    """While somebody waits for a paint, no garbage is collected, and a run takes no further step."""

    def __init__(self, app: App[None], engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._sweeper = Sweeper()

    def start(self) -> None:
        """The app is there."""
        self._sweeper.start()
        self._app.set_interval(1.0, self._sweeper.sweep)

    def stop(self) -> None:
        """The app ends."""
        self._sweeper.stop()

    def make_way(self) -> None:
        """A key was pressed."""
        self._sweeper.note_key()
        self._engine.give_way()
        self._app.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self._sweeper.painted()
        self._engine.go_on()
