"""LoRA in training: the base stays as it is, and the checkpoint opens merged and as PEFT's adapter."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.training.start import reopen_model
from tests.core.tiny_recipes import (
    assert_same_weights,
    go_on,
    lora_recipe,
    tiny_gpt2,
    tiny_recipe,
    train,
    trainer_for,
)

QUESTION = "Ann has 12 nuts, finds 3 and eats 2. How many are left?"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gpt2(tmp_path_factory.mktemp("base") / "gpt2")


def states(model: CoconutModel) -> Tensor:
    """What the model thinks and what it would say of a question."""
    run = model.start(QUESTION, thoughts=2)
    return torch.stack([run.think().state, run.think().state, run.step().state])


def test_a_base_stays_as_it_is_and_the_checkpoint_opens_merged_and_apart(base: Path, tmp_path: Path) -> None:
    trainer = trainer_for(lora_recipe(base, tmp_path), tmp_path / "run")
    trainer.run(lambda row: None)
    trained = trainer.plain_model.eval()
    checkpoint = tmp_path / "run" / "checkpoint"
    merged = CoconutModel.from_pretrained(checkpoint, device="cpu")
    apart = CoconutModel.from_pretrained(checkpoint / "adapter", device="cpu")
    torch.testing.assert_close(states(merged), states(trained), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(states(apart), states(merged), rtol=1e-4, atol=1e-4)
    assert merged.config == apart.config
    assert (apart.config.answer_prefix, apart.config.feedback) == ("The answer is:", "projection")
    before = load_file(base / "model.safetensors")
    whole = load_file(checkpoint / "model.safetensors")
    adapter = load_file(checkpoint / "adapter" / "adapter_model.safetensors")
    assert not any("lora" in name or "base_layer" in name for name in whole)
    changed = {name for name, weight in before.items() if not torch.equal(whole[name][: len(weight)], weight)}
    adapted = {
        name.removeprefix("base_model.model.").split(".lora_")[0] for name in adapter if ".lora_" in name
    }
    assert {name.removesuffix(".weight") for name in changed} == adapted
    assert {name.rpartition(".")[2] for name in adapted} == {"c_attn", "c_proj", "c_fc"}
    assert any(float(weight.abs().sum()) for name, weight in adapter.items() if ".lora_B" in name)


def test_an_adapter_opens_from_another_folder(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its base is named by an absolute path, however the recipe has it."""
    monkeypatch.chdir(base.parent)
    train(lora_recipe(Path(base.name), tmp_path), tmp_path / "run", until=1)
    monkeypatch.chdir(tmp_path)
    apart = CoconutModel.from_pretrained(tmp_path / "run" / "step-000001" / "adapter", device="cpu")
    assert apart.config.feedback == "projection"


def test_peft_itself_opens_the_adapter(base: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    train(lora_recipe(base, tmp_path), tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint"
    merged = CoconutModel.from_pretrained(checkpoint, device="cpu")
    plain = AutoModelForCausalLM.from_pretrained(base)
    plain.resize_token_embeddings(merged.base_lm.get_input_embeddings().weight.shape[0], mean_resizing=False)
    found = PeftModel.from_pretrained(plain, str(checkpoint / "adapter")).eval()
    ids = torch.tensor([merged.encode_prompt(QUESTION)])
    with torch.no_grad():
        expected = merged.base_lm(input_ids=ids).logits
        torch.testing.assert_close(found(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)


def test_a_run_with_lora_goes_on_as_if_nothing_had_been(base: Path, tmp_path: Path) -> None:
    recipe = lora_recipe(base, tmp_path)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", until=3)
    assert any("lora_A" in name for name, _ in trainer_for(recipe, tmp_path / "other").model.named_parameters())
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert reopen_model(trainer_for(recipe, tmp_path / "whole").folder).adapter is None  # a whole model again


def test_what_lora_cannot_be_had_for_is_one_line(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CoconutError, match=r"lora.rank needs model.base"):
        tiny_recipe(lora={"rank": 4})
    wrong = lora_recipe(base, tmp_path, lora={"rank": 4, "layers": ["c_attn", "q_prj"]})
    with pytest.raises(CoconutError, match=r"lora.layers: .* has no layer 'q_prj': it has c_attn, "):
        train(wrong, tmp_path / "no")
    monkeypatch.setattr("coconut_core.training.lora.find_spec", lambda name: None)
    recipe = lora_recipe(base, tmp_path)  # which can be read and listed all the same
    with pytest.raises(CoconutError, match=r"needs the package peft: pip install 'coconut-tui\[lora\]'"):
        train(recipe, tmp_path / "no")
