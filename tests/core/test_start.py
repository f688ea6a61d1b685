"""What a run's first model takes over from its base."""

from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.problems.wording import BOT, EOS, EOT, LATENT, build_tokenizer
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
    base = CoconutModel.from_pretrained(chains, device="cpu")
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
    assert all(
        torch.equal(*each)
        for each in zip(rows(model), rows(CoconutModel.from_pretrained(chains, device="cpu")), strict=True)
    )
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


PRONTOQA = {"family": "prontoqa", "nodes": [12, 14], "hops": [5, 5]}


def test_another_family_goes_on_from_the_words_that_both_have(chains: Path, tmp_path: Path) -> None:
    """What a base has learned of a name holds in another wording; "Lempus" begins as "lempus"."""
    recipe = tiny_recipe(
        model={"base": str(chains), "family_words": True}, data=PRONTOQA, evaluation_problems=1
    )
    model, base = build_model(recipe), CoconutModel.from_pretrained(chains, device="cpu")
    words, known = model.tokenizer.get_vocab(), base.tokenizer.get_vocab()
    assert words == build_tokenizer("prontoqa").get_vocab()
    new, old = (each.base_lm.get_input_embeddings().weight for each in (model, base))
    assert isinstance(new, torch.Tensor)
    assert isinstance(old, torch.Tensor)
    for word in (" lempus", " Alex", " is a", "\n", BOT, EOT, EOS):
        assert torch.equal(new[words[word]], old[known[word]])
    assert torch.equal(new[words[" Lempus"]], old[known[" lempus"]])
    assert not torch.equal(new[words[" cold"]], new[words[" windy"]])
    markers = (model.config.bot_id, model.config.eot_id, model.config.latent_id)
    assert markers == tuple(model.tokenizer.convert_tokens_to_ids([BOT, EOT, LATENT]))
    train(recipe, tmp_path)
    trained = CoconutModel.from_pretrained(tmp_path / "checkpoint", device="cpu")
    assert trained.base_lm.config.vocab_size == len(words)
    assert trained.encode_prompt("Impuses are cold. Max is an impus. True or false: Max is not cold.")


def test_words_of_a_family_that_the_base_does_not_know_are_refused(chains: Path, tmp_path: Path) -> None:
    gpt2, symbolic = str(tiny_gpt2(tmp_path)), {"family": "symbolic", "nodes": [12, 14], "hops": [2, 3]}
    for base, family in ((gpt2, PRONTOQA), (str(chains), symbolic)):
        with pytest.raises(CoconutError, match=r"model\.family_words: .* knows no word of data\.family"):
            build_model(tiny_recipe(model={"base": base, "family_words": True}, data=family))
    with pytest.raises(CoconutError, match=r"model\.family_words needs model\.base"):
        tiny_recipe(model={"family_words": True})
