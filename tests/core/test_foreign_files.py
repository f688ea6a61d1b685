"""Opening what is no folder of weights: a GGUF file, and a LoRA adapter beside its base."""

import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from coconut_core.checkpoints import gguf_files
from coconut_core.coconut import CoconutModel
from coconut_core.latent.prompt import question_ids
from coconut_core.training.recipe import load_recipe
from coconut_core.training.start import build_model
from tests.core.ordinary_models import ordinary_folder
from tests.core.refusals import change_json, refusal
from tests.core.tiny_gguf import write_gguf
from tests.smollm2 import gguf_file as smollm2_file

TOKENS = 328  # rows of the file's vocabulary, behind which markers may have been added
QUESTION = "Ann has 30 nuts. How many?"


# -- GGUF --------------------------------------------------------------------------------------------------


def test_a_gguf_file_or_its_folder_opens_and_is_an_ordinary_model(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.Q8_0.gguf")
    model = CoconutModel.from_pretrained(file, device="cpu")
    assert model.name == str(file)
    assert not model.config.trained
    assert model.config.chat
    turns = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    assert turns in model.tokenizer.decode(model.encode_prompt(QUESTION))
    assert model.eos_ids == {model.tokenizer.convert_tokens_to_ids("<|im_end|>")}
    (tmp_path / "README.md").write_text("of llama.cpp")
    again = CoconutModel.from_pretrained(tmp_path, device="cpu", dtype="bfloat16")
    assert again.dtype == torch.bfloat16
    for one, other in zip(model.base_lm.parameters(), again.base_lm.parameters(), strict=True):
        torch.testing.assert_close(one[:TOKENS].bfloat16(), other[:TOKENS], rtol=0, atol=0)


def test_what_came_out_of_a_gguf_file_can_be_written_and_trained(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    model = CoconutModel.from_pretrained(file, device="cpu")
    model.save_pretrained(tmp_path / "folder")
    written = CoconutModel.from_pretrained(tmp_path / "folder", device="cpu")
    for one, other in zip(model.base_lm.parameters(), written.base_lm.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert written.encode_prompt(QUESTION) == model.encode_prompt(QUESTION)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    assert "quantization_config" not in plain.config.to_dict()
    trained = build_model(load_recipe("gsm8k-gpt2", [f"model.base={file}", "model.new_rows_from=a"]))
    ids = torch.tensor([trained.encode_prompt(QUESTION)])
    trained(ids, labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in trained.base_lm.parameters())


def test_folders_with_several_gguf_files_and_files_that_are_none(tmp_path: Path) -> None:
    for name in ("b.Q4_0.gguf", "a.Q8_0.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    message = refusal(lambda: CoconutModel.from_pretrained(tmp_path, device="cpu"))
    assert message == f"{tmp_path} has 2 GGUF files: give one of them, as {tmp_path / 'a.Q8_0.gguf'}"
    (tmp_path / "a.Q8_0.gguf").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert "is no GGUF file: copy or download it again" in refusal(
        lambda: CoconutModel.from_pretrained(tmp_path / "a.Q8_0.gguf")
    )
    (tmp_path / "a.Q8_0.gguf").write_bytes(b"GGUF\3\0\0\0")
    assert "a.Q8_0.gguf cannot be loaded: " in refusal(
        lambda: CoconutModel.from_pretrained(tmp_path / "a.Q8_0.gguf", device="cpu")
    )


def test_without_the_package_that_reads_it_a_gguf_file_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(gguf_files, "is_gguf_available", lambda: False)
    assert "not installed: pip install 'coconut-tui[gguf]'" in refusal(
        lambda: CoconutModel.from_pretrained(file, device="cpu")
    )


def test_a_gguf_file_that_does_not_fit_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    weights = sum(
        parameter.numel()
        for parameter in CoconutModel.from_pretrained(file, device="cpu", chat=False).base_lm.parameters()
    )
    added = 3 * 2 * 32  # rows of markers, which the file does not have
    for module in ("coconut_core.checkpoints.gguf_files", "coconut_core.checkpoints.placing"):
        monkeypatch.setattr(f"{module}.free_bytes", lambda device: 4 * (weights - added) - 1)
    assert "are free on cpu: use --dtype bfloat16 or --device-map auto" in refusal(
        lambda: CoconutModel.from_pretrained(file, device="cpu")
    )


@pytest.mark.slow
@pytest.mark.smollm2
def test_smollm2_opens_from_its_wheel(smollm2_folder: Path) -> None:
    model = CoconutModel.from_pretrained(smollm2_file(), device="cpu")
    with safe_open(smollm2_folder / "model.safetensors", "pt") as plain:
        for name, weight in model.base_lm.state_dict().items():
            if name in plain.keys():  # noqa: SIM118  # it is no mapping
                expected = plain.get_tensor(name)
                assert torch.equal(weight[: len(expected)], expected), name
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    assert question_ids(tokenizer, QUESTION, model.config) == model.encode_prompt(QUESTION)


# -- LoRA --------------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """tmp_path/adapter, trained beside tmp_path/base."""
    base = AutoModelForCausalLM.from_pretrained(ordinary_folder(tmp_path / "base"))
    settings = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, settings)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(str(tmp_path / "adapter"))
    change_json(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path="../base")
    return tmp_path / "adapter"


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(torch.arange(3, 20)[None]).logits[..., :259]
    return found


def test_an_adapter_opens_with_its_base_merged(adapter: Path) -> None:
    model = CoconutModel.from_pretrained(adapter, device="cpu")
    assert model.name == str(adapter)
    base = AutoModelForCausalLM.from_pretrained(adapter.parent / "base")
    expected = logits(peft.PeftModel.from_pretrained(base, adapter))
    assert not torch.allclose(
        expected, logits(CoconutModel.from_pretrained(adapter.parent / "base", device="cpu").base_lm), atol=0.1
    )
    torch.testing.assert_close(logits(model.base_lm), expected, rtol=1e-4, atol=1e-4)
    model.save_pretrained(adapter.parent / "whole")
    torch.testing.assert_close(
        logits(CoconutModel.from_pretrained(adapter.parent / "whole", device="cpu").base_lm),
        logits(model.base_lm),
    )


def test_an_adapter_beside_a_checkpoint_keeps_what_that_says(adapter: Path) -> None:
    CoconutModel.from_pretrained(adapter.parent / "base", device="cpu").save_pretrained(adapter.parent / "base")
    change_json(adapter.parent / "base" / "coconut.json", thoughts=2, trained=True)
    shutil.rmtree(adapter)
    base = AutoModelForCausalLM.from_pretrained(adapter.parent / "base")
    peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"])).save_pretrained(str(adapter))
    config = CoconutModel.from_pretrained(
        adapter, device="cpu"
    ).config  # which its adapter_config.json names by its whole path
    assert (config.thoughts, config.trained) == (2, True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"base_model_name_or_path": "gone/away/base"},
            "beside gone/away/base, which is not there",
        ),
        ({"base_model_name_or_path": None}, "does not say what it was trained beside"),
        ({"peft_type": "IA3"}, "an adapter of the kind IA3: merge it into its base first"),
        ({"target_modules": ["q_proj"]}, "does not fit"),
        ({"target_modules": ["q_proj", "down_proj", "up_proj"]}, "does not fit"),
        ({"target_modules": ["nothing"]}, "does not fit"),
        ({"r": 3}, "does not fit"),
    ],
)
def test_adapters_that_cannot_be_opened(adapter: Path, changed: dict[str, Any], said: str) -> None:
    change_json(adapter / "adapter_config.json", **changed)
    assert said in refusal(lambda: CoconutModel.from_pretrained(adapter, device="cpu"))


def test_damaged_and_pickled_adapters(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.rename(adapter / "adapter_model.bin")
    assert "pickled weights are not loaded" in refusal(
        lambda: CoconutModel.from_pretrained(adapter, device="cpu")
    )
    weights.write_bytes(b"0" * 99)
    assert "does not fit" in refusal(lambda: CoconutModel.from_pretrained(adapter, device="cpu"))
    (adapter / "adapter_config.json").write_text("{")
    assert "adapter_config.json cannot be read" in refusal(
        lambda: CoconutModel.from_pretrained(adapter, device="cpu")
    )


def test_without_peft_an_adapter_says_how_to_get_it(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coconut_core.checkpoints.lora_adapters.is_peft_available", lambda: False)
    assert "needs the package peft: pip install 'coconut-tui[lora]'" in refusal(
        lambda: CoconutModel.from_pretrained(adapter)
    )
