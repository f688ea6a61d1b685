"""What the explorer shows, as plain data: made by the engine, drawn by the widgets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coconut_core.common.errors import visible
from coconut_core.evaluation.significance import Share
from coconut_core.problems.arithmetic import equations
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.size import Knobs
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.branches import Said, Tree

if TYPE_CHECKING:
    from coconut_core.runs.steps import Step

BOT, EOT = "⟨bot⟩", "⟨eot⟩"
RECORDED_TOKENS = 50  # tokens kept of each step; a view shows as many of them as wanted


@dataclass(frozen=True)
class FormFacts:
    """A kind of intervention, as it is offered; see coconut_core.interventions.text.Form."""

    name: str
    usage: str
    arguments: tuple[str, ...]
    takes_places: bool
    description: str
    example: str


@dataclass(frozen=True)
class ModelFacts:
    """The model behind the run."""

    name: str
    trained: bool
    family: str | None
    answer_prefix: str
    first_thought_hops: int = 1
    replayed: bool = False  # a saved trace; there is no model
    layers: int = 0
    heads: int = 0  # in a layer
    forms: tuple[FormFacts, ...] = ()  # what can be done to a thought
    verdict: str = ""  # whether its thoughts are known to be used; empty while that is not known yet
    shares: Mapping[str, Share] = field(default_factory=dict)  # of right answers, that the verdict rests on
    donors: tuple[tuple[str, str], ...] = ()  # names of what can stand for a thought, with a description
    feedback: str = "hidden"  # kind of what is fed back at a thought
    problem_size: Knobs | None = None  # of the family's examples; None: as the family has them
    spaces_shown: bool = False  # whether names of tokens show spaces, see Vocabulary.marked
    chat: bool = False  # whether a question is put in a chat template


@dataclass(frozen=True)
class CacheUse:
    """Which branches are held in memory, and what that takes."""

    branches: frozenset[int] = frozenset()
    used: int = 0  # bytes
    limit: int = 0  # bytes; the current branch is held even where it is larger


@dataclass(frozen=True)
class RunView:
    """A run as it stands, and the tree that it is part of."""

    tree: Tree
    steps: tuple[StepRecord, ...]
    thoughts: int  # planned
    mode: str  # "thinking", "speaking" or "finished"
    said: Said
    around: tuple[str, str] = (BOT, EOT)  # see around_thoughts
    peeks: Mapping[int, Said] = field(default_factory=dict)  # what it would say after so many steps
    cache: CacheUse = CacheUse()

    @property
    def question(self) -> str:
        return self.tree.question

    @property
    def problem(self) -> Problem | None:
        return self.tree.problem

    @property
    def graph(self) -> Graph | None:
        return None if self.problem is None else self.problem.graph

    @property
    def sums(self) -> list[tuple[str, str]]:
        """The sum and the result of each of the problem's steps; empty where one is no sum."""
        return [] if self.problem is None else equations(self.problem.steps)

    @property
    def expected(self) -> str | None:
        """The right answer where it is known."""
        return self.problem.answer if self.problem is not None and self.problem.answer else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.said.over

    @property
    def without_thoughts(self) -> bool:
        """Whether no thought is planned and none was taken."""
        return self.thoughts == 0 and not any(step.kind == "thought" for step in self.steps)

    @property
    def text(self) -> str:
        """What was said so far."""
        return self.said.text

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


def thought_name(segment: int, index: int) -> str:
    """A thought in a few letters: 3, or 2.3 behind the words of another segment."""
    return f"{segment + 1}.{index}" if segment else str(index)


def marker_name(step: "StepRecord | Step") -> str:
    """What is shown of a step behind the thoughts: ⟨eot⟩, or the token of the text that stands in its place."""
    return f"⟨{visible(step.token)}⟩" if step.index else EOT


def around_thoughts(record: Any) -> tuple[str, str]:
    """What stands in front of the thoughts and behind them, as it is shown; empty where nothing does.

    record is what a trace's settings say of it, see markers_record; None for a trace of before they did.
    """
    if not isinstance(record, dict):
        return BOT, EOT
    return _marker_text(record.get("before"), BOT), _marker_text(record.get("behind"), EOT)


def _marker_text(entry: Any, marker: str) -> str:
    if not isinstance(entry, dict):
        return ""
    return marker if "marker" in entry else f"⟨{visible(str(entry.get('text')))}⟩"


@dataclass(frozen=True)
class Preview:
    """What an edit would lead to; nothing has been changed. Where it cannot be done, `error` says why."""

    text: str
    error: str = ""
    before: tuple[StepRecord, ...] = ()  # the thoughts as they are now
    after: tuple[StepRecord, ...] = ()
    said_before: Said | None = None  # what is said if nothing is changed
    said_after: Said | None = None
    notes: tuple[str, ...] = ()  # what a word was taken for, of several tokens


@dataclass(frozen=True)
class DecidingPlace:
    """Where the answers to a question part. Every run is asked there, behind the same words."""

    behind: str  # these words, the answer prefix first
    words: tuple[str, ...]  # next there, in the right answer (its own, where none is known) and in the other
    judged: bool  # whether the first is known to be right


@dataclass(frozen=True)
class Variant:
    """One row of a what-if table."""

    text: str  # the intervention
    said: Said | None = None  # None until it is known
    changed: bool = False  # whether another answer was given than without it
    aloud: int = 0  # words said in front of the answer prefix
    probabilities: tuple[float, ...] = ()  # of the words at the deciding place
    logit_difference: float | None = None  # log p of the first of them - log p of the second, nats
    error: str = ""


@dataclass(frozen=True)
class WhatIf:
    """Several interventions side by side, the run without any in front."""

    title: str
    variants: tuple[Variant, ...]
    place: DecidingPlace | None = None  # None until it is known, and where nothing is said
    complete: bool = False

    def shift(self, variant: Variant) -> float | None:
        """How far a variant moves the logit difference, nats; None where one of the two is not known."""
        own = self.variants[0].logit_difference if self.variants else None
        return None if own is None or variant.logit_difference is None else variant.logit_difference - own

    def flip(self, variant: Variant) -> bool | None:
        """Where a variant turns a right answer into a wrong one False, the other way round True, else None."""
        own = self.variants[0].said if self.variants else None
        if own is None or variant.said is None or own.right is None or own.right is variant.said.right:
            return None
        return variant.said.right


@dataclass(frozen=True)
class ComparedStep:
    """The same thought in two runs; a side is None where that run has not taken it."""

    segment: int
    thought: int
    first: StepRecord | None
    second: StepRecord | None
    divergence: float | None = None  # KL(first ‖ second) of the readouts, nats
    cosine: float | None = None  # between the two states

    def rank_before(self, token: TokenRecord) -> int | None:
        """The rank (from 1) that a token of the second run has in the first; None where it is not known."""
        top = () if self.first is None else self.first.top
        return next((rank for rank, item in enumerate(top, start=1) if item.key == token.key), None)


@dataclass(frozen=True)
class Comparison:
    """Two branches side by side."""

    first: str  # name
    second: str
    shared: int  # steps that they have in common
    steps: tuple[ComparedStep, ...]
    first_said: Said
    second_said: Said
