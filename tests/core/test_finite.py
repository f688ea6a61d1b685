"""NaN and infinity are reported where they arise, with the weights that they come from."""

import pytest
import torch

from coconut_core.errors import CoconutError
from coconut_core.finite import not_finite
from coconut_core.generate import generate
from coconut_core.model import CoconutModel
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
    with pytest.raises(CoconutError, match=f"not finite.*{NAME}"):
        run.finish()
    with pytest.raises(CoconutError, match=f"not finite.*{NAME}"):
        generate(spoilt, ["Is Alex a lempus?"])


def test_numbers_that_overflow_are_told_from_weights_that_do_not() -> None:
    run = tiny_model("llama").start("Is Alex a lempus?")
    run._context.hidden = torch.full_like(run._context.hidden, torch.inf)
    with pytest.raises(CoconutError, match="the numbers overflow"):
        run.finish()
