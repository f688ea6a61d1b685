"""A training run's log, followed as it grows: what is read is what was appended. Needs no torch."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, Line, LinePanel, Panel, draw_lines
from coconut_core.terminal.progress import RunState, duration
from coconut_core.training.metrics import FILE_NAME, Row, draw_run, row_of

_TALLEST, _LOWEST = 36, 12  # lines of one plot
_SIDE_BY_SIDE = 50  # columns that a plot needs beside others


class TrainingLog:
    """The rows of RUN/metrics.jsonl so far. A log that was cut off or replaced is read again from its start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written_at: float | None = None  # seconds since the epoch; None where there is no log
        self._stamp: tuple[int, int, int] | None = None  # inode, size and time of the file when it was read
        self._changed_at: float | None = None  # on a clock that nobody sets; None where no change was seen
        self._begin()

    @classmethod
    def of(cls, folder: Path) -> "TrainingLog":
        """The log of a run folder, or of a checkpoint in one. Raises CoconutError where there is none."""
        folders = (folder, folder.parent) if folder.is_dir() else ()
        run_folder = next((path for path in folders if (path / FILE_NAME).is_file()), None)
        if run_folder is None:
            raise CoconutError(f"there is no {folder / FILE_NAME}: name the folder of a run that has begun")
        return cls(run_folder / FILE_NAME)

    def poll(self) -> bool:
        """Read what is new; False where nothing is. A last line that is not whole waits for its end.

        Raises CoconutError for a file that cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
                if stamp == self._stamp:
                    return False
                if not self._goes_on(file):
                    self._begin()
                self._changed_at = None if self._stamp is None else time.monotonic()
                self._stamp, self.written_at = stamp, status.st_mtime
                file.seek(self._end)
                self._take(file.read())
                return True
        except FileNotFoundError:  # it is just being replaced, or its folder has gone
            changed = self.written_at is not None
            self._begin()
            self._stamp = self.written_at = self._changed_at = None
            return changed
        except OSError as error:
            raise CoconutError(f"cannot read {self.path}: {error.strerror or error}") from error

    @property
    def finished(self) -> bool:
        """Whether its last step has been taken."""
        newest = self.state.newest
        return "of" in newest and bool(newest.get("step", 0) >= newest["of"])

    def standing(self, now: float) -> str:
        """How the run stands, in a line. now: seconds since the epoch."""
        parts = [f"{len(self.rows)} rows"]
        parts += [f"{self.unreadable} lines that are no row"] if self.unreadable else []
        if self.written_at is None:
            parts.append("the log is gone")
        elif self.finished:
            parts.append("finished")
        else:
            parts.append(self._last_written(now - self.written_at))
        return " · ".join(parts)

    # -- inside --------------------------------------------------------------------------------------------

    def _last_written(self, ago: float) -> str:
        """ago: seconds, as the file's time has it. A change that was seen is timed by another clock."""
        if self._changed_at is not None:
            ago = time.monotonic() - self._changed_at
        if ago < -1:
            return f"last written {duration(-ago)} in the future: a clock was set back"
        return f"last written {duration(ago)} ago"

    def _goes_on(self, file: BinaryIO) -> bool:
        """Whether the log still holds what was read of it."""
        file.seek(self._end - len(self._last))
        return file.read(len(self._last)) == self._last

    def _begin(self) -> None:
        self.rows: list[Row] = []
        self.state = RunState()
        self.unreadable = 0  # whole lines that are no row
        self._end, self._last = 0, b""  # the byte behind the last whole line, and that line to know the log by

    def _take(self, new: bytes) -> None:
        for line in new.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self._end, self._last = self._end + len(line), line
            row = row_of(line)
            if row is None:
                self.unreadable += 1
            else:
                self.rows.append(row)
                self.state.update(row)


# -- the figure --------------------------------------------------------------------------------------------


def draw_training(rows: Sequence[Row], width: int, height: int) -> str:
    """Loss by part, held-out accuracy and learning rate over the steps, as text.

    Side by side where there is room, else one below the other; height is that of the whole.
    """
    figure = draw_run(rows)
    panels = [*figure.panels, *_learning_rate(rows, figure)]
    across = max(1, min(len(panels), width // _SIDE_BY_SIDE))
    down = -(-len(panels) // across)
    plot_height = min(_TALLEST, max(_LOWEST, height // down))
    plot_width = width // across - 2 * (across > 1)
    blocks = [panel.to_text(plot_width, plot_height).splitlines() for panel in panels]
    lines: list[str] = []
    for start in range(0, len(blocks), across):
        beside = blocks[start : start + across]
        for number in range(max(map(len, beside))):
            cells = [block[number] if number < len(block) else "" for block in beside]
            lines.append("  ".join(f"{cell:<{plot_width}}" for cell in cells).rstrip())
        lines.append("")
    return "\n".join(lines).rstrip()


def _learning_rate(rows: Sequence[Row], beside: Figure) -> tuple[Panel, ...]:
    """The learning rate's plot, with the marks of those beside it; nothing where it was not logged."""
    logged = [(row["step"], row["learning_rate"]) for row in rows if "learning_rate" in row]
    if not logged:
        return ()
    marks = next((panel.marks for panel in beside.panels if isinstance(panel, LinePanel)), ())
    line = Line("learning rate", [step for step, _ in logged], [1e4 * rate for _, rate in logged])
    return draw_lines([line], "learning rate", "step", "learning rate (10⁻⁴)", marks).panels
