"""Linear probes: what can be read out of a thought with a line, beside what a line finds in anything.

A probe is a ridge regression on the thought's standardised coordinates; its strength is chosen by leave-one-out
error on the problems that it is trained on, and its score is that on the others. Two controls stand beside it:

- the permutation null: the same probe, trained on the labels of other problems;
- selectivity (Hewitt & Liang, arXiv 1909.03368): the same probe on labels that were drawn at random once for
  each type of input, here the word that the thought would say. A probe strong enough to learn those by heart
  may have learned the real ones in the same way; selectivity is how much better it does on the real ones.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import new_generator
from coconut_core.evaluation.significance import adjusted

PERMUTATIONS = 200
STRENGTHS = tuple(10.0**power for power in range(-1, 6))  # of the ridge
FEWEST = 30  # problems that a probe is trained and tested on

# (predictions (test, outputs), rows of the test problems) -> score; NaN where it cannot be told
Score = Callable[[Tensor, Sequence[int]], float]


@dataclass(frozen=True)
class Probe:
    """What one probe found: its score on problems that it was not trained on, beside its controls."""

    score: float
    null_mean: float  # mean score of probes trained on other problems' labels
    null_high: float  # 95th percentile of those
    p: float  # share of such probes that do as well, itself counted among them
    control: float  # score on the random labels of the control task
    trained_on: int  # problems
    tested_on: int

    @property
    def selectivity(self) -> float:
        """How much better it does than on the control task."""
        return self.score - self.control

    def to_json(self) -> dict[str, Any]:
        """All numbers; null for those that cannot be told."""
        record = asdict(self) | {"selectivity": self.selectivity}
        return {name: value if value == value else None for name, value in record.items()}


@dataclass(frozen=True)
class Task:
    """What is to be read out of the thoughts of one place; a row for each problem."""

    labels: Tensor  # (problems, outputs)
    control: Tensor  # (problems, outputs), of the control task
    score: Score
    control_score: Score


class Ridge:
    """Ridge regressions that share their inputs: their strength is chosen for one set of labels."""

    def __init__(self, inputs: Tensor, train: Sequence[int], test: Sequence[int]) -> None:
        """inputs (problems, hidden)."""
        exact = inputs.double()
        known = exact[list(train)]
        self._mean, scale = known.mean(dim=0), known.std(dim=0)
        self._scale = scale.where(scale > 1e-9, torch.ones_like(scale))
        self._left, self._values, self._right = torch.linalg.svd(self._standard(known), full_matrices=False)
        self._test = self._standard(exact[list(test)]) @ self._right.T  # (test, rank)

    def _standard(self, inputs: Tensor) -> Tensor:
        return (inputs - self._mean) / self._scale

    def strength(self, labels: Tensor) -> float:
        """The strength with the least leave-one-out error for labels of the training rows, (train, outputs)."""
        centred = labels.double() - labels.double().mean(dim=0)
        errors = []
        for strength in STRENGTHS:
            shrunk = self._left * (self._values**2 / (self._values**2 + strength))
            leverage = (shrunk * self._left).sum(dim=1) + 1 / len(labels)  # and that of the mean
            left_out = (centred - shrunk @ (self._left.T @ centred)) / (1 - leverage)[:, None].clamp(min=1e-6)
            errors.append(float((left_out**2).sum()))
        return STRENGTHS[errors.index(min(errors))]

    def predict(self, labels: Tensor, strength: float) -> Tensor:
        """Predict the test rows from labels of the training rows, (train, outputs) -> (test, outputs)."""
        exact = labels.double()
        mean = exact.mean(dim=0)
        weights = (self._values / (self._values**2 + strength))[:, None] * (self._left.T @ (exact - mean))
        predictions: Tensor = self._test @ weights + mean
        return predictions


def run_probe(inputs: Tensor, task: Task, seed: int, permutations: int = PERMUTATIONS) -> Probe:
    """Train and test one probe on inputs (problems, hidden); p is not corrected, see `corrected`.

    A third of the problems is tested on. Raises CoconutError for too few of them.
    """
    count = inputs.shape[0]
    if count < FEWEST:
        raise CoconutError(f"a probe needs at least {FEWEST} problems, better hundreds; there are {count}")
    train, test = split(count, seed)
    ridge = Ridge(inputs, train, test)
    labels, control_labels = task.labels[train], task.control[train]
    strength = ridge.strength(labels)
    score = task.score(ridge.predict(labels, strength), test)
    generator = new_generator(seed)
    orders = [torch.randperm(len(train), generator=generator) for _ in range(permutations)]
    null = torch.tensor([task.score(ridge.predict(labels[order], strength), test) for order in orders])
    return Probe(
        score,
        float(null.mean()),
        float(null.quantile(0.95)),
        (1 + int((null >= score).sum())) / (1 + permutations),
        task.control_score(ridge.predict(control_labels, ridge.strength(control_labels)), test),
        len(train),
        len(test),
    )


def corrected(probes: Mapping[int, Probe]) -> dict[int, Probe]:
    """The same probes with p corrected for their number (Holm)."""
    p_values = adjusted([probe.p for probe in probes.values()])
    return {key: replace(probe, p=p) for (key, probe), p in zip(probes.items(), p_values, strict=True)}


def split(count: int, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the problems to train on and of those, a third, to test on."""
    order = list(range(count))
    random.Random(f"probe split {seed}").shuffle(order)
    tested = count // 3
    return sorted(order[tested:]), sorted(order[:tested])


def by_type(types: Sequence[str], draw: Callable[[random.Random], float]) -> list[float]:
    """A label for each input, drawn once for each type: the control task of Hewitt & Liang."""
    return [draw(random.Random(f"control {name}")) for name in types]


def area_under_curve(scores: Tensor, positive: Tensor) -> float:
    """The chance that a positive's score is above a negative's (ties count half); NaN without both kinds.

    scores and positive (entries,), positive being bool.
    """
    yes, no = scores[positive], scores[~positive]
    if not len(yes) or not len(no):
        return float("nan")
    above = (yes[:, None] > no[None]).double() + 0.5 * (yes[:, None] == no[None]).double()
    return float(above.mean())


def explained_variance(predicted: Tensor, labels: Tensor, baseline: float) -> float:
    """R² against predicting baseline for all; (entries,) each. NaN where the labels do not vary."""
    total = ((labels - baseline) ** 2).sum()
    return float(1 - ((labels - predicted) ** 2).sum() / total) if total > 0 else float("nan")
