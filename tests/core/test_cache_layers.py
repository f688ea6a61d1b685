"""A class of cache layers does what its row of the table says, and one without a row is handled with care."""

import pytest
import torch
from transformers import cache_utils
from transformers.cache_utils import DynamicLayer

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.cache_layers import ABILITIES, LayerAbilities, abilities
from coconut_core.latent.cache.compiled import check_compilable
from coconut_core.latent.layers import cache_size
from coconut_core.runs.session import Session
from coconut_core.server.joining import join, joinable
from coconut_core.training.gradient_checkpointing import check_checkpointing
from tests.core.tiny_models import QUESTIONS, tiny_model


class OtherLayer(DynamicLayer):  # type: ignore[misc]
    """One that no table knows, which for all that does what its parent does."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CoconutModel:
    monkeypatch.setitem(cache_utils.DYNAMIC_LAYER_TYPE_MAPPING, "full_attention", OtherLayer)
    return tiny_model("llama", dtype=torch.float64)


def taken_back(model: CoconutModel) -> Session:
    """A run that went back to its first thought, and on."""
    run = Session(model, QUESTIONS[0], 3)
    run.finish_thinking()
    run.rewind(1)
    run.finish_thinking()
    return run


def test_a_class_that_is_not_in_the_table_is_not_asked_for_anything(model: CoconutModel) -> None:
    assert abilities(OtherLayer()) == LayerAbilities()
    assert model.recurrent
    assert cache_size(model) == cache_size(tiny_model("llama", dtype=torch.float64)) > 0
    context = model.empty_context(1)
    assert not context.croppable
    assert not joinable(context)
    with pytest.raises(CoconutError, match="cannot be compiled, leave out --compile"):
        check_compilable(model.base_lm)
    with pytest.raises(CoconutError, match="gradient_checkpointing cannot be had"):
        check_checkpointing(model)
    run, fresh = taken_back(model), Session(model, QUESTIONS[0], 3)
    fresh.finish_thinking()
    torch.testing.assert_close(run.next_readout.hidden, fresh.next_readout.hidden)


def test_a_row_of_the_table_is_all_that_a_class_needs(
    model: CoconutModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        ABILITIES, OtherLayer, LayerAbilities(crop=True, join=True, checkpoint=True, compile=True)
    )
    known = CoconutModel(model.base_lm, model.tokenizer, model.config).eval()
    assert not known.recurrent
    check_compilable(known.base_lm)
    check_checkpointing(known)
    run, fresh = taken_back(known), Session(known, QUESTIONS[0], 3)
    fresh.finish_thinking()
    torch.testing.assert_close(run.next_readout.hidden, fresh.next_readout.hidden)
    with torch.inference_mode():
        contexts = [known.start_context(torch.tensor([known.encode_prompt(each)])) for each in QUESTIONS[:2]]
        assert all(type(layer) is OtherLayer for layer in contexts[0].cache.layers)
        assert all(joinable(context) for context in contexts)
        alone = [known.latent_step(context.copy()) for context in contexts]
        together = known.latent_step(join([(context, [0]) for context in contexts]))
    torch.testing.assert_close(together, torch.cat(alone))
