"""Comparing ways to do the same: that they give the same numbers, and how long each takes."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Way(Generic[Result]):
    """One way to do it. What `prepare` gives is handed to `run`, and its time does not count."""

    name: str
    run: Callable[..., Result]
    prepare: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Comparison:
    """Our way beside another one; the times, in processor seconds, were taken in turn.

    Ratios are theirs / ours, how many times faster ours was; of a cost ours / theirs, how many times as long.
    """

    benchmark: str
    shape: str
    against: str
    same: str  # what was found to be the same, with its values
    ours: Sequence[float]
    theirs: Sequence[float]
    target: float | None = None  # the ratio that it ought to have at least, as a cost at most
    cost: bool = False

    @property
    def ratios(self) -> list[float]:
        """The ratio of each repetition."""
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return [1 / ratio for ratio in ratios] if self.cost else ratios

    @property
    def meets(self) -> bool | None:
        """Whether the median meets the target; None where there is none."""
        if self.target is None:
            return None
        return median(self.ratios) <= self.target if self.cost else median(self.ratios) >= self.target

    @property
    def verdict(self) -> str:
        """Whether the median meets the target, in words; empty without a target."""
        if self.meets is None:
            return ""
        target = f"{'at most ' if self.cost else ''}{self.target:g} ×"
        return f"{'meets' if self.meets else 'falls short of'} {target}"

    def to_row(self) -> list[str]:
        """The cells of a table: names, median seconds of both, ratios, verdict."""
        ratios = self.ratios
        seconds = [f"{median(times):.3g}" for times in (self.ours, self.theirs)]
        spread = [f"{value:.2f}" for value in (min(ratios), median(ratios), max(ratios))]
        return [self.benchmark, self.shape, self.against, *seconds, *spread, self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        ratios = self.ratios
        return {
            "benchmark": self.benchmark,
            "shape": self.shape,
            "against": self.against,
            "same": self.same,
            "seconds": list(self.ours),
            "seconds_against": list(self.theirs),
            "ratio": {"min": min(ratios), "median": median(ratios), "max": max(ratios)},
            "target": self.target,
            "cost": self.cost,
            "meets": self.meets,
        }


def take_turns(
    ways: Sequence[Way[Result]], repetitions: int, same: Callable[[Result, Result], str]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Processor seconds of every way for each repetition, and what `same` says of it and the first way.

    The ways take turns, and every second repetition goes through them backwards, so that what else the
    machine does slows all of them alike; the time that other processes take is not counted. `same` is asked
    each time; it raises AssertionError where two results differ.
    """
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    texts: dict[str, str] = {}
    for repetition in range(repetitions):
        results: dict[str, Result] = {}
        for way in ways if repetition % 2 == 0 else reversed(ways):
            prepared = () if way.prepare is None else (way.prepare(),)
            began = time.process_time()
            results[way.name] = way.run(*prepared)
            seconds[way.name].append(time.process_time() - began)
            sys.stderr.write(f"  {repetition + 1}/{repetitions}  {way.name}  {seconds[way.name][-1]:.3g} s\n")
        texts = {way.name: same(results[ways[0].name], results[way.name]) for way in ways}
    return seconds, texts
