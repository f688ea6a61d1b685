"""The events that TensorBoard reads, written without a thread, so that whoever writes hears of a full disk."""

import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"
_NAME = re.compile(r"events\.out\.tfevents\.(\d{1,10}(?:\.\d{6})?)\.")  # and the seconds since 1970 in it


class Events:
    """A new file of events in RUN/tensorboard. Raises OSError where it cannot be written.

    Needs the package tensorboard; raises ImportError where it is not installed.
    """

    def __init__(self, run: Path, *, step: int) -> None:
        """step: where the run stands; what older files hold beyond it is hidden."""
        from tensorboard.compat.proto import event_pb2, summary_pb2  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import (  # type: ignore[import-untyped]
            RecordWriter,
        )

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        (run / FOLDER).mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{_next_time(run / FOLDER):017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._records: Any = RecordWriter((run / FOLDER / name).open("xb"))
        try:
            self._write(file_version="brain.Event:2")
            self._write(step=step + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
        except OSError:
            self.close()
            raise

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Write numbers of a step by name."""
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(step=step, summary=self._summary(value=values))

    def close(self) -> None:
        """Finish the file."""
        with suppress(OSError):  # of what was refused before, and told then
            self._records.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
        self._records.flush()


def _next_time(folder: Path) -> float:
    """The time of a new file, later than all others: TensorBoard reads the files in the order of their names,
    and the clock may have been set back since those were begun."""
    times = [float(match[1]) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    return max(time.time(), *(begun + 1e-3 for begun in times), 0.0)
