"""A finding: a note on a run, and all that it takes to run it again and to see whether it comes out again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from coconut_core.checkpoints.bundled import short_name
from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0
from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import hash_problems
from coconut_core.records.trace import StepRecord
from coconut_tui.run.branches import Tree
from coconut_tui.run.state import RunView, thought_name

LONGEST_TITLE = 120  # characters


@dataclass(frozen=True)
class Model:
    """The model of a finding. It is opened where the finding is read, so nothing is said of a device."""

    source: str  # as in ModelChoice; a model that comes along by its short name
    weights: str = ""  # hash of its weights and configuration; empty where it has no folder
    dtype: str = "auto"
    feedback: str | None = None
    chat: bool | str | None = None
    system: str | None = None
    markers: str | None = None

    @classmethod
    def of(cls, choice: ModelChoice, weights: str) -> "Model":
        """A model as it was chosen."""
        return cls(
            short_name(choice.source),
            weights,
            choice.dtype,
            choice.feedback,
            choice.chat,
            choice.system,
            choice.markers,
        )

    def choice(self, source: str | None = None, device: str = "auto") -> ModelChoice:
        """How it is opened, perhaps from another place."""
        return ModelChoice(
            self.source if source is None else source,
            device,
            self.dtype,
            self.feedback,
            self.chat,
            self.system,
            self.markers,
        )


@dataclass(frozen=True)
class Place:
    """Where one was. The branch is the current one of the tree."""

    step: AtLeast0 | None = None  # the selected step, from 0; None where none had been taken
    view: str = ""  # the view in front


@dataclass(frozen=True)
class SeenThought:
    """What a thought showed when it was noted."""

    thought: str  # its number, as 3 or 2.3
    token: str  # the likeliest, by its visible name; empty where the thought could not be read
    probability: float
    entropy: float | None = None  # nats; None where it is no number
    norm: float | None = None
    edit: str | None = None


@dataclass(frozen=True)
class Seen:
    """What the branch showed when it was noted."""

    thoughts: tuple[SeenThought, ...]
    said: str
    right: bool | None = None  # None where that was not known, or the run not over
    verdict: str = ""  # whether the model's thoughts are used, in a line
    dtype: str = "float32"  # the number format that it was computed in


@dataclass(frozen=True)
class AtlasRow:
    """A run of an atlas."""

    path: str
    run: AtLeast0


@dataclass(frozen=True)
class Finding:
    """A note on a run. What is noted lies in the tree's current branch, at `at`."""

    title: str
    model: Model
    run: Tree
    tags: tuple[str, ...] = ()
    date: str = ""  # ISO 8601
    at: Place = Place()
    seen: Seen | None = None
    note: str = ""  # Markdown
    data: str | None = None  # the problem file that the question came from
    problem_hash: str = ""  # SHA-256 of question and answer; empty where there is no problem
    atlas: AtlasRow | None = None

    @property
    def changed_problem(self) -> bool:
        """Whether the problem is another one than was noted."""
        return self.problem_hash not in ("", hash_of_problem(self.run))

    @property
    def where(self) -> str:
        """Branch and step, in words."""
        place = "" if self.at.step is None else f", step {self.at.step + 1}"
        view = f", {self.at.view}" if self.at.view else ""
        return f"{self.run.here.name}{place}{view}"

    def titled(self, title: str, tags: Sequence[str], note: str) -> "Finding":
        """The same with what a person says of it. Raises CoconutError for a title that is none."""
        title = " ".join(title.split())
        if not title:
            raise CoconutError("a finding needs a title: say in a line what was found")
        if len(title) > LONGEST_TITLE:
            raise CoconutError(f"the title has {len(title)} characters, at most are {LONGEST_TITLE}")
        return replace(self, title=title, tags=tuple(dict.fromkeys(tags)), note=note.strip())


def hash_of_problem(tree: Tree) -> str:
    """The hash of a tree's problem; empty where there is none."""
    return "" if tree.problem is None else hash_problems([tree.problem])


def seen_in(view: RunView, verdict: str, dtype: str) -> Seen:
    """What a run shows."""
    thoughts = tuple(_seen(step) for step in view.steps if step.kind == "thought")
    return Seen(thoughts, view.text, view.said.right, verdict, dtype)


def _seen(step: StepRecord) -> SeenThought:
    likeliest = step.top[0] if step.top and step.readable else None
    return SeenThought(
        thought_name(step.segment, step.index),
        "" if likeliest is None else likeliest.name,
        0.0 if likeliest is None else round(likeliest.probability, 6),
        _number(step.entropy),
        _number(step.norm),
        step.edit,
    )


def _number(value: float) -> float | None:
    """Six digits of a number; None where it is none, for which files have no word."""
    return float(f"{value:.6g}") if isfinite(value) else None
