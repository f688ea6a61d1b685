"""The controls: what stands in place of a run's thoughts, each an intervention with a name.

Needs no torch: the verdict, the explorer and the command line read this table.
coconut_core.evaluation.controls runs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import factorial, inf

EVERYWHERE = "@all"


class Kind(StrEnum):
    """What a control counts for in the verdict, see coconut_core.evaluation.verdict."""

    SWAP = "swap"  # it feeds thoughts that the model does think, of another problem; decides
    DEPRIVING = "depriving"  # it takes the thoughts away, or feeds what the model never saw; decides
    REPORTED = "reported"  # decides nothing


@dataclass(frozen=True)
class Control:
    """A named intervention in place of a problem's thoughts.

    text: as `ask --do` and the explorer's line read it; what it draws without a seed is drawn anew each time.
    outcomes: in how many ways it can come out with so many thoughts, where it is drawn by chance.
    single: the same at one thought, without the thought; by default what the text says of all, "" for none.
    """

    name: str
    text: str
    description: str
    kind: Kind = Kind.REPORTED
    outcomes: Callable[[int], float] = lambda count: 1
    single: str | None = None

    @property
    def donor(self) -> str:
        """Whose thoughts a swap feeds, all that there are: a name in interventions.donors; "" of no swap."""
        return self.text.removeprefix("replace ").removesuffix(EVERYWHERE) if self.kind is Kind.SWAP else ""

    def at(self, thought: int) -> str | None:
        """The text of the same at one thought; None where the control has no such text."""
        whole = self.text.removesuffix(EVERYWHERE) if self.text.endswith(EVERYWHERE) else ""
        name = whole if self.single is None else self.single
        return f"{name}@{thought}" if name else None


def _other_orders(count: int) -> int:
    return factorial(min(count, 20)) - 1


CONTROLS = {
    control.name: control
    for control in (
        Control("none", "truncate 0", "no thought at all", Kind.DEPRIVING, single="drop"),
        Control("zero", "zero@all", "zero vectors"),
        Control(
            "pause", "pause@all", "the latent marker's embedding, a token that says nothing", Kind.DEPRIVING
        ),
        Control("mean", "mean@all", "the mean of each thought over all problems", Kind.DEPRIVING),
        Control(
            "noise",
            "replace own@all; noise@all",
            "random directions with the thoughts' norms",
            Kind.DEPRIVING,
            outcomes=lambda count: inf,
            single="noise",
        ),
        Control("nearest", "nearest@all", "of each thought only the nearest token's embedding"),
        Control("shuffled", "shuffle", "its own thoughts in another order", outcomes=_other_orders),
        Control("random", "replace random@all", "the thoughts of another problem", Kind.SWAP),
        Control(
            "same-hop",
            "replace same-hop@all",
            "the thoughts of a problem with as long a chain",
            Kind.SWAP,
            single="",
        ),
        Control(
            "twin",
            "replace twin@all",
            "the thoughts of the minimal twin, whose answer is the other one",
            Kind.SWAP,
        ),
    )
}


def one_by_one(count: int) -> list[Control]:
    """Of a run of so many thoughts each left out, each swapped for another problem's, and only the first k."""
    places = range(1, count + 1)
    without = [Control(f"without {place}", f"drop@{place}", "") for place in places]
    swapped = [Control(f"swapped {place}", f"replace own@all; replace random@{place}", "") for place in places]
    return [*without, *swapped, *(Control(f"first {place}", f"truncate {place}", "") for place in places[:-1])]


def ablations_of(thought: int) -> tuple[str, ...]:
    """Everything that puts another vector in the place of one thought, then what takes the thought away."""
    texts = [text for control in CONTROLS.values() if (text := control.at(thought)) is not None]
    return tuple(sorted(texts, key=lambda text: text.startswith("drop")))
