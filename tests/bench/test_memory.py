"""What is measured of memory: bytes of tensors that are alive, and what a command had at most."""

import pytest
import torch

from bench.memory import measure_data, measure_step
from bench.shapes import SHAPES
from coconut_core.common.errors import CoconutError
from coconut_core.runs.live_bytes import LiveBytes


def test_bytes_count_from_making_to_letting_go_and_once_for_all_views() -> None:
    old = torch.zeros(1000)
    with LiveBytes() as live:
        new = old + 1
        views = [new.view(10, 100), new[5:], old.view(-1)]
        assert live.alive == 4000
        other = new * 2
        del other
        new += 1
        assert (live.alive, live.peak) == (4000, 8000)
        del new
        assert live.alive == 4000, "a view is still there"
        del views
        assert live.alive == 0


def test_what_the_way_back_makes_counts() -> None:
    weight = torch.ones(1000, requires_grad=True)
    with LiveBytes() as live:
        (weight * weight).exp().sum().backward()
    assert live.alive == 4000, "the gradient"
    assert live.peak >= 3 * 4000


def test_a_step_with_gradient_checkpointing_beside_one_without() -> None:
    without, sparing, weights = measure_step(SHAPES["tiny-llama"])
    assert weights < sparing.peak < without.peak
    assert weights > 0


@pytest.mark.slow
def test_memory_of_the_commands() -> None:
    peaks = measure_data(40, 2)
    assert 0 < peaks.file < peaks.make < peaks.train
    with pytest.raises(CoconutError, match=r"coconut train small-base .* failed: .*must be 1 or more"):
        measure_data(40, 0)
