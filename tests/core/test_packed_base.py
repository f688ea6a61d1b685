"""LoRA beside weights of four or eight bits: what is learned, saved and gone on with."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.training.packed_base import is_packed, unpacked_weight
from coconut_core.training.recipe import Recipe
from tests.core.ordinary_models import ordinary_folder
from tests.core.tiny_recipes import assert_same_weights, go_on, lora_recipe, train, trainer_for

LIBRARY = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="packs the weights: pip install 'coconut-tui[kbit]'"
)
QUESTION = "Ann has 12 nuts, finds 3 and eats 2. How many are left?"


def packed_recipe(folder: Path, base: Path, kind: str, **changes: Any) -> Recipe:
    table: dict[str, Any] = {
        "curriculum": {"lookup": 0, "stages": 2, "total": 4},
        "thinking": {},
        "lora": {"rank": 4, "quantize": kind},
    }
    return lora_recipe(base, folder, **{**table, **changes})


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 keeps its weights turned round, Llama as they are."""
    folder = tmp_path_factory.mktemp(request.param)
    size: dict[str, Any] = (
        {"n_embd": 64} if request.param == "gpt2" else {"hidden_size": 64, "intermediate_size": 128}
    )
    return ordinary_folder(folder, request.param, **size)


@LIBRARY
@pytest.mark.parametrize(("kind", "tolerance"), [("nf4", 1e-4), ("int8", 0.15)])
def test_a_checkpoint_has_the_weights_that_were_computed_with(
    base: Path, kind: str, tolerance: float, tmp_path: Path
) -> None:
    """In eight bits the library rounds activations too, which no checkpoint has."""
    recipe = packed_recipe(tmp_path, base, kind)
    trainer = trainer_for(recipe, tmp_path / "run")
    packed = {name: layer for name, layer in trainer.plain_model.base_lm.named_modules() if is_packed(layer)}
    assert packed
    before = {name: unpacked_weight(layer) for name, layer in packed.items()}
    trainer.run(lambda row: None)
    for name, layer in packed.items():
        assert torch.equal(unpacked_weight(layer), before[name]), "the base learned"
    trained = trainer.plain_model.eval()
    opened = CoconutModel.from_pretrained(tmp_path / "run" / "checkpoint", device="cpu")
    ids = torch.tensor([opened.encode_prompt(QUESTION)])
    with torch.no_grad():
        expected, found = trained.base_lm(input_ids=ids).logits, opened.base_lm(input_ids=ids).logits
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    whole, stored = load_file(base / "model.safetensors"), opened.base_lm.state_dict()
    for name, weight in before.items():
        own = whole[f"{name.removesuffix('.base_layer')}.weight"]
        own = own if own.shape == weight.shape and "c_" not in name else own.T
        assert weight.shape == own.shape
        assert 0 < (weight - own).abs().max() < 0.16 * own.abs().max(), "few bits, near the weights"
        learned = stored[f"{name.removesuffix('.base_layer')}.weight"]
        assert not torch.equal(learned.T if "c_" in name else learned, weight), "LoRA is in it"


@LIBRARY
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_run_on_packed_weights_goes_on_as_if_nothing_had_been(base: Path, kind: str, tmp_path: Path) -> None:
    recipe = packed_recipe(tmp_path, base, kind)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", until=3)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_what_packing_cannot_be_had_for_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ordinary_folder(tmp_path / "small")
    with pytest.raises(CoconutError, match=r"lora.quantize needs lora.rank"):
        packed_recipe(tmp_path, folder, "nf4", lora={"rank": 0, "quantize": "nf4"})
    with pytest.raises(CoconutError, match=r"'lora.quantize' must be one of .*nf4, int8"):
        packed_recipe(tmp_path, folder, "int4")
    monkeypatch.setattr("coconut_core.training.packed_base.find_spec", lambda name: None)
    with pytest.raises(
        CoconutError, match=r"lora.quantize needs the package bitsandbytes: pip install 'coconut-tui\[kbit\]'"
    ):
        train(packed_recipe(tmp_path, folder, "nf4"), tmp_path / "no")


@LIBRARY
def test_a_layer_whose_rows_share_scales_is_not_packed(tmp_path: Path) -> None:
    """Of 64 numbers that share a scale; where rows are 48 wide the library reads back others on a CPU."""
    narrow = ordinary_folder(tmp_path / "narrow", "llama", hidden_size=64, intermediate_size=48)
    model = trainer_for(packed_recipe(tmp_path, narrow, "nf4"), tmp_path / "run").plain_model
    packed = {name.split(".")[-2] for name, layer in model.base_lm.named_modules() if is_packed(layer)}
    assert packed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"}
    with pytest.raises(CoconutError, match=r"has no linear layer that can be packed .* of 64"):
        train(packed_recipe(tmp_path, ordinary_folder(tmp_path / "small"), "nf4"), tmp_path / "no")
