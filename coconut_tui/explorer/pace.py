"""How often to draw while a model steps faster than a screen can be drawn: now and then, so keys get in."""

import time

LEAST, MOST = 0.04, 0.5  # seconds between two drawings


class Pace:
    """Leaves three times as long between drawings as one takes, painting included."""

    def __init__(self) -> None:
        self._at, self._took, self._is_drawing = 0.0, 0.0, False

    @property
    def wait(self) -> float:
        """Seconds until the next drawing should begin; 0 or less where it is due."""
        return min(max(LEAST, 3 * self._took), MOST) - (time.monotonic() - self._at)

    def begin(self) -> None:
        """A drawing begins."""
        self._at, self._is_drawing = time.monotonic(), True

    def painted(self) -> None:
        """All that was drawn is on screen; where a key had it drawn, no drawing had begun here."""
        if not self._is_drawing:
            return
        self._is_drawing = False
        self._took = time.monotonic() - self._at
        self._at += self._took
