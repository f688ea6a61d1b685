"""Where the numbers of a run go besides metrics.jsonl: TensorBoard, and the trackers that accelerate knows.

TensorBoard's events are written by training.events: accelerate's writer has a thread do it, and nobody hears of
a full disk. All others are accelerate's. Needs no torch until one of those is opened.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.records import read_json_object
from coconut_core.common.whole_files import refusals_as_errors, written_aside
from coconut_core.training.events import Events

AUTO = "auto"  # TensorBoard where it is installed
TENSORBOARD = "tensorboard"
SERVICES = ("wandb", "mlflow", "trackio", "comet_ml", "aim", "clearml", "dvclive", "swanlab")  # as accelerate
TRACKERS = (AUTO, TENSORBOARD, *SERVICES)
PROJECT = "coconut"  # the project, or experiment, in which a service keeps the runs
FILE_NAME = "trackers.json"  # in the run's folder: which run of a service is this one's


@dataclass(frozen=True)
class Reporting:
    """What a run reports to, and how it is called there."""

    names: tuple[str, ...] = (AUTO,)
    settings: Mapping[str, Any] = field(default_factory=dict)  # the recipe, which a service keeps with a run
    note: Callable[[str], None] = lambda text: None  # is told of a service that fails


def check_trackers(names: tuple[str, ...]) -> None:
    """Raise CoconutError, which says how to install it, for a tracker that is not there."""
    for name in names:
        if name != AUTO and not _is_installed(name):
            package = f"'coconut-tui[{TENSORBOARD}]'" if name == TENSORBOARD else name
            raise CoconutError(f"report_to: {name} is not installed: pip install {package}, or leave it out")


def _is_installed(name: str) -> bool:
    if name == TENSORBOARD:
        try:
            return bool(version(name))
        except PackageNotFoundError:
            return False
    from accelerate.tracking import get_available_trackers

    return name in map(str, get_available_trackers())


class Trackers:
    """The trackers of a run. What the disk refuses TensorBoard is raised as OSError; a service that fails is
    given up with a note, as a run does not end because a server is away.

    At wandb and mlflow a resumed run goes on with the run that it had, which RUN/trackers.json names. What was
    reported beyond the checkpoint is reported again, with the same numbers.
    """

    def __init__(self, folder: Path, step: int, reporting: Reporting) -> None:
        """step: where the run stands, 0 if it begins. Raises CoconutError for a service that does not start,
        OSError where TensorBoard's file cannot be written."""
        self._folder, self._note = Path(folder), reporting.note
        self._events: Events | None = None
        self._services: dict[str, Any] = {}
        self._runs: dict[str, str] = {}  # by the service's name
        path = self._folder / FILE_NAME
        if step and path.exists():
            self._runs = {name: str(run) for name, run in read_json_object(path).items()}
        try:
            for name in dict.fromkeys(reporting.names):
                if name in (AUTO, TENSORBOARD):
                    self._open_events(step, needed=name == TENSORBOARD)
                else:
                    self._services[name] = self._started(name, reporting.settings)
        except BaseException:
            self.close()
            raise

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Report numbers of a step by name."""
        if self._events is not None:
            self._events.add(step, dict(numbers))
        for name, service in list(self._services.items()):
            try:
                with redirect_stdout(sys.stderr):
                    service.log(dict(numbers), step=step)
            except Exception as error:
                del self._services[name]
                self._note(f"note: {name} gets no more of this run: {one_line(error)}")

    def close(self) -> None:
        """Finish all of them."""
        if self._events is not None:
            self._events.close()
        for name, service in self._services.items():
            try:
                with redirect_stdout(sys.stderr):
                    service.finish()
            except Exception as error:
                self._note(f"note: {name} may lack the end of this run: {one_line(error)}")

    def _open_events(self, step: int, needed: bool) -> None:
        try:
            self._events = self._events or Events(self._folder, step=step)
        except ImportError:
            if needed:
                raise

    def _started(self, name: str, settings: Mapping[str, Any]) -> Any:
        """A tracker of accelerate with its run begun, or gone on with."""
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind, run = LOGGER_TYPE_TO_CLASS[name], self._runs.get(name)
        place = [str(self._folder)] if kind.requires_logging_directory else []
        try:
            with redirect_stdout(sys.stderr):  # stdout belongs to what was asked for
                tracker = kind(PROJECT, *place, **self._arguments(name, run))
                tracker.start()
                if run is None:
                    tracker.store_init_configuration(_flat(settings))
        except Exception as error:
            raise CoconutError(f"report_to: {name} does not start: {one_line(error)}") from error
        if name in _RUN_OF and run is None:
            self._runs[name] = _RUN_OF[name](tracker.tracker)
            path = self._folder / FILE_NAME
            with refusals_as_errors(f"write {FILE_NAME} in {self._folder}"), written_aside(path) as file:
                file.write(json.dumps(self._runs, indent=2) + "\n")
        return tracker

    def _arguments(self, name: str, run: str | None) -> dict[str, Any]:
        """How a service is told which run it is."""
        called = "/".join(self._folder.resolve().parts[-2:])
        if name == "wandb":
            own = {"name": called, "dir": str(self._folder), "settings": {"console": "off"}}
            return own if run is None else {**own, "id": run, "resume": "allow"}
        if name == "mlflow":
            return {"run_name": called} if run is None else {"run_id": run}
        return {}


_RUN_OF: dict[str, Callable[[Any], str]] = {
    "wandb": lambda run: str(run.id),
    "mlflow": lambda run: str(run.info.run_id),
}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """The entries of tables in tables by names like "data.seed"."""
    entries: dict[str, bool | int | float | str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            entries |= _flat(value, f"{prefix}{name}.")
        else:
            entries[prefix + name] = value if isinstance(value, bool | int | float | str) else str(value)
    return entries
