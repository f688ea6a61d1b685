"""Opening checkpoints: what was saved comes back; whatever is wrong is told in one line."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from coconut_core.checkpoints.loading import choose_device, choose_dtype
from coconut_core.coconut import CoconutModel
from coconut_core.latent.config import CoconutConfig
from coconut_core.runs.generate import generate
from coconut_core.runs.session import Session
from tests.core.ending_models import ending_model
from tests.core.refusals import change_json, refusal
from tests.core.tiny_models import QUESTIONS, tiny_model


@pytest.fixture
def folder(saved_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint folder to damage."""
    return Path(shutil.copytree(saved_folder, tmp_path / "checkpoint"))


# -- good folders ------------------------------------------------------------------------------------------


def test_a_saved_model_comes_back_the_same(model: CoconutModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "saved")
    loaded = CoconutModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert loaded.config == model.config
    assert loaded.eos_ids == model.eos_ids
    assert loaded.name == str(tmp_path / "saved")
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    one, other = Session(model, QUESTIONS[0], max_new_tokens=4), Session(loaded, QUESTIONS[0], max_new_tokens=4)
    assert one.finish() == other.finish()
    for first, second in zip(one.steps, other.steps, strict=True):
        torch.testing.assert_close(first.state, second.state, rtol=0, atol=1e-5)


