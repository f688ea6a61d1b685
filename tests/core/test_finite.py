"""NaN and infinity are reported where they arise, with the weights that they come from."""

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.finite import not_finite
from coconut_core.runs.edits import Scale
from coconut_core.runs.generate import generate
from tests.core.tiny_models import tiny_model


@pytest.fixture
def spoilt() -> CoconutModel:
    """A model with one weight that is no number."""
    model = tiny_model("llama")
    with torch.no_grad():
        model.base_lm.get_submodule("model.layers.0.mlp.up_proj").weight[0, 0] = torch.nan
    return model


NAME = "base_lm.model.layers.0.mlp.up_proj.weight"


def test_the_weights_are_named(spoilt: CoconutModel) -> None:
    assert not_finite(spoilt) == [NAME]
    assert not_finite(tiny_model("llama")) == []


def test_no_word_is_said_from_what_is_no_number(spoilt: CoconutModel) -> None:
    run = spoilt.start("Is Alex a lempus?")
    run.think()
    with pytest.raises(CoconutError, match=f"^thought 1 is not finite.*{NAME}"):
        run.finish()
    with pytest.raises(CoconutError, match=f"not finite.*{NAME}"):
        generate(spoilt, ["Is Alex a lempus?"])


def test_numbers_that_overflow_are_told_from_weights_that_do_not() -> None:
    run = tiny_model("llama").start("Is Alex a lempus?")
    run._context.hidden = torch.full_like(run._context.hidden, torch.inf)
    with pytest.raises(CoconutError, match=r"^thought 1 is not finite.*the numbers overflow"):
        run.finish()


def test_the_thought_at_which_it_arose_is_named() -> None:
    run = tiny_model("llama").start("Is Alex a lempus?")
    run.think()
    run.think(Scale(3e38))
    run.think()
    assert torch.isfinite(run.steps[1].state).all()
    told = r"^thought 2 as it was changed \(scale 3e\+38\) is not finite .*the numbers overflow"
    with pytest.raises(CoconutError, match=told):
        run.finish()


def test_a_state_that_words_lead_to_is_named_by_the_last_of_them() -> None:
    run = tiny_model("llama", thoughts=1).start("Is Alex a lempus?")
    run.think()
    run.end_thinking()
    said = run.speak()
    run._context.hidden = torch.full_like(run._context.hidden, torch.nan)
    run._next = None
    with pytest.raises(CoconutError, match=r"^the state behind the last step is not finite"):
        run.speak()
    assert run.steps[-1] is said
