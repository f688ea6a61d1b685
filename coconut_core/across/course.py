"""What was measured of each checkpoint of a run, and from which one on something holds. Needs no torch."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from coconut_core.analysis.estimates import Estimate
from coconut_core.evaluation.significance import Share, wilson_interval
from coconut_core.evaluation.verdict import FEWEST, SWAPS, ControlResult, Verdict, judge_usage

HALF = 0.5  # of the swaps, which must change the answer to a question for certain where it needs its thoughts


@dataclass(frozen=True)
class ThoughtReading:
    """One thought, over the problems that took it.

    tokens: of one question the likeliest with their probabilities; of many problems the tokens that are the
    likeliest of most runs, with their shares of the runs. entropy: nats, the mean. frontier: the readout's mass
    on the nodes that the thought stands for, control the same with the graph's names dealt out anew; None
    without a graph. Of one question the frontier is a number, and the control the mean of many deals.
    """

    number: int
    count: int
    tokens: tuple[tuple[str, float], ...]
    entropy: float
    frontier: Estimate | None = None
    control: Estimate | None = None

    @property
    def on_frontier(self) -> bool | None:
        """Whether it holds more of the frontier than by chance: the whole interval above the control's; None
        where that cannot be said."""
        if self.frontier is None or self.control is None:
            return None
        if not (self.frontier.low == self.frontier.low and self.control.high == self.control.high):
            return None  # NaN: too few problems for an interval
        return self.frontier.low > self.control.high


@dataclass(frozen=True)
class Swapped:
    """One question with the thoughts of other problems: how often the answer became another text."""

    changed: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share."""
        return wilson_interval(self.changed, self.count)


@dataclass(frozen=True)
class Measurement:
    """What one checkpoint does with a question, or with problems."""

    thinking: str  # how thinking ends
    count: int  # problems that were answered
    right: int | None  # of them; None where the expected answer is not known
    thoughts: tuple[ThoughtReading, ...]
    controls: tuple[ControlResult, ...] = ()  # of problems
    swapped: Swapped | None = None  # of a question that is thought about
    said: str = ""  # of a question
    logit_difference: float | None = None  # of a question: log p(right) - log p(wrong) where answers part, nats
    failed: int = 0  # problems that have no answer, as numbers overflow

    @property
    def share(self) -> Share | None:
        """Of right answers."""
        return None if self.right is None else Share(self.right, self.count)

    @property
    def verdict(self) -> Verdict | None:
        """What the rule of docs/CONTROLS.md says; None of one question, and without controls."""
        return (
            None if not self.controls or self.share is None else judge_usage(self.share.accuracy, self.controls)
        )

    @property
    def swaps(self) -> list[ControlResult]:
        """The controls that feed another problem's thoughts, that which costs least first. One that too few of
        the problems have, where another has enough, says nothing."""
        swaps = [result for result in self.controls if result.name in SWAPS]
        enough = min(FEWEST, max((result.count for result in swaps), default=0))
        return sorted(
            (result for result in swaps if result.count >= enough), key=lambda result: result.pairs.drop
        )

    @property
    def needs_thoughts(self) -> bool | None:
        """Whether the answers need their thoughts. Of problems: with other problems' thoughts fewer are right,
        the whole 95 % interval of the difference is above 0, for each of the swaps. Of a question: for certain
        more than half of the swaps change the answer. None where nothing was swapped; who takes no thought
        needs none.
        """
        if self.swapped is not None:
            return self.swapped.interval[0] > HALF
        if not self.swaps:
            return None if self.thoughts else False
        return all(result.pairs.interval[0] > 0 for result in self.swaps)


@dataclass(frozen=True)
class Logged:
    """What the training log says at a step; None where it says nothing."""

    stage: str | None = None
    loss: float | None = None  # of the training batch, nats a token
    held_out_loss: float | None = None
    held_out_accuracy: float | None = None


@dataclass(frozen=True)
class Point:
    """A checkpoint on the time axis: what was measured, or why nothing could be."""

    step: int
    folder: str
    weights: str = ""  # their hash
    measurement: Measurement | None = None
    error: str = ""
    logged: Logged = field(default_factory=Logged)


