"""Training from a base model, or from a checkpoint, and the official recipes, which begin with one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.training.recipe import load_recipe
from coconut_core.training.start import build_model
from tests.core.tiny_recipes import (
    sums_file,
    tiny_gpt2,
    tiny_recipe,
    train,
)


@pytest.mark.parametrize(
    ("name", "epochs"), [("prosqa-gpt2", 50), ("prontoqa-gpt2", 50), ("gsm8k-gpt2-cot", 25), ("gsm8k-gpt2", 22)]
)
def test_the_official_recipes_do_the_documented_number_of_steps(name: str, epochs: int, tmp_path: Path) -> None:
    """On a tiny base and few problems: the epochs of the paper, and as many thoughts as it says at the end."""
    data = sums_file(tmp_path, 5)
    recipe = load_recipe(
        name,
        [
            f"model.base={tiny_gpt2(tmp_path / 'gpt2')}",
            "batch_size=4",
            f"data.train={data}",
            f"data.validation={data}",
            "evaluate_every=10",  # epochs; each time an untrained model goes on writing to the end of its room
        ],
    )
    rows = train(recipe, tmp_path / "run")
    assert rows[-1]["step"] == epochs * 2  # five problems are two batches
    expected = {"prosqa-gpt2": 6, "prontoqa-gpt2": 6, "gsm8k-gpt2-cot": 0, "gsm8k-gpt2": 6}[name]
    assert CoconutModel.from_pretrained(tmp_path / "run" / "checkpoint").config.thoughts == expected


def test_new_marker_rows_start_from_the_named_token(tmp_path: Path) -> None:
    base = tiny_gpt2(tmp_path / "gpt2")
    recipe = tiny_recipe(model={"base": str(base), "new_rows_from": "lempus"})
    model = build_model(recipe)
    rows = model.base_lm.get_input_embeddings().weight
    assert isinstance(rows, Tensor)
    for marker in (model.config.bot_id, model.config.eot_id, model.config.latent_id):
        assert torch.equal(rows[marker], rows[model.token_id("lempus")])


def test_a_run_goes_on_from_a_checkpoint_on_words(tmp_path: Path) -> None:
    train(tiny_recipe(method="cot"), tmp_path / "cot")
    base = tmp_path / "cot" / "checkpoint"
    recipe = tiny_recipe(model={"base": str(base), "new_rows_from": "lempus"}, curriculum={"lookup": 0})
    before = CoconutModel.from_pretrained(base, device="cpu")
    started = build_model(recipe)
    assert torch.equal(
        started.base_lm.get_input_embeddings().weight, before.base_lm.get_input_embeddings().weight
    ), "markers that were trained are kept"
    train(recipe, tmp_path / "coconut")
    assert CoconutModel.from_pretrained(tmp_path / "coconut" / "checkpoint").config.trained
