"""Gradient checkpointing: the same loss and gradients to the last digit that counts, in less memory."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.problems import generate_problems
from coconut_core.runs.live_bytes import LiveBytes
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Batch, Encoder, collate
from coconut_core.training.gradient_checkpointing import check_checkpointing, gradient_checkpointing
from coconut_core.training.recipe import ModelShape
from coconut_core.training.start import build_model
from tests.core.tiny_models import ARCHITECTURES, tiny_model
from tests.core.tiny_recipes import assert_same_weights, tiny_recipe, train


def batch_for(model: CoconutModel, thoughts: tuple[int, ...] = (3, 0, 2)) -> Batch:
    """Rows of different lengths with different numbers of thoughts, some of which are asked for something."""
    encoder = Encoder(model.tokenizer, model.config, label_thoughts="path")
    problems = [encoder.tokenize(problem) for problem in generate_problems("prosqa", len(thoughts), 5)]
    stages = [Stage(1, removed=count, thoughts=count) for count in thoughts]
    return collate([encoder.encode(*pair) for pair in zip(problems, stages, strict=True)], 0)


def step(model: CoconutModel, batch: Batch, *, sparing: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses of the labels and gradients of a step, taken as the trainer takes it."""
    torch.manual_seed(0)  # dropout
    model.zero_grad(set_to_none=True)
    with gradient_checkpointing(model) if sparing else nullcontext(), prompt_shortcut(model):
        output = model(batch.input_ids, batch.attention_mask, batch.labels)
        output.loss.backward()
    assert output.label_losses is not None
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return output.label_losses, gradients


@pytest.mark.parametrize("feedback", ["hidden", "pause"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "gemma3_text"])  # the last with a sliding window
def test_loss_and_gradients_are_the_same(architecture: str, feedback: str) -> None:
    model = tiny_model(architecture, max_positions=400, feedback=feedback).train()
    if architecture == "gpt2":
        assert model.base_lm.config.attn_pdrop > 0, "dropout has to be drawn again as it was"
    check_checkpointing(model)
    batch = batch_for(model)
    plain, expected = step(model, batch, sparing=False)
    sparing, found = step(model, batch, sparing=True)
    assert (sparing - plain).abs().max() < 1e-6
    assert found.keys() == expected.keys() == dict(model.named_parameters()).keys()
    for name in expected:
        assert (found[name] - expected[name]).abs().max() < 1e-6, name


def test_the_model_is_as_before_when_the_block_is_left() -> None:
    model = tiny_model("llama", max_positions=400)
    batch, before = batch_for(model), list(model.state_dict())
    expected = model(batch.input_ids, batch.attention_mask, batch.labels).loss
    with gradient_checkpointing(model):
        assert list(model.state_dict()) == before
    assert not any("forward" in vars(module) for module in model.modules())
    assert model(batch.input_ids, batch.attention_mask, batch.labels).loss == expected


@pytest.mark.parametrize("thoughts", [0, 6])
def test_memory_falls(thoughts: int) -> None:
    """Where layers are many; the peak is that of both directions, what is computed again included."""
    shape = ModelShape(hidden_size=32, heads=4, intermediate_size=96, layers=8)
    model = build_model(replace(tiny_recipe(), model=shape)).train()
    batch = batch_for(model, (thoughts,) * 4)
    peaks = []
    for sparing in (False, True):
        step(model, batch, sparing=sparing)  # what is allocated once
        with LiveBytes() as live:
            step(model, batch, sparing=sparing)
        peaks.append(live.peak)
    assert peaks[1] < 0.4 * peaks[0]


def test_a_cache_of_another_kind_is_refused() -> None:
    with pytest.raises(CoconutError, match=r"gradient_checkpointing cannot be had.*'jamba'"):
        check_checkpointing(tiny_model("jamba"))


def test_a_run_learns_the_same(tmp_path: Path) -> None:
    train(tiny_recipe(micro_batch=2), tmp_path / "plain")
    train(tiny_recipe(micro_batch=2, gradient_checkpointing=True), tmp_path / "sparing")
    assert_same_weights(tmp_path / "plain", tmp_path / "sparing", 1e-6)
