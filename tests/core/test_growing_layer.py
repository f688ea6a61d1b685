"""The cache with room to spare gives the numbers of the library's, bit for bit, whatever is done to it."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from coconut_core.coconut import CoconutModel
from coconut_core.latent.cache.contexts import Context, new_cache
from coconut_core.latent.cache.growing_layer import BLOCK, GrowingLayer
from coconut_core.runs.rows import read_prompts
from tests.core.tiny_architectures import CROPPED, RECURRENT
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model


def as_the_library(model: CoconutModel, batch: int) -> Context:
    """An empty context whose cache is the library's own."""
    context = model.empty_context(batch)
    context.cache = new_cache(model.base_lm.config)
    return context


def pair(model: CoconutModel, count: int = 1) -> tuple[Context, Context]:
    """Two contexts that have read the same prompts, ours and one with the library's cache."""
    ours = read_prompts(model, [model.encode_prompt(question) for question in QUESTIONS[:count]])
    theirs = as_the_library(model, count)
    width = ours.length
    prompts = [model.encode_prompt(question) for question in QUESTIONS[:count]]
    ids = torch.tensor([[model.config.latent_id] * (width - len(each)) + each for each in prompts])
    with torch.inference_mode():
        model.feed(theirs, model.embed(ids), ours.mask)
    return ours, theirs


def assert_same(ours: Context, theirs: Context) -> None:
    """The same state, and the same keys and values in every layer."""
    assert torch.equal(ours.hidden, theirs.hidden)
    assert ours.cache is not None
    assert theirs.cache is not None
    for one, other in zip(ours.cache.layers, theirs.cache.layers, strict=True):
        if isinstance(other, DynamicLayer):
            assert torch.equal(one.keys, other.keys)
            assert torch.equal(one.values, other.values)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *CROPPED, *RECURRENT])
@torch.inference_mode()
def test_numbers_are_those_of_the_library_bit_for_bit(name: str) -> None:
    model = tiny_model(name)
    for count in (1, 3):
        ours, theirs = pair(model, count)
        for _ in range(BLOCK + 5):  # past the end of the room
            assert torch.equal(model.latent_step(ours), model.latent_step(theirs))
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *CROPPED])
@torch.inference_mode()
def test_going_back_forking_and_picking_rows_give_the_same_bits(name: str) -> None:
    model = tiny_model(name)
    ours, theirs = pair(model)
    before = ours.hidden
    for context in (ours, theirs):
        model.latent_step(context)
    twins = ours.copy(), theirs.copy()
    for context in (ours, theirs, *twins):
        context.take_back(1, before)
    for step, couple in ((2.0, (ours, theirs)), (3.0, twins), (4.0, (ours, theirs)), (5.0, twins)):
        for context in couple:
            model.latent_step(context, step * before)
        assert_same(*couple)
    for context in (ours, theirs):
        context.select(torch.tensor([0, 0, 0]))
        model.latent_step(context, torch.cat([before, 2 * before, 3 * before]))
    assert_same(ours, theirs)
    assert_same(*twins)


def layers(count: int = 7) -> tuple[GrowingLayer, DynamicLayer]:
    one, other = GrowingLayer(), DynamicLayer()
    for layer in (one, other):
        layer.update(*numbers(count))
    return one, other


def numbers(time: int, seed: int = 0, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, batch, 3, time, 4, generator=generator)
    return keys, values


operations = st.lists(
    st.tuples(st.sampled_from(["add", "crop", "fork", "turn", "select"]), st.integers(1, 40)), max_size=30
)


@given(chosen=operations)
@settings(max_examples=200)
@torch.inference_mode()
def test_any_sequence_of_operations_on_any_of_its_forks(chosen: list[tuple[str, int]]) -> None:
    pairs = [layers()]
    for seed, (what, count) in enumerate(chosen):
        ours, theirs = pairs[0]
        if what == "turn":
            pairs.append(pairs.pop(0))
        elif what == "fork":
            pairs.append((deepcopy(ours), deepcopy(theirs)))
        for layer in (ours, theirs):
            if what == "add":
                layer.update(*numbers(count, seed))
            elif what == "crop":
                layer.crop(-min(count, layer.get_seq_length() - 1))
            elif what == "select":
                layer.reorder_cache(torch.tensor([count % 2, 1]))
        for one, other in pairs:
            assert torch.equal(one.keys, other.keys)
            assert torch.equal(one.values, other.values)


@torch.inference_mode()
def test_a_position_is_written_where_there_is_room_and_nothing_is_moved() -> None:
    layer, _ = layers()
    place = layer.keys.data_ptr()
    for seed in range(BLOCK - 7):
        layer.update(*numbers(1, seed))
    assert layer.keys.data_ptr() == place
    layer.update(*numbers(1))
    assert layer.keys.data_ptr() != place
    assert layer.keys.shape[-2] == BLOCK + 1


@torch.inference_mode()
def test_forks_share_what_both_have_read_until_one_writes_over_it() -> None:
    layer, _ = layers()
    twin, third = deepcopy(layer), deepcopy(layer)
    place = layer.keys.data_ptr()
    layer.update(*numbers(1, 1))
    assert layer.keys.data_ptr() == twin.keys.data_ptr() == place, "behind what the others look at"
    twin.update(*numbers(1, 2))
    assert twin.keys.data_ptr() != place, "where the first has written"
    assert third.keys.data_ptr() == place
    layer.crop(-2)
    layer.update(*numbers(1, 3))
    assert layer.keys.data_ptr() != place, "over what the third looks at"
    assert torch.equal(third.keys, numbers(7)[0])


def test_gradients_flow_and_what_went_in_is_left_alone() -> None:
    keys, values = (each.requires_grad_() for each in numbers(3))
    with torch.no_grad():
        layer, _ = layers()
    for _ in range(2):
        full, _ = layer.update(keys, values)
        layer.update(*numbers(1))
    full.square().sum().backward()
    assert torch.equal(keys.grad, 4 * keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second"), [(torch.inference_mode, torch.no_grad), (torch.no_grad, torch.inference_mode)]
)
def test_a_cache_goes_on_in_the_other_mode(first: Callable[..., object], second: Callable[..., object]) -> None:
    with first():  # type: ignore[attr-defined]
        layer, other = layers()
    with second():  # type: ignore[attr-defined]
        for each in (layer, other):
            each.update(*numbers(1))
        assert torch.equal(layer.keys, other.keys)
