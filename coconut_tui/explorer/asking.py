"""What the views on screen have asked of the engine: of each kind the newest question only, never in haste."""

from collections.abc import Iterable

from coconut_tui.run.lookups import Ask


class Questions:
    """Those that wait to be asked, those that the engine has not answered yet, and those that were stopped."""

    def __init__(self) -> None:
        self._waiting: dict[str, Ask] = {}
        self._open: dict[str, Ask] = {}
        self._stopped: set[Ask] = set()

    @property
    def open(self) -> bool:
        """Whether the engine has not answered one yet."""
        return bool(self._open)

    def want(self, ask: Ask) -> bool:
        """Let a question wait; False where it is open, or has been stopped by the person."""
        if ask in self._stopped or self._open.get(ask.kind) == ask:
            return False
        self._waiting[ask.kind] = ask
        return True

    def to_ask(self) -> Iterable[Ask]:
        """The questions that waited; now they are open."""
        asked, self._waiting = self._waiting, {}
        self._open |= asked
        return asked.values()

    def answered(self, ask: Ask) -> None:
        """The engine has answered, whatever was thought of it."""
        self._stopped.discard(ask)
        if self._open.get(ask.kind) == ask:
            del self._open[ask.kind]

    def stop_open(self) -> None:
        """What the engine has not answered will not be."""
        self._stopped, self._open = set(self._open.values()), {}

    def is_stopped(self, ask: Ask) -> bool:
        """Whether a question has been stopped."""
        return ask in self._stopped

    def begin_again(self) -> None:
        """What was stopped may be asked again."""
        self._stopped.clear()

    def clear(self) -> None:
        """There is another model."""
        self._waiting, self._open, self._stopped = {}, {}, set()
