"""A projection as feedback: what it computes, that it is trained, kept and read, and what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import gelu, layer_norm

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.generate import generate
from coconut_core.training.start import build_model
from tests.core.ending_models import ending_model
from tests.core.precision import EXACT
from tests.core.projecting_models import WIDTH, projecting_model
from tests.core.reference import states_of
from tests.core.refusals import change_json, refusal
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_recipe, train, trainer_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint folder with a projection, to damage."""
    projecting_model("llama").save_pretrained(tmp_path / "projecting")
    return tmp_path / "projecting"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("norm", [True, False])
@torch.no_grad()
def test_the_projection_of_the_state_is_read(architecture: str, norm: bool) -> None:
    model = projecting_model(architecture, norm=norm)
    weights = {name.removeprefix("feedback."): weight for name, weight in model.extra_weights.items()}
    embeddings = list(model.base_lm.get_input_embeddings().weight[model.encode_prompt(QUESTIONS[0])])
    session = model.start(QUESTIONS[0])
    for _ in range(3):
        state = states_of(model, embeddings)[-1]
        torch.testing.assert_close(session.think().hidden, state, **EXACT)
        inner = gelu(weights["inner.weight"] @ state + weights["inner.bias"])
        fed = weights["outer.weight"] @ inner + weights["outer.bias"]
        embeddings.append(layer_norm(fed, (32,), weights["norm.weight"], weights["norm.bias"]) if norm else fed)


def test_it_survives_saving_beside_a_halting_head(tmp_path: Path) -> None:
    model = projecting_model("gpt2")
    model.halting = ending_model("gpt2", "halting").halting
    assert model.halting is not None
    model.save_pretrained(tmp_path)
    change_json(tmp_path / "coconut.json", ending="halting", ending_threshold=0.7)
    loaded = CoconutModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.config.feedback_options == {"width": WIDTH}
    assert loaded.extra_weights.keys() == model.extra_weights.keys()
    for name, weight in model.extra_weights.items():
        assert torch.equal(loaded.extra_weights[name], weight), name
    change_json(tmp_path / "coconut.json", ending="fixed", ending_threshold=None)
    fixed = CoconutModel.from_pretrained(
        tmp_path, device="cpu"
    )  # the head's weights are there and not asked for
    assert fixed.halting is None
    assert generate(fixed, QUESTIONS, max_new_tokens=4) == generate(model, QUESTIONS, max_new_tokens=4)
    half = CoconutModel.from_pretrained(tmp_path, device="cpu", dtype="bfloat16")
    assert {weight.dtype for weight in half.extra_weights.values()} == {torch.bfloat16}
    assert half.generate(list(QUESTIONS), max_new_tokens=2)


def test_options_are_written_only_where_there_are_any(tmp_path: Path, folder: Path) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path / "plain")
    plain = json.loads((tmp_path / "plain" / "coconut.json").read_text(encoding="utf-8"))
    assert not {"feedback_options", "passes"} & plain.keys()
    record = json.loads((folder / "coconut.json").read_text(encoding="utf-8"))
    assert record["feedback_options"] == {"width": WIDTH}
    assert "passes" not in record


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"feedback_options": {}}, "feedback 'projection' needs 'width', a whole number of 1 or more"),
        ({"feedback_options": {"width": 0}}, "'width' must be a whole number of 1 or more, not 0"),
        ({"feedback_options": {"width": 24, "norm": 1}}, "'norm' must be true or false, not 1"),
        ({"feedback_options": {"width": 24, "depth": 2}}, "has no option 'depth': it has width, norm"),
        ({"feedback": "hidden"}, "feedback 'hidden' has no option 'width': it has none"),
        ({"feedback_options": [24]}, "the entry 'feedback_options' must be an object, not a list"),
        ({"passes": -1}, "passes must be 1 or more, or 0"),
        ({"passes": True}, "the entry 'passes' must be a whole number, not a boolean"),
    ],
)
def test_impossible_options(folder: Path, changes: dict[str, Any], said: str) -> None:
    change_json(folder / "coconut.json", **changes)
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    assert said in message
    assert "coconut.json" in message


