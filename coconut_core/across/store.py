"""What was measured, kept beside the run: RUN/across/, a file for each checkpoint's weights and what is asked.

So a run that has gone on, or a measurement that was stopped, measures only what is new. Needs no torch.
"""

import hashlib
import json
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

from coconut_core.across.course import Measurement, measurement_json
from coconut_core.common.errors import CoconutError
from coconut_core.common.records import read_json_object, read_record, reshaped
from coconut_core.common.whole_files import remove_leftovers, written_aside

FOLDER = "across"
FORMAT, VERSION = "coconut-across", 1


class Store:
    """The measurements of one thing that was asked."""

    def __init__(self, run: Path, asked: Mapping[str, Any]) -> None:
        """asked: everything that a measurement depends on but the weights, as plain JSON data."""
        self.folder, self._asked = run / FOLDER, dict(asked)
        self._key = hashlib.sha256(json.dumps(self._asked, sort_keys=True).encode()).hexdigest()[:12]

    def read(self, weights: str) -> Measurement | None:
        """What is known of a checkpoint by the hash of its weights; None where it is to be measured, as where
        the file is damaged."""
        path = self._path(weights)
        try:
            record = read_json_object(path)
            if not weights or any(record.get(name) != value for name, value in self._head(weights).items()):
                return None
            return _measurement(record.get("measurement"), path)
        except (FileNotFoundError, CoconutError):
            return None

    def write(self, weights: str, found: Measurement) -> None:
        """Keep it. Raises CoconutError where the disk refuses."""
        record = {**self._head(weights), "measurement": measurement_json(found)}
        try:
            self.folder.mkdir(exist_ok=True)
            remove_leftovers(self.folder)
            with written_aside(self._path(weights)) as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise CoconutError(f"cannot keep it in {self.folder}: {error.strerror or error}") from error

    def _head(self, weights: str) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, "weights": weights, "asked": self._asked}

    def _path(self, weights: str) -> Path:
        return self.folder / f"{self._key}-{weights[:16]}.json"


def _measurement(record: Any, path: Path) -> Measurement:
    thoughts = record.get("thoughts") if isinstance(record, dict) else None
    entries = reshaped(
        thoughts, lambda thought: thought | {name: _bounds(thought.get(name)) for name in _MEANS}
    )
    return read_record(
        Measurement, {**record, "thoughts": entries} if isinstance(record, dict) else record, path
    )


_MEANS = ("frontier", "control")


def _bounds(mean: Any) -> Any:
    """An estimate's record with NaN in place of the null that stands for it."""
    return mean and {name: nan if value is None else value for name, value in mean.items()}
