"""Two models on one question, as plain data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coconut_core.evaluation.outcomes import said_path
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


def said_steps(side: Side, other: Side) -> dict[tuple[int, int], tuple[str, StepRecord | None]]:
    """The steps of the reasoning that a side said in words, by the segment and number of the other side's
    thought that each stands beside, with the record of its word where it is one. Empty for a side that thinks.

    A step is a node on a path that was said, and stands beside the thought that should be as many hops from the
    root; else step i, a sum, a line or a sentence, stands beside thought i.
    """
    view = side.view
    if view is None or _thoughts(side) or not _thoughts(other):
        return {}
    if view.graph is not None and (path := said_path(side.reasoning)):
        hops = 1 if other.facts is None else other.facts.first_thought_hops
        first = 1 - hops + (path[0] != view.graph.names[view.graph.root])
        records = list(zip(path, _records_of(path, view.words()), strict=True))
        return {(0, number): pair for number, pair in enumerate(records, start=first) if number > 0}
    steps = re.findall(r"<<.*?>>", side.reasoning)
    steps = steps or [part for part in re.split(r"\n+|(?<=[.!?])\s+", side.reasoning) if part.strip()]
    return {(0, number): (" ".join(step.split()), None) for number, step in enumerate(steps, start=1)}


def _records_of(path: Sequence[str], words: Sequence[StepRecord]) -> list[StepRecord | None]:
    """The step at which each node was said, in order; None for one that is several tokens."""
    found: list[StepRecord | None] = []
    left = iter(words)
    for node in path:
        rest = list(left)
        place = next((number for number, word in enumerate(rest) if word.token.strip() == node), None)
        found.append(None if place is None else rest[place])
        left = iter(rest if place is None else rest[place + 1 :])
    return found


def compared(first: Side, second: Side, measured: Measured) -> tuple[ComparedStep, ...]:
    """The thoughts of both, place by place; of a step that was said in a word, what it was chosen from."""
    mine, theirs = (
        _thoughts(side)
        | {place: record for place, (_, record) in said_steps(side, other).items() if record is not None}
        for side, other in ((first, second), (second, first))
    )
    places = {*mine, *theirs, *said_steps(first, second), *said_steps(second, first)}
    return tuple(
        ComparedStep(
            *place,
            mine.get(place),
            theirs.get(place),
            measured.divergence.get(place) if place in mine and place in theirs else None,
            measured.cosine.get(place) if place in mine and place in theirs else None,
        )
        for place in sorted(places)
    )


def _thoughts(side: Side) -> dict[tuple[int, int], StepRecord]:
    steps = () if side.view is None else side.view.steps
    return {(step.segment, step.index): step for step in steps if step.kind == "thought"}
