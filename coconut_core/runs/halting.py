"""How thinking ends: after a fixed number of thoughts, or by a rule that looks at the states.

A rule is asked before each thought. It sees the readouts of the last states of the latent segment: those of
the thoughts that were fed, as they were fed, and that of the state which the next thought would feed. It
keeps nothing between two questions, so that a run can go back, fork and be edited without its noticing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, TypeVar

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import DEFAULT_THOUGHTS, check_thoughts
from coconut_core.latent.halting_head import HaltingHead
from coconut_core.runs.machine import Machine, Move

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel
    from coconut_core.latent.readout import Readout

T = TypeVar("T")
BY_HAND = "by hand"  # why thinking ended where somebody ended it


class StopRule(ABC):
    """Says when thinking should end. Without state of its own: the same readouts get the same verdict."""

    name: ClassVar[str]  # as in CoconutConfig.ending; a run notes it as the reason
    window: int = 1  # how many of the last states it looks at

    @abstractmethod
    def __call__(self, readouts: "Sequence[Readout]", thought_count: int) -> bool:
        """Whether to end thinking. readouts are of the last `window` states (at the beginning fewer), the
        newest last; thought_count is the number of thoughts taken in this latent segment."""

    @abstractmethod
    def __str__(self) -> str:
        """What it waits for, to stand behind "until"."""


@dataclass(frozen=True)
class HaltingRule(StopRule):
    """Ends thinking once the halting head is sure enough. The head is trained on states after a thought, so
    at least one is taken."""

    head: HaltingHead
    threshold: float  # probability
    name = "halting"

    def __call__(self, readouts: "Sequence[Readout]", thought_count: int) -> bool:
        return thought_count > 0 and float(self.head.probability(readouts[-1].hidden)) >= self.threshold

    def __str__(self) -> str:
        return "its halting head says so"


@dataclass(frozen=True)
class EntropyRule(StopRule):
    """Ends thinking once the readout's entropy is under a threshold, `window` readouts in a row ("cold stop",
    arXiv 2505.15778); with one it may be so before the first thought."""

    threshold: float  # nats
    window: int = 1
    name = "entropy"

    def __call__(self, readouts: "Sequence[Readout]", thought_count: int) -> bool:
        return len(readouts) >= self.window and all(readout.entropy < self.threshold for readout in readouts)

    def __str__(self) -> str:
        lasting = "" if self.window == 1 else f" {self.window} times in a row"
        return f"the entropy of its readout is under {self.threshold:g} nats{lasting}"


@dataclass(frozen=True)
class StableRule(StopRule):
    """Ends thinking once the last `window` readouts have one likeliest token, and its probability has changed
    by less than a threshold from each of them to the next."""

    threshold: float  # difference of two probabilities
    window: int = 2
    name = "stable"

    def __call__(self, readouts: "Sequence[Readout]", thought_count: int) -> bool:
        token = int(readouts[-1].logits.argmax())
        if len(readouts) < self.window or any(int(readout.logits.argmax()) != token for readout in readouts):
            return False
        probabilities = [readout.probability(token) for readout in readouts]
        return all(abs(later - sooner) < self.threshold for sooner, later in pairwise(probabilities))

    def __str__(self) -> str:
        return (
            f"{self.window} readouts in a row have the same likeliest token, "
            f"its probability within {self.threshold:g}"
        )


@dataclass(frozen=True)
class Ending:
    """How thinking ends in a run: after exactly `thoughts`, or by a rule and after that many at the latest."""

    thoughts: int
    rule: StopRule | None = None

    @property
    def window(self) -> int:
        """How many of the last states are looked at."""
        return 0 if self.rule is None else self.rule.window

    def reason(self, readouts: "Sequence[Readout]", thought_count: int) -> str | None:
        """Why thinking ends now: the rule's name, "number" or "limit"; None where it goes on.

        readouts are of the latent segment's states, the newest last; there may be more than a rule looks at.
        """
        if self.rule is not None and self.rule(readouts[-self.rule.window :], thought_count):
            return self.rule.name
        if thought_count >= self.thoughts:
            return "number" if self.rule is None else "limit"
        return None

    def __str__(self) -> str:
        count = f"{self.thoughts} thought{'' if self.thoughts == 1 else 's'}"
        return f"takes {count}" if self.rule is None else f"thinks until {self.rule}, at most {count}"


def next_step(
    machine: Machine, ending: Ending, readouts: "Callable[[], Sequence[Readout]]"
) -> tuple[Move, str | None]:
    """What comes next in a run that goes on, and why thinking ends with that, where it does (Ending.reason).

    readouts gives those that Ending.reason is asked with. It is called only where a rule looks at them.
    """
    reason = None
    if machine.may_think:
        reason = ending.reason(() if ending.rule is None else readouts(), machine.thought_count)
    return machine.next_move(reason is not None), reason


def choose_ending(model: "LatentModel", thoughts: int | None = None, stop: StopRule | None = None) -> Ending:
    """How thinking ends where a caller asks for so many thoughts and such a rule; None: not asked for.

    With neither it ends as the checkpoint says. A number alone is taken exactly; with stop it is the limit,
    by default the checkpoint's, or DEFAULT_THOUGHTS where that takes none. Raises CoconutError for a number
    that is none.
    """
    rule = checkpoint_rule(model) if thoughts is None and stop is None else stop
    limit = model.config.thoughts or (0 if stop is None else DEFAULT_THOUGHTS)
    return Ending(limit if thoughts is None else check_thoughts(thoughts), rule)


def endings_of(
    model: "LatentModel", count: int, thoughts: int | Sequence[int] | None, stop: StopRule | None = None
) -> list[Ending]:
    """How thinking ends in each of so many runs; thoughts is the number of all, or of each. Raises CoconutError
    where there is not one for each, and as choose_ending."""
    each: Sequence[int | None]
    each = [thoughts] * count if not isinstance(thoughts, Sequence) or isinstance(thoughts, str) else thoughts
    return [choose_ending(model, number, stop) for number in one_each("thoughts", count, each)]


def one_each(what: str, count: int, values: Sequence[T]) -> Sequence[T]:
    """The values, one for each question. Raises CoconutError where there are more or fewer."""
    if len(values) != count:
        raise CoconutError(
            f"{what}: {len(values)} are given for {count} question{'s' * (count != 1)}, one for each is needed"
        )
    return values


def checkpoint_rule(model: "LatentModel") -> StopRule | None:
    """The rule that the model's configuration names; None where the number of thoughts is fixed."""
    config = model.config
    if config.ending == "fixed":
        return None
    assert config.ending_threshold is not None  # see check_ending
    if config.ending == "entropy":
        return EntropyRule(config.ending_threshold)
    if config.ending == "stable":
        return StableRule(config.ending_threshold, config.ending_window)
    return HaltingRule(model.require_halting_head(), config.ending_threshold)
