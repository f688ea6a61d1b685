"""A recipe names what is fed back: the hidden state, or the same at the length of an embedding."""

import json
from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.training.recipe import Recipe
from coconut_core.training.start import build_model
from tests.core.precision import EXACT
from tests.core.reference import states_of, word_embeddings
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_recipe, train

QUESTION = "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or lempus?"


def normed_recipe(**changes: object) -> Recipe:
    return tiny_recipe(thinking={"feedback": "normed"}, **changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that fed it back."""
    folder = tmp_path_factory.mktemp("normed")
    train(normed_recipe(), folder)
    return folder


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    return trained / "checkpoint"


def test_a_checkpoint_says_it_and_needs_no_weights_for_it(checkpoint: Path) -> None:
    assert json.loads((checkpoint / "coconut.json").read_text())["feedback"] == "normed"
    assert not (checkpoint / "coconut.safetensors").exists()


@torch.no_grad()
def test_a_run_is_fed_states_as_long_as_an_embedding(checkpoint: Path) -> None:
    model = CoconutModel.from_pretrained(checkpoint, device="cpu")
    session, table = model.start(QUESTION), word_embeddings(model)
    embeddings = [table[token] for token in session.prompt_ids]
    for _ in range(2):
        state = states_of(model, embeddings)[-1]
        torch.testing.assert_close(session.think().state, state, **EXACT)
        assert state.norm() > 1.5 * table.norm(dim=-1).mean(), "there is something to change"
        embeddings.append(state / state.norm() * table.norm(dim=-1).mean())
    alone = model.start(QUESTION, max_new_tokens=4)
    assert model.generate([QUESTION, QUESTION + " Is Sam?"], max_new_tokens=4)[0] == alone.finish()


def test_a_resumed_run_reaches_the_same_weights(trained: Path, tmp_path: Path) -> None:
    train(normed_recipe(), tmp_path / "parts", 6)
    go_on(normed_recipe(), tmp_path / "parts")
    assert_same_weights(trained, tmp_path / "parts")
    train(tiny_recipe(), tmp_path / "hidden")
    with pytest.raises(AssertionError):
        assert_same_weights(trained, tmp_path / "hidden")


@pytest.mark.parametrize(
    ("thinking", "feedback"),
    [
        ({}, "normed"),
        ({"feedback": "normed"}, "normed"),
        ({"feedback": "hidden"}, "hidden"),
        ({"projection": 8}, "projection"),
    ],
)
def test_a_run_from_it_keeps_it_unless_its_recipe_says_otherwise(
    thinking: dict[str, object], feedback: str, checkpoint: Path
) -> None:
    recipe = tiny_recipe(model={"base": str(checkpoint)}, thinking=thinking)
    model = build_model(recipe)
    assert model.config.feedback == feedback
    assert model.config.feedback_options == ({"width": 8} if feedback == "projection" else {})


def test_another_method_than_of_thoughts_feeds_back_what_it_says(checkpoint: Path) -> None:
    recipe = tiny_recipe(method="coconut-pause", model={"base": str(checkpoint)})
    assert build_model(recipe).config.feedback == "pause"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"thinking": {"feedback": "linear"}},
            "'thinking.feedback' must be one of hidden, normed, not 'linear'",
        ),
        ({"thinking": {"feedback": "normed"}, "method": "pause"}, "thinking.feedback: method 'pause' feeds no"),
        (
            {"thinking": {"feedback": "normed", "projection": 8}},
            "in place of thinking.feedback 'normed'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(CoconutError, match=said):
        tiny_recipe(**changes)
