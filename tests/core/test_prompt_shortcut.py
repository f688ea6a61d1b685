"""The shortcut of training: less work for the prompt, the same loss and gradients."""

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.latent.prompt_shortcut import LastPositionLayer, prompt_shortcut
from coconut_core.problems import generate_problems
from coconut_core.problems.prosqa import lookup_problems
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Batch, Encoder, collate
from coconut_core.training.lookup import lookup_example
from tests.core.precision import FLOAT32
from tests.core.tiny_models import tiny_model


def a_batch(model: CoconutModel, thoughts: list[int], **options: Any) -> Batch:
    encoder = Encoder(model.tokenizer, model.config, **options)
    problems = generate_problems("prosqa", len(thoughts), seed=3)
    examples = [
        encoder.encode(encoder.tokenize(problem), Stage(1, removed=count, thoughts=count))
        for problem, count in zip(problems, thoughts, strict=True)
    ]
    return collate(examples, 0)


def loss_and_gradients(model: CoconutModel, batch: Batch) -> tuple[float, Tensor, dict[str, Tensor]]:
    model.zero_grad()
    output = model(batch.input_ids, batch.attention_mask, batch.labels)
    output.loss.backward()
    # The shortcut's wrapper is in the names while it is in place.
    found = {
        name.replace(".layer.", "."): parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return output.loss.item(), output.label_losses, found


def assert_shortcut_changes_nothing(model: CoconutModel, batch: Batch) -> None:
    loss, label_losses, expected = loss_and_gradients(model, batch)
    with prompt_shortcut(model):
        assert isinstance(model.base_lm.model.layers[-1], LastPositionLayer)
        fast_loss, fast_label_losses, found = loss_and_gradients(model, batch)
    assert fast_loss == pytest.approx(loss, abs=1e-5)
    torch.testing.assert_close(fast_label_losses, label_losses, **FLOAT32)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **FLOAT32, msg=lambda text: f"{name}: {text}")  # noqa: B023
    assert not isinstance(model.base_lm.model.layers[-1], LastPositionLayer)
    assert model.prompt_layer is None


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("thoughts", [[2, 2, 2], [0, 3, 1, 2], [0, 0]], ids=str)
def test_the_same_numbers(attention: str, thoughts: list[int]) -> None:
    model = tiny_model("llama", attention=attention, max_positions=512)
    assert_shortcut_changes_nothing(model, a_batch(model, thoughts))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_one_row_without_padding(attention: str) -> None:
    model = tiny_model("llama", attention=attention, max_positions=512)
    assert_shortcut_changes_nothing(model, a_batch(model, [2]))


def test_with_the_last_thought_labelled() -> None:
    model = tiny_model("llama", max_positions=512)
    assert_shortcut_changes_nothing(model, a_batch(model, [2, 0, 1], label_thoughts="path"))


def test_labels_all_over_the_sequence() -> None:
    model = tiny_model("llama", max_positions=1024)
    encoder = Encoder(model.tokenizer, model.config, "chain")
    examples = [lookup_example(encoder, lookup_problems(random.Random(seed))) for seed in range(3)]
    assert_shortcut_changes_nothing(model, collate(examples, 0))


def test_less_is_computed() -> None:
    """The last layer's feed-forward sees fewer positions, or the shortcut is none."""
    model = tiny_model("llama", max_positions=512)
    batch = a_batch(model, [2, 2])
    seen: list[int] = []
    model.base_lm.model.layers[-1].mlp.register_forward_hook(lambda *call: seen.append(call[1][0].shape[1]))
    model(batch.input_ids, batch.attention_mask, batch.labels)
    whole = sum(seen)
    seen.clear()
    with prompt_shortcut(model):
        model(batch.input_ids, batch.attention_mask, batch.labels)
    prompt = int((batch.input_ids[0] == model.config.fed_before[0]).int().argmax()) + 1
    assert whole - sum(seen) == prompt - 1


def test_logits_everywhere_are_asked_for_without_it() -> None:
    model = tiny_model("llama", max_positions=512)
    batch = a_batch(model, [1, 2])
    expected = model(batch.input_ids, batch.attention_mask, batch.labels, return_logits=True).logits
    with prompt_shortcut(model):
        found = model(batch.input_ids, batch.attention_mask, batch.labels, return_logits=True).logits
    torch.testing.assert_close(found, expected)


def test_it_is_taken_out_after_an_error() -> None:
    model = tiny_model("llama")
    names = list(model.state_dict())
    with pytest.raises(RuntimeError, match="on purpose"), prompt_shortcut(model):
        raise RuntimeError("on purpose")
    assert list(model.state_dict()) == names
    assert model.prompt_layer is None


def test_other_architectures_go_without() -> None:
    model = tiny_model("gpt2", max_positions=512)
    batch = a_batch(model, [1, 2])
    expected = model(batch.input_ids, batch.attention_mask, batch.labels).loss.item()
    with prompt_shortcut(model):
        assert model.prompt_layer is None
        assert model(batch.input_ids, batch.attention_mask, batch.labels).loss.item() == expected
