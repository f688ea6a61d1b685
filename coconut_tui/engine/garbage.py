"""When Python looks for garbage: not between a key and its paint, and for all of it while nobody presses keys.

To go through everything that is alive holds up the screen for a tenth of a second, and with what torch has
imported for half a second.
"""

import gc
import time

QUIET = 1.0  # seconds without a key, after which nobody is likely to wait for a paint
YOUNG = 5_000  # objects made and kept after which the young are gone through; a paint makes thousands
OFTEN, MOST = 20, 200  # collections of the less young after which it is time for all, and high time
_NEVER = 2**30


class Sweeper:
    """Has all garbage collected now and then, in the place of Python's own rule."""

    def __init__(self) -> None:
        self._usual: tuple[int, int, int] | None = None
        self._key_at = 0.0

    def start(self) -> None:
        """From now on in place of Python."""
        if self._usual is None:
            self._usual = gc.get_threshold()
            gc.set_threshold(YOUNG, self._usual[1], _NEVER)
        gc.enable()

    def stop(self) -> None:
        """Leave it to Python again."""
        if self._usual is not None:
            gc.set_threshold(*self._usual)
            gc.enable()
            self._usual = None

    def note_key(self) -> None:
        """A key was pressed: nothing is collected until painted() is called."""
        self._key_at = time.monotonic()
        if self._usual is not None:
            gc.disable()

    def painted(self) -> None:
        """What the key did is on screen."""
        gc.enable()

    def sweep(self) -> None:
        """Called about once in a second: collect, where it is time and nobody waits."""
        quiet = time.monotonic() - self._key_at >= QUIET
        if quiet:
            gc.enable()  # whatever became of the paint
        if gc.get_count()[2] >= (OFTEN if quiet else MOST):
            gc.collect()


def set_aside(*, others: bool) -> None:
    """Look no more through what is alive now: what was imported and loaded. others: some of what was set aside
    before has gone, and is collected first."""
    if others:
        gc.unfreeze()
        gc.collect()
    gc.freeze()


def take_back() -> None:
    """Look through what was set aside again."""
    gc.unfreeze()
