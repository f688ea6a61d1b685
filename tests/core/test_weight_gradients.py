"""Gradients of weights from all passes in one product are those of the passes one by one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coconut_core.coconut import CoconutModel
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.latent.weight_gradients import LARGE, joined_weight_gradients
from coconut_core.training.lora import add_lora
from coconut_core.training.recipe import LoraChoice
from tests.core.sequence_rows import gradients, make_row, pad
from tests.core.tiny_architectures import CROPPED, RECURRENT
from tests.core.tiny_models import ARCHITECTURES, tiny_model


def loss_of(model: CoconutModel | nn.parallel.DistributedDataParallel, thoughts: int = 4) -> Tensor:
    plain: Any = getattr(model, "module", model)
    rows = [make_row(plain, 8, [count, 2], 5, seed=count) for count in (thoughts, thoughts - 1)]
    ids, mask, labels = pad(rows, [0, 2])
    loss = model(ids, mask, labels).loss
    assert isinstance(loss, Tensor)
    return loss


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Within what float32 does to sums in another order, of the largest number of each gradient."""
    for name, gradient in expected.items():
        scale = float(gradient.abs().max())
        assert torch.allclose(found[name], gradient, rtol=0, atol=2e-6 * scale + 1e-12), name


@pytest.mark.parametrize("name", [*ARCHITECTURES, *CROPPED, *RECURRENT])
def test_the_same_loss_and_gradients(name: str) -> None:
    model = tiny_model(name)
    with prompt_shortcut(model):
        loss = loss_of(model)
        loss.backward()
    expected = gradients(model)
    with prompt_shortcut(model), joined_weight_gradients(model, least=0):
        joined = loss_of(model)
        joined.backward()
    torch.testing.assert_close(joined, loss)
    assert_close(gradients(model), expected)
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_matrix_has_one_product_for_its_longest_pass_and_one_for_all_others() -> None:
    model = tiny_model("gpt2")
    layers: Any = model.text_model.h
    inner = layers[0].mlp.c_fc.weight.shape  # no other product gives so many rows and columns
    for thoughts in (3, 7):
        with joined_weight_gradients(model, least=0), torch.profiler.profile(record_shapes=True) as profiler:
            loss_of(model, thoughts).backward()
        products = []
        for event in profiler.events():
            if event.name in ("aten::mm", "aten::addmm_"):
                left, right = [sizes for sizes in event.input_shapes if len(sizes) == 2][-2:]
                products.append((event.name, left[0], right[1]))
        for name in ("aten::mm", "aten::addmm_"):
            assert products.count((name, *inner)) == len(layers)


def test_gradients_add_up_over_steps_and_of_what_is_frozen_there_are_none() -> None:
    model = tiny_model("llama")
    frozen: nn.Parameter = model.text_model.layers[0].mlp.up_proj.weight  # type: ignore[index]
    frozen.requires_grad_(False)
    for _ in range(2):
        loss_of(model).backward()
    expected = gradients(model)
    for _ in range(2):
        with joined_weight_gradients(model, least=0):
            loss_of(model).backward()
    assert frozen.grad is None
    assert_close(gradients(model), expected)


def test_backward_may_be_run_again_and_for_some_weights_only() -> None:
    model = tiny_model("qwen2")
    layers: Any = model.text_model.layers
    some = [layers[0].mlp.up_proj.weight, layers[1].self_attn.q_proj.bias]
    expected = torch.autograd.grad(loss_of(model), some)
    with joined_weight_gradients(model, least=0):
        loss = loss_of(model)
        for _ in range(2):
            found = torch.autograd.grad(loss, some, retain_graph=True)
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_autocast_and_small_matrices_are_left_as_they_are() -> None:
    model = tiny_model("gpt2")
    assert all(parameter.numel() < LARGE for parameter in model.text_model.parameters())
    loss_of(model).backward()
    expected = gradients(model)
    with joined_weight_gradients(model):
        loss_of(model).backward()
    for name, gradient in gradients(model).items():
        assert torch.equal(gradient, expected[name])
    with torch.autocast("cpu", torch.bfloat16):
        loss_of(model).backward()
        expected = gradients(model)
        with joined_weight_gradients(model, least=0):
            loss_of(model).backward()
    for name, gradient in gradients(model).items():
        assert torch.equal(gradient, expected[name])


def test_adapters_learn_as_they_do_one_by_one() -> None:
    model = tiny_model("gpt2")
    pytest.importorskip("peft", reason="LoRA needs the package peft")
    add_lora(model, LoraChoice(rank=2), "base")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    loss_of(model).backward()
    expected = gradients(model)
    assert any("lora_A" in name and gradient.any() for name, gradient in expected.items())
    with joined_weight_gradients(model, least=0):
        loss_of(model).backward()
    assert_close(gradients(model), expected)


def test_processes_are_told_of_each_gradient_once(tmp_path: Path) -> None:
    model = tiny_model("gpt2")
    loss_of(model).backward()
    expected = gradients(model)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        several = nn.parallel.DistributedDataParallel(model)
        for _ in range(2):  # the second time in the order in which gradients came
            with joined_weight_gradients(model, least=0):
                loss_of(several).backward()
            assert_close(gradients(model), expected)
    finally:
        torch.distributed.destroy_process_group()