@pytest.mark.parametrize("kind", ["lost", "truncated", "narrower", "without norm", "of a head"])
def test_weights_that_do_not_fit(folder: Path, kind: str) -> None:
    path = folder / "coconut.safetensors"
    tensors = load_file(path)
    if kind == "lost":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        if kind == "narrower":
            tensors["feedback.inner.weight"] = torch.zeros(WIDTH - 1, 32)
        elif kind == "without norm":
            del tensors["feedback.norm.bias"]
        else:
            tensors = {name.replace("feedback", "halting"): tensor for name, tensor in tensors.items()}
        save_file(tensors, path)
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    if kind == "lost":
        assert "has no coconut.safetensors, the weights of its feedback: copy or download it again" in message
        assert "fixed" not in message
    elif kind == "truncated":
        assert "coconut.safetensors is truncated or corrupted" in message
    else:
        assert "is not this model's feedback: it must hold feedback.inner.weight [24, 32] and" in message


# -- training --------------------------------------------------------------------------------------------------


def test_training_moves_it_and_a_resumed_run_reaches_the_same_weights(tmp_path: Path) -> None:
    recipe = tiny_recipe(thinking={"projection": WIDTH, "passes": 2})
    fresh = build_model(recipe)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", 6)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    trained = CoconutModel.from_pretrained(tmp_path / "whole" / "checkpoint", device="cpu")
    assert trained.config.feedback == "projection"
    assert (trained.config.feedback_options, trained.config.passes) == ({"width": WIDTH}, 2)
    for name, weight in trained.extra_weights.items():
        assert not torch.equal(weight, fresh.extra_weights[name]), name
    assert trained.start(QUESTIONS[0]).passes == 2


def test_a_batch_without_thoughts_gives_it_gradients_of_zero() -> None:
    model = projecting_model("gpt2").train()
    ids = torch.tensor([[*model.encode_prompt(QUESTIONS[0]), model.config.eot_id, 20]])
    model(ids, labels=ids).loss.backward()
    for weight in model.feedback.parameters():
        assert weight.grad is not None
        assert not weight.grad.any()


def test_going_on_from_a_checkpoint_keeps_its_projection_and_passes(tmp_path: Path) -> None:
    train(tiny_recipe(thinking={"projection": WIDTH, "passes": 2}), tmp_path / "first")
    base = str(tmp_path / "first" / "checkpoint")
    before = CoconutModel.from_pretrained(base, device="cpu")
    model = trainer_for(tiny_recipe(model={"base": base}), tmp_path / "second").plain_model
    assert (model.config.feedback, model.config.passes) == ("projection", 2)
    for name, weight in before.extra_weights.items():
        assert torch.equal(weight, model.extra_weights[name])
    assert all(weight.requires_grad for weight in model.feedback.parameters())
    wider = build_model(tiny_recipe(model={"base": base}, thinking={"projection": 8}))
    assert wider.config.feedback_options == {"width": 8}
    paused = build_model(tiny_recipe(model={"base": base}, method="coconut-pause"))
    assert (paused.config.feedback, paused.config.feedback_options) == ("pause", {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"thinking": {"projection": -1}}, "'thinking.projection' must be from 0 to"),
        ({"thinking": {"passes": 2, "ends": "entropy"}}, "thinking.passes needs thinking.ends 'fixed'"),
        (
            {"thinking": {"projection": 8}, "method": "coconut-pause"},
            "thinking.projection: method 'coconut-pause' feeds no state back",
        ),
    ],
)
def test_recipes_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CoconutError, match=said):
        tiny_recipe(**changes)


def test_gradient_checkpointing_and_passes_are_refused(tmp_path: Path) -> None:
    recipe = tiny_recipe(thinking={"passes": 2}, gradient_checkpointing=True)
    with pytest.raises(CoconutError, match="does not go with parallel passes"):
        trainer_for(recipe, tmp_path)