def test_number_formats(folder: Path) -> None:
    assert CoconutModel.from_pretrained(folder, device="cpu").dtype == torch.float32
    model = CoconutModel.from_pretrained(folder, device="cpu", dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    session = Session(model, QUESTIONS[0], max_new_tokens=4)
    session.finish()
    assert session.steps[0].readout.logits.dtype == torch.float32
    assert len(model.generate(list(QUESTIONS), max_new_tokens=4)) == len(QUESTIONS)


def test_an_ordinary_model_gets_markers_of_its_own(folder: Path) -> None:
    (folder / "coconut.json").unlink()
    model = CoconutModel.from_pretrained(folder, device="cpu", feedback="mixture")
    assert not model.config.trained
    assert model.config.feedback == "mixture"
    names = ["<|start-latent|>", "<|end-latent|>", "<|latent|>"]
    ids = [model.config.bot_id, model.config.eot_id, model.config.latent_id]
    assert model.tokenizer.convert_ids_to_tokens(ids) == names
    session = Session(model, QUESTIONS[0], thoughts=2, max_new_tokens=3)
    session.finish()
    assert len(session.thought_steps()) == 2


# -- folders that are none ---------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no folder" in refusal(lambda: CoconutModel.from_pretrained(tmp_path / "missing"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("missing", "./missing", "models/missing", "a/b/c"):
        message = refusal(lambda name=name: CoconutModel.from_pretrained(name))  # type: ignore[misc]
        assert "there is no folder" in message
        assert "hub id" in message


def test_a_hub_id_that_is_not_at_hand() -> None:
    message = refusal(lambda: CoconutModel.from_pretrained("no-such-owner/no-such-model"))
    assert "no-such-owner/no-such-model" in message


def test_a_file_instead_of_a_folder(folder: Path) -> None:
    assert "is a file: give the folder" in refusal(
        lambda: CoconutModel.from_pretrained(folder / "model.safetensors")
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "not a model: it has no config.json" in refusal(lambda: CoconutModel.from_pretrained(tmp_path))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"name": "my project"}', encoding="utf-8")
    assert "no *.safetensors" in refusal(lambda: CoconutModel.from_pretrained(tmp_path))


@pytest.mark.parametrize("content", ["", "not json", "[1, 2]", "{", b"\xff\xfe"])
def test_a_config_that_is_no_json_object(folder: Path, content: str | bytes) -> None:
    (folder / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "config.json cannot be read" in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize(
    "changes", [{"model_type": "no-such-type"}, {"model_type": "bert"}, {"hidden_size": "wide"}]
)
def test_a_config_of_no_causal_language_model(folder: Path, changes: dict[str, Any]) -> None:
    change_json(folder / "config.json", **changes)
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    assert "cannot be loaded" in message or "incomplete" in message


# -- damaged weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1000, -1])
def test_truncated_weights(folder: Path, keep: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "truncated or corrupted" in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize("kind", ["length", "text", "huge length"])
def test_a_corrupted_header(folder: Path, kind: str) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    if kind == "length":
        content[0] ^= 0x55
    elif kind == "text":
        content[8:40] = b"\x00" * 32
    else:
        content[:8] = struct.pack("<Q", 2**62)
    weights.write_bytes(bytes(content))
    assert "truncated or corrupted" in refusal(lambda: CoconutModel.from_pretrained(folder))


def test_missing_tensors_are_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    missing = next(name for name in tensors if "layers.1.self_attn.q_proj.weight" in name)
    del tensors[missing]
    save_file(tensors, weights, metadata={"format": "pt"})
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    assert "incomplete" in message
    assert missing in message


def test_a_tensor_of_another_shape(folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if "layers.1.self_attn.q_proj.weight" in name)
    tensors[name] = tensors[name][:, :16].contiguous()
    save_file(tensors, weights, metadata={"format": "pt"})
    refusal(lambda: CoconutModel.from_pretrained(folder))


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickled weights are not loaded" in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_a_damaged_tokenizer(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    assert "tokenizer" in refusal(lambda: CoconutModel.from_pretrained(folder))


def test_no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    assert "tokenizer" in refusal(lambda: CoconutModel.from_pretrained(folder))


# -- coconut.json ------------------------------------------------------------------------------------------


def test_a_newer_coconut_json(folder: Path) -> None:
    change_json(folder / "coconut.json", format_version=99)
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    assert "version 99" in message
    assert "upgrade" in message


@pytest.mark.parametrize("content", ["", "not json", "[]", "3", '{"bot_id": 3', b"\xff\xfe", "[" * 100_000])
def test_a_coconut_json_that_is_no_object(folder: Path, content: str | bytes) -> None:
    (folder / "coconut.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "coconut.json" in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bot_id", "3", "a whole number or null, not a text"),
        ("eot_id", [4], "a whole number or null, not a list"),
        ("latent_id", 5.0, "a whole number, not a number"),
        ("bot_id", True, "a whole number or null, not a boolean"),
        ("thoughts", "six", "a whole number, not a text"),
        ("thoughts", 2.5, "a whole number, not a number"),
        ("feedback", 1, "a text, not a whole number"),
        ("trained", "yes", "true or false, not a text"),
        ("trained", 1, "true or false, not a whole number"),
        ("stage", "last", "a whole number or null, not a text"),
        ("answer_prefix", None, "a text, not null"),
        ("family", 3, "a text or null, not a whole number"),
        ("recipe", [], "an object, not a list"),
        ("data", "prosqa", "an object, not a text"),
        ("ending", None, "a text, not null"),
        ("ending_threshold", "half", "a number or null, not a text"),
        ("ending_threshold", True, "a number or null, not a boolean"),
        ("ending_window", 2.0, "a whole number, not a number"),
    ],
)
def test_entries_of_the_wrong_type_are_named(folder: Path, name: str, value: Any, words: str) -> None:
    change_json(folder / "coconut.json", **{name: value})
    path = folder / "coconut.json"
    assert (
        refusal(lambda: CoconutModel.from_pretrained(folder)) == f"{path}: the entry '{name}' must be {words}"
    )


def test_an_unknown_entry_is_named(folder: Path) -> None:
    change_json(folder / "coconut.json", temprature=3)
    assert "'temprature'" in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize("name", ["bot_id", "eot_id", "latent_id", "format_version"])
def test_a_lacking_entry_is_named(folder: Path, name: str) -> None:
    record = json.loads((folder / "coconut.json").read_text(encoding="utf-8"))
    del record[name]
    (folder / "coconut.json").write_text(json.dumps(record), encoding="utf-8")
    assert name in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize("name", ["bot_id", "eot_id", "latent_id"])
@pytest.mark.parametrize("number", [-1, 80, 50257])
def test_markers_outside_the_vocabulary(folder: Path, name: str, number: int) -> None:
    change_json(folder / "coconut.json", **{name: number})
    message = refusal(lambda: CoconutModel.from_pretrained(folder))
    assert f"{name} {number} is outside the vocabulary of 80 tokens" in message


def test_other_impossible_entries(folder: Path) -> None:
    change_json(folder / "coconut.json", thoughts=-1)
    assert "the entry 'thoughts' must be 0 or more, not -1" in refusal(
        lambda: CoconutModel.from_pretrained(folder)
    )
    change_json(folder / "coconut.json", thoughts=3, feedback="telepathy")
    assert "unknown feedback 'telepathy': choose one of hidden, normed, mixture, linear" in refusal(
        lambda: CoconutModel.from_pretrained(folder)
    )


def test_another_feedback_than_the_trained_one(folder: Path) -> None:
    assert "trained with feedback 'hidden'" in refusal(
        lambda: CoconutModel.from_pretrained(folder, feedback="mixture")
    )


def test_a_configuration_survives_saving(tmp_path: Path) -> None:
    config = CoconutConfig(
        bot_id=3, eot_id=4, latent_id=5, thoughts=2, feedback="mixture", trained=False, stage=4,
        answer_prefix="####", family="prosqa", recipe={"seed": 1}, data={"count": 3},
    )  # fmt: skip
    config.save(tmp_path)
    assert CoconutConfig.load(tmp_path) == config
    assert CoconutConfig.load(tmp_path / "missing") is None
    assert config.with_thoughts(None) is config
    assert config.with_thoughts(7).thoughts == 7
    assert "thoughts must be 0 or more, not -1" in refusal(lambda: config.with_thoughts(-1))


# -- how thinking ends, and pause tokens --------------------------------------------------------------------


@pytest.fixture
def halting_folder(tmp_path: Path) -> Path:
    """A checkpoint folder with a halting head, to damage."""
    ending_model("llama", "halting").save_pretrained(tmp_path / "halting")
    return tmp_path / "halting"


@pytest.mark.parametrize("ending", ["halting", "entropy", "stable"])
def test_a_rule_survives_saving(tmp_path: Path, ending: str) -> None:
    model = ending_model("qwen2", ending, window=3)
    model.save_pretrained(tmp_path)
    loaded = CoconutModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.config == model.config
    assert (tmp_path / "coconut.safetensors").exists() == (ending == "halting")
    if loaded.halting is not None:
        assert torch.equal(loaded.halting.linear.weight, model.halting.linear.weight)
        assert torch.equal(loaded.halting.linear.bias, model.halting.linear.bias)
        assert not loaded.halting.training
    assert generate(loaded, QUESTIONS, max_new_tokens=4) == generate(model, QUESTIONS, max_new_tokens=4)
    assert CoconutModel.from_pretrained(tmp_path, device="cpu", dtype="bfloat16").generate(
        list(QUESTIONS), max_new_tokens=2
    )


def test_a_fixed_number_leaves_no_trace_that_older_readers_refuse(folder: Path, halting_folder: Path) -> None:
    record = json.loads((folder / "coconut.json").read_text(encoding="utf-8"))
    assert not any(name.startswith("ending") for name in record)
    CoconutModel.from_pretrained(folder, device="cpu").save_pretrained(halting_folder)  # over one with a head
    assert not (halting_folder / "coconut.safetensors").exists()
    assert CoconutModel.from_pretrained(halting_folder, device="cpu").halting is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ending": "boredom"}, "coconut.json: unknown ending 'boredom'"),
        ({"ending": "entropy"}, "coconut.json: ending 'entropy' needs an ending_threshold above 0"),
        ({"ending": "halting", "ending_threshold": 2}, "ending_threshold above 0 and at most 1, not 2"),
        ({"ending": "stable", "ending_threshold": float("nan")}, "above 0 and at most 1, not nan"),
        ({"ending_window": 0}, "coconut.json: ending_window must be 2 or more, not 0"),
        ({"ending": "halting", "ending_threshold": 0.5}, "has no coconut.safetensors"),
    ],
)
def test_impossible_endings(folder: Path, changes: dict[str, Any], said: str) -> None:
    change_json(folder / "coconut.json", **changes)
    assert said in refusal(lambda: CoconutModel.from_pretrained(folder))


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_halting_head(halting_folder: Path, keep: int) -> None:
    weights = halting_folder / "coconut.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    message = refusal(lambda: CoconutModel.from_pretrained(halting_folder))
    assert "coconut.safetensors is truncated or corrupted" in message


