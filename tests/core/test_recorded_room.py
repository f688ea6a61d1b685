"""Gradients through keys and values written in one place are those of the library's cache, bit for bit."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from transformers.cache_utils import DynamicLayer

from coconut_core.coconut import CoconutModel
from coconut_core.latent.cache.contexts import Context, new_cache
from coconut_core.latent.cache.growing_layer import BLOCK, GrowingLayer
from tests.core.sequence_rows import gradients, make_row, pad
from tests.core.tiny_architectures import CROPPED, RECURRENT
from tests.core.tiny_models import ARCHITECTURES, tiny_model


def step(model: CoconutModel, prompt: int, thoughts: int, spoken: int) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a step with padding, and with a row that thinks less."""
    rows = [make_row(model, prompt, [count], spoken, seed=count) for count in (thoughts, thoughts - 1)]
    ids, mask, labels = pad(rows, [0, 2])
    model.zero_grad()
    loss = model(ids, mask, labels).loss
    loss.backward()
    return loss.item(), gradients(model)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *CROPPED, *RECURRENT])
@pytest.mark.parametrize("spoken", [5, BLOCK + 5])
def test_a_training_step_is_that_of_the_librarys_cache(
    name: str, spoken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(name)
    ours = step(model, 8, 4, spoken)
    empty = model.empty_context

    def with_their_cache(batch: int) -> Context:
        context = empty(batch)
        if context.cache is not None:
            context.cache = new_cache(model.base_lm.config)
        return context

    monkeypatch.setattr(model, "empty_context", with_their_cache)
    theirs = step(model, 8, 4, spoken)
    assert ours[0] == theirs[0]
    assert ours[1].keys() == theirs[1].keys()
    for key, gradient in ours[1].items():
        assert torch.equal(gradient, theirs[1][key]), key


def test_a_thought_copies_none_of_what_was_read_before_it() -> None:
    model = tiny_model("llama")
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        step(model, 40, 9, 4)
    shapes = [event.input_shapes for event in profiler.events() if event.name == "aten::cat"]
    assert shapes, "masks are put together"
    assert not [shape for shape in shapes if any(len(sizes) == 4 for sizes in shape[0])], "of keys and values"
    # the prompt is one pass of 41 positions; what is longer holds thoughts
    summed = [event.input_shapes[0] for event in profiler.events() if event.name == "aten::add"]
    assert not [sizes for sizes in summed if len(sizes) == 4 and sizes[2] > 41], "into memory of their own"


def numbers(time: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, 2, 3, time, 4, generator=generator)
    return keys.requires_grad_(), values.requires_grad_()


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "unrecorded", "crop", "fork", "turn", "select"]), st.integers(1, 40)
    ),
    max_size=20,
)


@given(chosen=operations, seed=st.integers(0, 99))
@settings(max_examples=100)
def test_any_sequence_of_operations_on_any_of_its_forks(chosen: list[tuple[str, int]], seed: int) -> None:
    pairs = [(GrowingLayer(), DynamicLayer())]
    leaves, losses = [], [torch.zeros(()), torch.zeros(())]
    for number, (what, count) in enumerate([("add", 7), *chosen]):
        if what == "turn":
            pairs.append(pairs.pop(0))
        elif what == "fork":
            ours, theirs = pairs[0]
            other = DynamicLayer()
            other.lazy_initialization(theirs.keys, theirs.values)
            other.keys, other.values = theirs.keys, theirs.values
            pairs.append((deepcopy(ours), other))
        added = [numbers(count, number), numbers(count, number)]
        for place, layer in enumerate(pairs[0]):
            if what == "add":
                keys, values = layer.update(*added[place])
                losses[place] = losses[place] + (keys.sin() * values).square().sum()
            elif what == "unrecorded":
                with torch.no_grad():
                    layer.update(*added[place])
            elif what == "crop":
                layer.crop(-min(count, layer.get_seq_length() - 1))
            elif what == "select":
                layer.reorder_cache(torch.tensor([count % 2, 1]))
        if what == "add":
            leaves.append(added)
        for one, other in pairs:
            assert torch.equal(one.keys, other.keys)
            assert torch.equal(one.values, other.values)
    for loss in losses:
        loss.backward()
    for (ours_keys, ours_values), (keys, values) in leaves:
        torch.testing.assert_close(ours_keys.grad, keys.grad)
        torch.testing.assert_close(ours_values.grad, values.grad)


def test_backward_may_be_run_again_and_of_a_part() -> None:
    layer, parts = GrowingLayer(), [numbers(3, seed) for seed in range(3)]
    sums = [layer.update(*part)[0].square().sum() for part in parts]
    for _ in range(2):
        sum(sums).backward(retain_graph=True)
    for times, (keys, values) in zip((3, 2, 1), parts, strict=True):
        torch.testing.assert_close(keys.grad, 2 * times * 2 * keys)
        assert values.grad is None or not values.grad.any()
    (gradient,) = torch.autograd.grad(sums[1], parts[0][0])
    torch.testing.assert_close(gradient, 2 * parts[0][0])
