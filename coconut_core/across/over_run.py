"""One question, or many problems, over the checkpoints of a run: one model in memory at a time."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coconut_core.across.checkpoints import Checkpoint, checkpoints_of
from coconut_core.across.course import Course, Logged, Measurement, Point
from coconut_core.across.logged import logged_at
from coconut_core.across.measuring import measure_problems, measure_question
from coconut_core.across.store import Store
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.verdict import hash_weights
from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import Problem, hash_problems

Interrupt = Callable[[], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of each checkpoint: one question, or many problems.

    question: the one question, with others to take thoughts from; None where the problems are the question.
    thoughts: as many of each, None for what each checkpoint says, which is that of the stage it had reached.
    answer_only: as in evaluate; else a checkpoint goes on in words, as it was trained at its stage.
    """

    problems: tuple[Problem, ...]
    question: Problem | None = None
    thoughts: int | None = None
    answer_only: bool = False
    max_new_tokens: int = 128
    seed: int = 0

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain JSON data, problems by their hash."""
        question = None if self.question is None else [self.question.question, self.question.answer]
        settings = {name: getattr(self, name) for name in ("thoughts", "answer_only", "max_new_tokens", "seed")}
        return {
            "question": question,
            "problems": hash_problems(self.problems),
            "n": len(self.problems),
            **settings,
        }


class OverRun:
    """A question, or problems, over the checkpoints of a run, as far as they have been measured."""

    def __init__(self, run: Path, asked: Asked, choice: ModelChoice | None = None) -> None:
        """choice: how each checkpoint is opened; its source counts for nothing. Raises CoconutError for a
        folder without checkpoints."""
        self.run, self.asked = run, asked
        self._choice = choice or ModelChoice("")
        self.checkpoints = checkpoints_of(run)
        self._store = Store(run, {**asked.record, "dtype": self._choice.dtype})
        self.notes: list[str] = []
        self._logged = logged_at(run, [checkpoint.step for checkpoint in self.checkpoints], self.notes.append)

    def points(
        self,
        interrupt: Interrupt = lambda: None,
        begins: Callable[[Checkpoint], None] = lambda checkpoint: None,
    ) -> Iterator[Point]:
        """A point for each checkpoint, oldest first; what was measured before is read, and nothing is measured
        that nobody goes on to ask for. interrupt is called now and then while one is measured: what it raises
        ends it. begins is told which checkpoint is to be measured."""
        keeps = True
        for checkpoint in self.checkpoints:
            interrupt()
            weights = hash_weights(checkpoint.folder)
            found, error = self._store.read(weights), ""
            if found is None:
                begins(checkpoint)
                try:
                    found = self._measure(checkpoint, interrupt)
                except CoconutError as failure:
                    error = str(failure)
                    self.notes.append(f"step {checkpoint.step} is left out: {error}")
            if found is not None and keeps:
                keeps = self._keep(weights, found)
            logged = self._logged.get(checkpoint.step, Logged())
            yield Point(checkpoint.step, str(checkpoint.folder), weights, found, error, logged)

    def course(self, points: Sequence[Point]) -> Course:
        """What the points say together. Raises CoconutError where nothing could be measured at all."""
        if points and all(point.measurement is None for point in points):
            raise CoconutError(f"none of the checkpoints of {self.run} could be measured: {points[0].error}")
        return Course(str(self.run), self.asked.record, tuple(points))

    def _measure(self, checkpoint: Checkpoint, interrupt: Interrupt) -> Measurement:
        asked = self.asked
        options: dict[str, Any] = {
            name: getattr(asked, name) for name in ("thoughts", "answer_only", "max_new_tokens", "seed")
        }
        model = replace(self._choice, source=str(checkpoint.folder), base=None).open()
        try:
            if asked.question is not None:
                return measure_question(model, asked.question, asked.problems, interrupt=interrupt, **options)
            return measure_problems(model, asked.problems, progress=lambda count: interrupt(), **options)
        finally:
            del model
            gc.collect()

    def _keep(self, weights: str, found: Measurement) -> bool:
        """Keep it beside the run. That a folder cannot be written is said once; nothing is lost but time."""
        try:
            self._store.write(weights, found)
        except CoconutError as error:
            self.notes.append(f"{error}: what is measured is not kept")
            return False
        return True
