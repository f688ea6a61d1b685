"""Means with their intervals."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite, nan, sqrt
from typing import Any

from coconut_core.common.plots import Line


@dataclass(frozen=True)
class Estimate:
    """A mean over problems, its 95 % interval (normal approximation), and over how many."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.short} ± {self.high - self.mean:.2f}" if self.n > 1 else self.short

    @property
    def short(self) -> str:
        """The mean alone, as it stands in a table."""
        return f"{self.mean:.2f}" if self.n else "–"

    def to_json(self) -> dict[str, Any]:
        """The same numbers; null where a number is not known."""
        return {name: value if isfinite(value) else None for name, value in asdict(self).items()}


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of values and its 95 % interval, 1.96 standard errors to each side; NaN where unknown."""
    known = list(values)
    count = len(known)
    if not count:
        return Estimate(nan, nan, nan, 0)
    mean = sum(known) / count
    if count == 1:
        return Estimate(mean, nan, nan, 1)
    half = 1.959964 * sqrt(sum((value - mean) ** 2 for value in known) / (count - 1) / count)
    return Estimate(mean, mean - half, mean + half, count)


def line_of(label: str, estimates: Mapping[int, Estimate]) -> Line:
    """A curve through means, by x, with their intervals as its band; without those that are over nothing."""
    known = {x: value for x, value in estimates.items() if value.n}
    return Line(
        label,
        list(known),
        [value.mean for value in known.values()],
        [value.low for value in known.values()],
        [value.high for value in known.values()],
    )
