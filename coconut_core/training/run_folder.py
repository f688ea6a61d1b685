"""The folder of a training run; whatever is in it is whole: the old one or the new one, never half of one.

recipe.json                  the recipe, with every default
metrics.jsonl                what was logged
step-000250/                 a checkpoint: opens like any model, and training_state.pt goes on from it
kept/step-000250/            a model kept for study: opens like any, see training.keeping
tokens/                      the problems of data.train as tokens, and the hash of the file they are of
held-out.json                the problems of data.validation that it is evaluated on
best.json                    the best checkpoint of the last stage, on held-out problems
checkpoint/                  the model at the end of the run
run.lock                     held by the process that trains; empty
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0, read_json_object, read_record
from coconut_core.common.whole_files import (
    folder_written_aside,
    refusals_as_errors,
    remove_folder,
    remove_leftovers,
    written_aside,
)
from coconut_core.training.metrics import FILE_NAME as METRICS
from coconut_core.training.recipe import recipe_from_table
from coconut_core.training.step_folders import KEPT, step_folders, step_name

STATE = "training_state.pt"
LOCK = "run.lock"


@dataclass(frozen=True)
class _Best:
    step: AtLeast0
    accuracy: float


class RunFolder:
    """Paths of a run, and its checkpoints."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.recipe = self.path / "recipe.json"
        self.best = self.path / "best.json"
        self.held_out = self.path / "held-out.json"
        self.tokens = self.path / "tokens"
        self.kept = self.path / KEPT

    def check_new(self) -> None:
        """Raise CoconutError where no run can begin: one is here, or files by the names of a run's that are
        somebody's own."""
        if self.steps():
            raise CoconutError(f"{self.path} already holds a run: go on with --resume, or choose another --out")
        ours = [self.recipe, self.best, self.held_out, self.checkpoint, self.tokens, self.kept]
        ours += [self.path / METRICS]
        foreign = [path.name for path in ours if os.path.lexists(path)]
        if foreign and not self._has_recipe():
            raise CoconutError(f"{self.path} holds {foreign[0]}, which is of no run: choose another --out")

    def _has_recipe(self) -> bool:
        try:
            record = self.read_recipe()
            recipe_from_table(record)
        except CoconutError:
            return False
        return record.keys() >= {"method", "curriculum", "data"}

    def create(self) -> None:
        """Make the folder. Raises CoconutError where that is refused."""
        with self._refusals("make the run folder"):
            self.path.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings out of the folder, which is made where there is none.

        The system lets go of it when the process ends, however that ends. Raises CoconutError where another
        process holds it.
        """
        self.create()
        lock = FileLock(self.path / LOCK)
        with self._refusals("keep other trainings out"):
            try:
                lock.acquire(blocking=False)
            except Timeout:
                raise CoconutError(
                    f"another process trains in {self.path}: wait until it is done, or choose another --out"
                ) from None
        try:
            yield
        finally:
            lock.release()

    # -- recipe and best -----------------------------------------------------------------------------------

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        """Keep the recipe, so that a run can be gone on with."""
        self._write_json(self.recipe, recipe)

    def read_recipe(self) -> dict[str, Any]:
        """The recipe of the run."""
        try:
            return read_json_object(self.recipe)
        except FileNotFoundError:
            raise CoconutError(f"nothing to resume in {self.path}: start it without --resume") from None

    def note_accuracy(self, step: int, accuracy: float) -> None:
        """Note a checkpoint's accuracy on held-out problems; the first of the best ones is kept."""
        best = self.read_best()
        if best is None or accuracy > best[1]:
            self._write_json(self.best, {"step": step, "accuracy": accuracy})

    def read_best(self) -> tuple[int, float] | None:
        """Step and accuracy of the best checkpoint so far."""
        try:
            best = read_record(_Best, read_json_object(self.best), self.best)
        except FileNotFoundError:
            return None
        return best.step, best.accuracy

    # -- checkpoints ---------------------------------------------------------------------------------------

    def steps(self) -> list[int]:
        """Steps of which there is a whole checkpoint, oldest first."""
        return [step for step, folder in step_folders(self.path) if (folder / STATE).is_file()]

    def kept_steps(self) -> list[int]:
        """Steps of which there is a model that is kept for study, oldest first."""
        return [step for step, _ in step_folders(self.kept)]

    @property
    def last_good(self) -> str:
        """Where the newest checkpoint is, in words."""
        steps = self.steps()
        return (
            f"the last good checkpoint is that of step {steps[-1]}" if steps else "there is no checkpoint yet"
        )

    def folder_of(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.path / step_name(step)

    def kept_folder_of(self, step: int) -> Path:
        """The folder of a step's model that is kept for study."""
        return self.kept / step_name(step)

    def save(self, step: int, write_model: Callable[[Path], None], state: dict[str, Any], keep: int) -> None:
        """Write a checkpoint, then drop older ones but the best. Raises CoconutError where the disk refuses."""
        with self._refusals("save the checkpoint", f"; {self.last_good}; make room and use --resume"):
            remove_leftovers(self.path)
            with folder_written_aside(self.folder_of(step)) as aside:
                write_model(aside)
                with (aside / STATE).open("wb") as file:
                    torch.save(state, file)
            best = self.read_best()
            steps_to_keep = {*self.steps()[-keep:], *([best[0]] if best else [])}
            for old in set(self.steps()) - steps_to_keep:
                remove_folder(self.folder_of(old))

    def keep_for_study(self, step: int, write_model: Callable[[Path], None]) -> None:
        """Keep a step's model beside the checkpoints. Raises CoconutError where the disk refuses."""
        with self._refusals("keep the model", f"; {self.last_good}; make room and use --resume"):
            self.kept.mkdir(exist_ok=True)
            remove_leftovers(self.kept)
            with folder_written_aside(self.kept_folder_of(step)) as aside:
                write_model(aside)

    def forget_kept(self, step: int) -> None:
        """Remove the models kept for study that a run which goes on from this step has yet to keep: at step 0
        all of them."""
        with self._refusals("remove what was kept beyond the checkpoint"):
            for later in (kept for kept in self.kept_steps() if kept > step or step == 0):
                remove_folder(self.kept_folder_of(later))

    def publish(self, step: int) -> None:
        """Make a step's checkpoint, without its training state, the run's `checkpoint`."""
        with (
            self._refusals("write the checkpoint", "; make room and use --resume"),
            folder_written_aside(self.checkpoint) as aside,
        ):
            shutil.copytree(
                self.folder_of(step), aside, ignore=shutil.ignore_patterns(STATE), dirs_exist_ok=True
            )

    def load_state(self, step: int) -> dict[str, Any]:
        """Read the training state of a step's checkpoint."""
        path = self.folder_of(step) / STATE
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises its own, pickle's and zip's errors
            text = " ".join(str(error).split())[:200]
            raise CoconutError(f"the training state {path} cannot be read: {text}") from error
        return state

    def _write_json(self, path: Path, record: dict[str, Any]) -> None:
        with self._refusals(f"write {path.name}"), written_aside(path) as file:
            file.write(json.dumps(record, indent=2) + "\n")

    def _refusals(self, action: str, comfort: str = "") -> contextlib.AbstractContextManager[None]:
        return refusals_as_errors(f"{action} in {self.path}", comfort)
