"""What a run's first model takes over from its base."""

from pathlib import Path

import pytest
import torch

from coconut_core.errors import CoconutError
from coconut_core.loading import load
from coconut_core.model import CoconutModel
from coconut_core.problems import generate_problems
from coconut_core.training.start import build_model
from tests.core.tiny_recipes import tiny_gpt2, tiny_recipe, train


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that was trained on steps in words."""
    folder = tmp_path_factory.mktemp("chains")
    train(tiny_recipe(method="cot", evaluation_problems=1), folder)
    return folder / "checkpoint"


def rows(model: CoconutModel) -> tuple[torch.Tensor, torch.Tensor]:
    """The embeddings of <bot> and <eot>."""
    bot, eot = model.config.bot_id, model.config.eot_id
    assert bot is not None
    assert eot is not None
    weight = model.base_lm.get_input_embeddings().weight
    return weight[bot], weight[eot]


@torch.no_grad()
def test_bot_says_at_first_what_the_bases_eot_says(chains: Path) -> None:
    base = load(chains, device="cpu")
    model = build_model(tiny_recipe(model={"base": str(chains), "bot_from_eot": True}))
    prompt = base.encode_prompt(generate_problems("prosqa", 1, seed=3)[0].question)
    assert prompt[-1] == model.config.bot_id
    said = model(torch.tensor([prompt]), return_logits=True).logits[0, -1]
    expected = base(torch.tensor([[*prompt[:-1], base.config.eot_id]]), return_logits=True).logits[0, -1]
    others = [token for token in range(len(said)) if token not in (base.config.bot_id, base.config.eot_id)]
    torch.testing.assert_close(said[others], expected[others])
    assert torch.equal(*rows(model))
    assert torch.equal(rows(model)[1], rows(base)[1])


def test_without_the_setting_every_row_stays(chains: Path) -> None:
    model = build_model(tiny_recipe(model={"base": str(chains)}))
    assert all(torch.equal(*each) for each in zip(rows(model), rows(load(chains, device="cpu")), strict=True))
    assert not torch.equal(*rows(model))


def test_the_rows_of_an_ordinary_base_begin_alike_anyhow(tmp_path: Path) -> None:
    model = build_model(tiny_recipe(model={"base": str(tiny_gpt2(tmp_path)), "bot_from_eot": True}))
    assert torch.equal(*rows(model))


def test_a_bot_that_has_learned_something_is_not_written_over(chains: Path, tmp_path: Path) -> None:
    train(tiny_recipe(evaluation_problems=1), tmp_path)
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(CoconutError, match=rf"model.bot_from_eot: {checkpoint} was trained to think"):
        build_model(tiny_recipe(model={"base": str(checkpoint), "bot_from_eot": True}))
    with pytest.raises(CoconutError, match=r"model.bot_from_eot needs model\.base"):
        tiny_recipe(model={"bot_from_eot": True})
