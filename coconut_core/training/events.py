"""The events that TensorBoard reads, written without a thread, so that whoever writes hears of a full disk."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"


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
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._records: Any = RecordWriter((run / FOLDER / name).open("wb"))
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

    def _write(self, **what: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **what).SerializeToString())
        self._records.flush()