@dataclass(frozen=True)
class Onset:
    """From which checkpoint on something holds, in it and in each later one of which it is known.

    step: of that checkpoint, None where it does not hold in the last one; after: the step of the last one in
    front of it of which it is known not to hold; confirmed: in how many checkpoints it holds since then.
    """

    step: int | None
    after: int | None
    confirmed: int
    known: int

    def text(self) -> str:
        """In words, to stand behind what it is about."""
        if self.known == 0:
            return "is not known of any checkpoint"
        if self.step is None:
            return f"does not hold at the end ({self.known} checkpoints)"
        since = f"from step {self.step} on, the first that can tell"
        if self.after is not None:
            since = f"came between steps {self.after} and {self.step}"
        sure = f"and in all {self.confirmed} since" if self.confirmed > 1 else "only the last one shows it"
        return f"{since}, {sure}"


def onset(points: Sequence[Point], holds: Callable[[Measurement], bool | None]) -> Onset:
    """From which checkpoint on something holds to the end of what was measured."""
    known = [
        (point.step, held)
        for point in points
        if point.measurement is not None and (held := holds(point.measurement)) is not None
    ]
    confirmed = 0
    for _, held in reversed(known):
        if not held:
            break
        confirmed += 1
    first = len(known) - confirmed
    return Onset(
        known[first][0] if confirmed else None,
        known[first - 1][0] if first else None,
        confirmed,
        len(known),
    )


@dataclass(frozen=True)
class Course:
    """A question, or problems, over the checkpoints of a run."""

    run: str
    about: dict[str, Any]  # what was asked, and how
    points: tuple[Point, ...]

    @property
    def thoughts(self) -> int:
        """The most thoughts that a checkpoint takes."""
        return max(
            (len(point.measurement.thoughts) for point in self.points if point.measurement is not None),
            default=0,
        )

    def frontier_onset(self, thought: int) -> Onset:
        """From when on a thought holds the frontier."""

        def holds(found: Measurement) -> bool | None:
            reading = found.thoughts[thought - 1] if len(found.thoughts) >= thought else None
            return None if reading is None else reading.on_frontier

        return onset(self.points, holds)

    @property
    def needing_onset(self) -> Onset:
        """From when on the answer needs the thoughts."""
        return onset(self.points, lambda found: found.needs_thoughts)

    def sentences(self) -> list[str]:
        """When the search appears, and when the answer begins to need the thoughts, a line each."""
        lines = [
            f"thought {thought} on the frontier: {begun.text()}{self._shares(thought, begun)}"
            for thought in range(1, self.thoughts + 1)
            if (begun := self.frontier_onset(thought)).known
        ]
        return [*lines, f"the answer needs the thoughts: {self.needing_onset.text()}"]

    def _shares(self, thought: int, begun: Onset) -> str:
        """A thought's mass on the frontier where that begins to be more than by chance, and at the end."""
        known = [
            (point.step, reading.frontier.mean, reading.control.mean)
            for point in self.points
            if point.measurement is not None and len(point.measurement.thoughts) >= thought
            for reading in [point.measurement.thoughts[thought - 1]]
            if reading.frontier is not None and reading.control is not None
        ]
        first = next((mean for step, mean, _ in known if step == begun.step), None)
        then = "" if first is None else f"{first:.2f} there, "
        _, last, chance = known[-1]
        return f" ({then}{last:.2f} at the end, {chance:.2f} by chance)"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: what was measured, and what follows from it."""
        onsets = {
            f"thought {number}": asdict(self.frontier_onset(number)) for number in range(1, self.thoughts + 1)
        }
        return {
            "run": self.run,
            **self.about,
            "frontier_from": onsets,
            "needed_from": asdict(self.needing_onset),
            "sentences": self.sentences(),
            "checkpoints": [_point_json(point) for point in self.points],
        }


def _point_json(point: Point) -> dict[str, Any]:
    found = point.measurement
    record: dict[str, Any] = {"step": point.step, "folder": point.folder, "weights": point.weights}
    record |= {"logged": asdict(point.logged)} | ({"error": point.error} if point.error else {})
    if found is None:
        return record
    verdict = found.verdict
    share = found.share
    return record | {
        "accuracy": None if share is None else share.accuracy,
        "interval_95": None if share is None or len(found.said) else list(share.interval),
        "needs_thoughts": found.needs_thoughts,
        "verdict": None if verdict is None else {"usage": str(verdict.usage), "reason": verdict.reason},
        "measurement": measurement_json(found),
    }


def measurement_json(found: Measurement) -> dict[str, Any]:
    """A measurement as plain JSON data; null where a bound is not known."""
    record = asdict(found)
    for reading, entry in zip(found.thoughts, record["thoughts"], strict=True):
        for name in ("frontier", "control"):
            value: Estimate | None = getattr(reading, name)
            entry[name] = None if value is None else value.to_json()
    return record
