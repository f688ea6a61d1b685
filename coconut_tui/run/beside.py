"""Two models on one question, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from coconut_core.records.trace import StepRecord
from coconut_tui.run.state import ComparedStep, ModelFacts, RunView


@dataclass(frozen=True)
class Measured:
    """How far thoughts lie apart, by latent segment (from 0) and number of the thought (from 1)."""

    divergence: Mapping[tuple[int, int], float] = field(default_factory=dict)  # KL(first ‖ second), nats
    cosine: Mapping[tuple[int, int], float] = field(default_factory=dict)  # between the states
    reason: str = ""  # why one of them is left out


@dataclass(frozen=True)
class Side:
    """One of the two models with its run, as far as they are there."""

    name: str
    facts: ModelFacts | None = None
    view: RunView | None = None
    activity: str = ""
    error: str = ""

    @property
    def steps(self) -> int:
        """How many steps it has taken: thoughts, markers and words."""
        return 0 if self.view is None else len(self.view.steps)

    @property
    def reasoning(self) -> str:
        """What was said in front of the answer prefix; everything, while the prefix is still to come."""
        if self.view is None or self.facts is None or not self.facts.answer_prefix:
            return ""
        before, prefix, _ = self.view.text.rpartition(self.facts.answer_prefix)
        return before.strip() if prefix or self.view.over else self.view.text

    @property
    def answer(self) -> str:
        """What stands behind the answer prefix; empty before it has been said."""
        if self.view is None or (self.reasoning == self.view.text and not self.view.over):
            return ""
        return self.view.said.answer


def compared(first: Side, second: Side, measured: Measured) -> tuple[ComparedStep, ...]:
    """The thoughts of both, place by place."""
    mine, theirs = _thoughts(first), _thoughts(second)
    return tuple(
        ComparedStep(
            *place,
            mine.get(place),
            theirs.get(place),
            measured.divergence.get(place) if place in mine and place in theirs else None,
            measured.cosine.get(place) if place in mine and place in theirs else None,
        )
        for place in sorted({*mine, *theirs})
    )


def _thoughts(side: Side) -> dict[tuple[int, int], StepRecord]:
    steps = () if side.view is None else side.view.steps
    return {(step.segment, step.index): step for step in steps if step.kind == "thought"}
