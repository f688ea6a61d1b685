"""How the explorer's process ends."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from coconut_tui.engine.engine import ENGINE_THREAD

SIGNALS = ("SIGHUP", "SIGTERM")  # not every platform has both
GRACE = 2.0  # seconds in which the app can end; where its terminal is gone, it may wait for that for ever


@contextmanager
def leaving_on_signals(write: Callable[[], None], leave: Callable[[int], object]) -> Iterator[None]:
    """While this context is open, a signal has everything written, and then the app leave with an exit code.

    A second signal of the kind ends the process at once.
    """

    def caught(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        write()
        # In a thread, as the one that was interrupted may be in the middle of anything.
        threading.Thread(target=end, args=(128 + number,), daemon=True).start()

    def end(code: int) -> None:
        leave(code)
        time.sleep(GRACE)
        os._exit(code)

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, caught) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_process(code: int) -> NoReturn:
    """End, whatever the engine's threads are doing. Nothing may be left to write.

    A thread inside torch does not bear that Python is taken down around it: the process would be aborted.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if any(thread.name == ENGINE_THREAD for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
