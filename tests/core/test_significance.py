"""Shares, pairs and corrected p values, against figures worked out by hand."""

import random

import pytest

from coconut_core.evaluation.significance import Pairs, adjusted, paired


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (6, 0, 2 / 64),
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (3, 3, 1.0),
    ],
)
def test_mcnemars_exact_test(lost: int, won: int, p: float) -> None:
    assert Pairs(100, lost, won).p_value == pytest.approx(p)
    assert Pairs(100, won, lost).p_value == pytest.approx(p)


def test_pairs_are_counted_problem_by_problem() -> None:
    pairs = paired([True, True, False, True], [True, False, True, False])
    assert (pairs.count, pairs.lost, pairs.won) == (4, 2, 1)
    assert pairs.drop == pytest.approx(0.25)
    with pytest.raises(ValueError, match="zip"):
        paired([True], [])


def test_the_interval_of_a_drop_covers_it_at_the_stated_rate() -> None:
    """Of 1,000 samples of 200 problems, about 95 % must have the true drop of 20 points in their interval."""
    rng = random.Random(1)
    covered = 0
    for _ in range(1000):
        draws = [rng.random() for _ in range(200)]
        pairs = Pairs(200, sum(draw < 0.3 for draw in draws), sum(0.3 <= draw < 0.4 for draw in draws))
        low, high = pairs.interval
        covered += low <= 0.2 <= high
    assert 930 <= covered <= 970


def test_holms_correction() -> None:
    assert adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjusted([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert adjusted([]) == []
