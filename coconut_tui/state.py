"""What the explorer shows, as plain data: made by the engine, drawn by the widgets."""

from dataclasses import dataclass

from coconut_core.problems.base import Graph, Problem
from coconut_core.trace import StepRecord


@dataclass(frozen=True)
class ModelFacts:
    """The model behind the run."""

    name: str
    trained: bool
    family: str | None
    answer_prefix: str
    first_thought_hops: int = 1
    replayed: bool = False  # a saved trace; there is no model


@dataclass(frozen=True)
class RunView:
    """A run as it stands."""

    question: str
    problem: Problem | None
    steps: tuple[StepRecord, ...]
    thoughts: int  # planned
    text: str  # what was said so far
    mode: str  # "thinking", "speaking" or "finished"
    finished: bool

    @property
    def graph(self) -> Graph | None:
        return None if self.problem is None else self.problem.graph

    @property
    def expected(self) -> str | None:
        """The right answer where it is known."""
        return self.problem.answer if self.problem is not None and self.problem.answer else None

    @property
    def segment(self) -> int:
        """The latent segment that the run is in or has left, from 0."""
        segment = self.steps[-1].segment if self.steps else 0
        entered = bool(self.steps) and self.steps[-1].kind == "token" and self.mode == "thinking"
        return segment + entered  # the model has just said <bot> once more

    @property
    def first_word(self) -> int | None:
        """Number of the step in which the first word was said."""
        return next((number for number, step in enumerate(self.steps) if step.kind == "token"), None)

    def words(self) -> list[StepRecord]:
        """The steps in which a word was said."""
        return [step for step in self.steps if step.kind == "token"]
