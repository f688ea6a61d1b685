"""How well the fast approximation of a grid agrees with the grid itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from statistics import correlation
from typing import Any

from coconut_core.common.csv_rows import rows_as_csv
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Cloud, Figure, draw_clouds
from coconut_core.grid.attribution import attribute
from coconut_core.grid.measuring import measure
from coconut_core.grid.setting import Choice, setting_of
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem
from coconut_core.runs.shared import shared

_Pair = tuple[float, float, str]  # the exact change and the approximate one, and the intervention


@dataclass(frozen=True)
class Agreement:
    """Changes of the same cells, exact and approximate, in nats, of one question or of many.

    cells: the intervention of each. left_out: how many questions have none, by why.
    """

    exact: tuple[float, ...]
    approximate: tuple[float, ...]
    cells: tuple[str, ...] = ()
    questions: int = 1
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Cells, of all questions."""
        return len(self.exact)

    @property
    def pearson(self) -> float:
        """Correlation of the numbers; NaN where one of the two does not vary."""
        return _correlation(self.exact, self.approximate)

    @property
    def spearman(self) -> float:
        """Correlation of the ranks."""
        return _correlation(_ranks(self.exact), _ranks(self.approximate))

    @property
    def same_sign(self) -> float:
        """Share of the cells that move to the same side."""
        pairs = zip(self.exact, self.approximate, strict=True)
        return sum(one * other > 0 for one, other in pairs) / max(1, self.count)

    def __str__(self) -> str:
        return (
            f"Pearson {self.pearson:.2f}, Spearman {self.spearman:.2f}, same sign {100 * self.same_sign:.0f} %,"
            f" over {self.count} cells of {self.questions} question{'' if self.questions == 1 else 's'}"
        )

    def to_json(self) -> dict[str, Any]:
        """The figures, and the cells behind them."""
        measures = {"pearson": self.pearson, "spearman": self.spearman, "same_sign": self.same_sign}
        known = {name: value if isfinite(value) else None for name, value in measures.items()}
        counts = {"questions": self.questions, "count": self.count, "left_out": dict(self.left_out)}
        return {**known, **counts, "cells": self._rows()}

    def csv(self) -> str:
        """A CSV file with a row for each cell."""
        return rows_as_csv(self._rows(), ("intervention", "exact", "approximate"))

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"intervention": cell, "exact": exact, "approximate": near}
            for cell, exact, near in zip(self.cells, self.exact, self.approximate, strict=True)
        ]

    def figure(self) -> Figure:
        """The one against the other."""
        cloud = Cloud("cells", self.exact, self.approximate)
        return draw_clouds([cloud], "attribution beside the exact grid", "exact, nats", "attribution, nats")


def compare(
    model: LatentModel,
    problems: Sequence[Problem],
    choice: Choice,
    progress: Callable[[int], None] = lambda count: None,
) -> Agreement:
    """Measure the grids of problems and approximate them. Raises CoconutError where none of them has both."""

    def both(problem: Problem) -> list[_Pair] | str:
        try:
            setting = setting_of(model, problem, choice)
            approximate = attribute(setting)
        except CoconutError as error:
            return str(error)
        grid = measure(setting)
        return [
            (shift, value, grid.layout.texts[place])
            for place, value in approximate.items()
            if (shift := grid.cells[place].shift) is not None
        ]

    pairs: list[_Pair] = []
    left_out: dict[str, int] = {}
    questions = 0
    for found in shared(model, problems, both):
        if isinstance(found, str):
            left_out[found] = left_out.get(found, 0) + 1
        else:
            questions += 1
            pairs += found
        progress(1)
    if not questions:
        raise CoconutError(next(iter(left_out), "there is no question to compare the two on"))
    exact, near, cells = zip(*pairs, strict=True) if pairs else ((), (), ())
    return Agreement(exact, near, cells, questions, left_out)


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    if len(set(first)) < 2 or len(set(second)) < 2:
        return nan
    return correlation(first, second)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 0; equal values share the mean of theirs."""
    order = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(order)))}
    last = {value: place for place, value in enumerate(order)}
    return [(first[value] + last[value]) / 2 for value in values]
