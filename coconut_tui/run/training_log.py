"""A training run's log, followed as it grows: what is read is what was appended. Needs no torch."""

import os
import time
from pathlib import Path
from typing import BinaryIO

from coconut_core.common.errors import CoconutError
from coconut_core.terminal.progress import RunState, duration
from coconut_core.training.curriculum import counted
from coconut_core.training.metrics import FILE_NAME, Row, row_of


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
        parts = [counted(len(self.rows), "row")]
        parts += (
            [f"{counted(self.unreadable, 'line')} that {'is' if self.unreadable == 1 else 'are'} no row"]
            if self.unreadable
            else []
        )
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
