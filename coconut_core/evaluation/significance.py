"""Shares and their intervals; and two runs over the same problems: is the one more often right?"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt


@dataclass(frozen=True)
class Share:
    """So many right of so many."""

    right: int
    count: int

    @property
    def accuracy(self) -> float:
        return self.right / max(1, self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return wilson_interval(self.right, self.count)


def wilson_interval(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927); (0, 1) for an empty sample."""
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Spread:
    """The same measure of several trainings that differ in their seed.

    Seeds that answer the same problems are not more problems: how far they lie apart says what training gives,
    which an interval over problems does not.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.values) / max(1, len(self.values))

    @property
    def deviation(self) -> float | None:
        """Standard deviation with n - 1; None for a single value, which tells nothing of it."""
        if len(self.values) < 2:
            return None
        return sqrt(sum((value - self.mean) ** 2 for value in self.values) / (len(self.values) - 1))

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest."""
        return min(self.values), max(self.values)


@dataclass(frozen=True)
class Pairs:
    """Right with real thoughts against right with something else, over the same problems."""

    count: int
    lost: int  # right with the real thoughts only
    won: int  # right with the other thing only

    @property
    def drop(self) -> float:
        """How much less is right without the real thoughts, as a share of all problems."""
        return (self.lost - self.won) / max(1, self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the drop: Wald's for paired shares after adding half a pair to each of the four
        cells (Agresti and Min 2005). (-1, 1) for an empty sample."""
        if self.count == 0:
            return -1.0, 1.0
        count, lost, won = self.count + 2, self.lost + 0.5, self.won + 0.5
        middle = (lost - won) / count
        half = 1.959964 * sqrt(max(0.0, lost + won - (lost - won) ** 2 / count)) / count
        return max(-1.0, middle - half), min(1.0, middle + half)

    @property
    def p_value(self) -> float:
        """Exact two-sided test that both are right equally often (McNemar's, binomial)."""
        discordant = self.lost + self.won
        tail = sum(comb(discordant, number) for number in range(min(self.lost, self.won) + 1))
        return float(min(1.0, 2 * tail / 2**discordant))


def paired(real: Sequence[bool], other: Sequence[bool]) -> Pairs:
    """Count the pairs, both in the order of the problems."""
    pairs = list(zip(real, other, strict=True))
    return Pairs(len(pairs), pairs.count((True, False)), pairs.count((False, True)))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