@pytest.mark.parametrize("kind", ["wider", "without bias", "another name"])
def test_a_halting_head_of_another_model(halting_folder: Path, kind: str) -> None:
    weights = halting_folder / "coconut.safetensors"
    tensors = load_file(weights)
    if kind == "wider":
        tensors["halting.linear.weight"] = torch.zeros(1, 64)
    elif kind == "without bias":
        del tensors["halting.linear.bias"]
    else:
        tensors["head.weight"] = tensors.pop("halting.linear.weight")
    save_file(tensors, weights)
    message = refusal(lambda: CoconutModel.from_pretrained(halting_folder))
    assert "is not this model's halting head: it must hold" in message
    assert "halting.linear.weight [1, 32]" in message


def test_a_halting_head_alone_is_no_model(halting_folder: Path) -> None:
    (halting_folder / "model.safetensors").unlink()
    assert "no *.safetensors weights" in refusal(lambda: CoconutModel.from_pretrained(halting_folder))


def test_pause_tokens_survive_saving(tmp_path: Path) -> None:
    model = tiny_model("gpt2", feedback="pause")
    with torch.no_grad():
        model.base_lm.get_input_embeddings().weight[model.config.latent_id] += 1
    model.save_pretrained(tmp_path)
    loaded = CoconutModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.config.feedback == "pause"
    fed = loaded.feedback(torch.zeros(2, 32))
    assert torch.equal(fed[1], model.base_lm.get_input_embeddings().weight[model.config.latent_id])
    assert generate(loaded, QUESTIONS, max_new_tokens=4) == generate(model, QUESTIONS, max_new_tokens=4)


# -- device and number format ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "meta", "cpu:x"])
def test_no_such_device(saved_folder: Path, name: str) -> None:
    message = refusal(lambda: CoconutModel.from_pretrained(saved_folder, device=name))
    assert f"device '{name}'" in message
    assert "use auto, cpu or cuda" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none() -> None:
    assert "there is no device 'cuda' here" in refusal(lambda: choose_device("cuda"))
    assert choose_device("auto").type in ("cpu", "mps")


@pytest.mark.parametrize("name", ["float8", "int8", "", "torch.float32"])
def test_unknown_dtype(saved_folder: Path, name: str) -> None:
    assert f"unknown dtype '{name}'" in refusal(lambda: CoconutModel.from_pretrained(saved_folder, dtype=name))
    assert choose_dtype("auto") == "auto"


def test_an_unknown_token_that_is_unknown_itself(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"unk_token": ""}))
    assert (
        refusal(lambda: CoconutModel.from_pretrained(folder))
        == f"{folder}: the tokenizer's unk_token is not in its vocabulary"
    )
