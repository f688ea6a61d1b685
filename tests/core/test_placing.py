"""Where weights go: shards, devices, the disk; what does not fit is said before anything is read."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from coconut_core.checkpoints import placing
from coconut_core.checkpoints.placing import check_room, free_bytes, read_device_map, weight_bytes, weight_files
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.session import Session
from tests.core.refusals import change_json, refusal
from tests.core.session_operations import assert_same_run
from tests.core.tiny_models import QUESTIONS, tiny_model

CPU = torch.device("cpu")


@pytest.fixture
def llama() -> CoconutModel:
    """The model of saved_folder, in the number format in which it lies there."""
    return tiny_model("llama")


@pytest.fixture
def sharded(llama: CoconutModel, tmp_path: Path) -> Path:
    """A checkpoint in several files."""
    llama.save_pretrained(tmp_path / "sharded")
    (tmp_path / "sharded" / "model.safetensors").unlink()
    llama.base_lm.save_pretrained(tmp_path / "sharded", max_shard_size="40KB")
    assert len(weight_files(tmp_path / "sharded")) > 2
    return tmp_path / "sharded"


def assert_same_words(one: CoconutModel, other: CoconutModel) -> None:
    said = one.generate(list(QUESTIONS), max_new_tokens=6)
    assert other.generate(list(QUESTIONS), max_new_tokens=6) == said


# -- shards ------------------------------------------------------------------------------------------------


def test_a_checkpoint_in_shards_is_the_same_model(llama: CoconutModel, sharded: Path) -> None:
    loaded = CoconutModel.from_pretrained(sharded, device="cpu")
    for (name, one), (_, other) in zip(llama.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert_same_words(llama, loaded)


def test_a_missing_shard_is_named(sharded: Path) -> None:
    first, second, *_ = weight_files(sharded)
    second.unlink()
    assert f"has no {second.name}, which model.safetensors.index.json names" in refusal(
        lambda: CoconutModel.from_pretrained(sharded)
    )
    first.unlink()
    assert f"has no {first.name} and 1 more" in refusal(lambda: CoconutModel.from_pretrained(sharded))


def test_a_truncated_shard_is_named(sharded: Path) -> None:
    shard = weight_files(sharded)[1]
    shard.write_bytes(shard.read_bytes()[:-5])
    assert f"{shard.name} is truncated or corrupted" in refusal(lambda: CoconutModel.from_pretrained(sharded))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}'])
def test_a_damaged_index(sharded: Path, content: str) -> None:
    (sharded / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    assert "model.safetensors.index.json cannot be read" in refusal(
        lambda: CoconutModel.from_pretrained(sharded)
    )


def test_a_shard_outside_the_folder_is_not_read(sharded: Path) -> None:
    moved = weight_files(sharded)[0]
    index = sharded / "model.safetensors.index.json"
    record = json.loads(index.read_text(encoding="utf-8"))
    elsewhere = {
        tensor: name.replace(moved.name, f"../{moved.name}") for tensor, name in record["weight_map"].items()
    }
    change_json(index, weight_map=elsewhere)
    moved.rename(sharded.parent / moved.name)
    assert f"names the file '../{moved.name}' outside its folder" in refusal(
        lambda: CoconutModel.from_pretrained(sharded)
    )


# -- room --------------------------------------------------------------------------------------------------


def test_the_need_is_that_of_the_weights_in_the_format_asked_for(saved_folder: Path, sharded: Path) -> None:
    parameters = sum(tensor.numel() for tensor in load_file(saved_folder / "model.safetensors").values())
    for folder in (saved_folder, sharded):
        files = weight_files(folder)
        assert weight_bytes(files, None) == weight_bytes(files, torch.float32) == 4 * parameters
        assert weight_bytes(files, torch.bfloat16) == 2 * parameters


def test_whole_numbers_keep_their_size(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"codes": torch.zeros(10, dtype=torch.int8), "scale": torch.zeros(3, dtype=torch.float16)}, path)
    assert weight_bytes([path], torch.float32) == 10 + 3 * 4
    assert weight_bytes([path], None) == 10 + 3 * 2


@pytest.mark.parametrize(
    ("options", "device", "needed", "ways"),
    [
        ({}, "cuda:0", 4, "use --device cpu, --dtype bfloat16 or --device-map auto"),
        ({}, "cpu", 4, "use --dtype bfloat16 or --device-map auto"),
        ({"dtype": torch.bfloat16}, "cuda:0", 2, "use --device cpu or --device-map auto"),
        ({"dtype": torch.bfloat16}, "cpu", 2, "use --device-map auto"),
    ],
)
def test_what_does_not_fit_says_how_much_is_missing(
    saved_folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict, device: str, needed: int, ways: str
) -> None:
    size = needed * weight_bytes(weight_files(saved_folder), torch.int8)
    monkeypatch.setattr(placing, "free_bytes", lambda device: size - 1)
    message = refusal(lambda: check_room(saved_folder, options.get("dtype", "auto"), torch.device(device)))
    needs, free = f"{size / 1e9:.3g} GB for its weights", f"{(size - 1) / 1e9:.3g} GB are free on {device}"
    assert message == f"{saved_folder} needs {needs}, {free}: {ways}"
    monkeypatch.setattr(placing, "free_bytes", lambda device: size)
    check_room(saved_folder, options.get("dtype", "auto"), torch.device(device))


def test_a_model_that_does_not_fit_is_not_read(saved_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "free_bytes", lambda device: 0)
    monkeypatch.setattr(
        "coconut_core.checkpoints.loading._load_base", lambda *_: pytest.fail("weights were read")
    )
    assert "GB are free on cpu" in refusal(lambda: CoconutModel.from_pretrained(saved_folder, device="cpu"))


def test_a_hub_id_counts_once_it_was_downloaded(
    saved_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(placing, "free_bytes", lambda device: 0)
    check_room("some-owner/some-model", "auto", CPU)
    cached = tmp_path / "models--some-owner--some-model"
    shutil.copytree(saved_folder, cached / "snapshots" / "1234")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("1234", encoding="utf-8")
    assert "some-owner/some-model needs" in refusal(lambda: check_room("some-owner/some-model", "auto", CPU))


def test_the_format_that_the_configuration_names_is_the_one_that_counts(
    saved_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CoconutModel.from_pretrained(saved_folder, device="cpu", dtype="bfloat16")
    model.save_pretrained(tmp_path)
    change_json(tmp_path / "config.json", dtype="float32")
    size = 2 * weight_bytes(weight_files(tmp_path), None)
    monkeypatch.setattr(placing, "free_bytes", lambda device: size - 1)
    assert CoconutModel.from_pretrained(tmp_path, device="cpu", dtype="bfloat16").dtype == torch.bfloat16
    assert f"needs {size / 1e9:.3g} GB" in refusal(lambda: CoconutModel.from_pretrained(tmp_path, device="cpu"))
    change_json(tmp_path / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    check_room(tmp_path, torch.float32, CPU)  # quantised weights stay as they are


def test_free_memory_is_that_of_the_machine() -> None:
    assert 0 < free_bytes(CPU) <= psutil.virtual_memory().total


# -- placing -----------------------------------------------------------------------------------------------

ON_DISK = {
    "model.embed_tokens": "cpu",
    "model.layers.0": "cpu",
    "model.layers.1": "disk",
    "model.norm": "disk",
    "model.rotary_emb": "cpu",
    "lm_head": "disk",
}


@pytest.mark.parametrize("chosen", ["auto", "sequential", '{"": "cpu"}', json.dumps(ON_DISK), '{"": "disk"}'])
def test_a_device_map_changes_no_number(llama: CoconutModel, saved_folder: Path, chosen: str) -> None:
    model = CoconutModel.from_pretrained(saved_folder, device_map=chosen)
    assert model.device == CPU
    assert any(parameter.is_meta for parameter in model.parameters()) == ("disk" in chosen)
    assert_same_words(llama, model)
    one, other = (Session(each, QUESTIONS[0], max_new_tokens=4) for each in (llama, model))
    one.finish()
    other.finish()
    assert one.steps[0].readout.nearest(3) == other.steps[0].readout.nearest(3)
    other.rewind(1)
    other.finish()
    assert_same_run(one, other)


@pytest.mark.parametrize("chosen", ["disk", "", "cpu", "[]", "{}", "3", "{"])
def test_an_impossible_device_map_is_refused(saved_folder: Path, chosen: str) -> None:
    message = refusal(lambda: CoconutModel.from_pretrained(saved_folder, device_map=chosen))
    assert f"device-map '{chosen}' must be auto, balanced" in message


def test_a_device_map_with_a_device_or_of_unknown_devices_is_refused(saved_folder: Path) -> None:
    with pytest.raises(CoconutError, match="give --device or --device-map, not both"):
        CoconutModel.from_pretrained(saved_folder, device="cpu", device_map="auto")
    assert "cannot be loaded" in refusal(
        lambda: CoconutModel.from_pretrained(saved_folder, device_map='{"": "the moon"}')
    )
    assert read_device_map('{"": "the moon"}') == {"": "the moon"}


@pytest.mark.parametrize(
    ("method", "library"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "hqq"}, "hqq"),
    ],
)
def test_a_quantised_model_whose_library_is_not_installed_names_it(
    llama: CoconutModel, tmp_path: Path, method: dict, library: str
) -> None:
    if find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    llama.save_pretrained(tmp_path)
    change_json(tmp_path / "config.json", quantization_config=method)
    message = refusal(lambda: CoconutModel.from_pretrained(tmp_path, device="cpu"))
    assert "needs a library that is not installed" in message
    assert library in message.lower()


def test_weights_are_mapped_and_not_copied(tmp_path: Path) -> None:
    """Memory of this process alone grows by none of the weights, or once by those whose format changes."""
    model = tiny_model("llama")
    model.base_lm.resize_token_embeddings(200_000, mean_resizing=False)
    model.save_pretrained(tmp_path)
    size = weight_bytes(weight_files(tmp_path), None)
    assert size > 50e6
    del model
    for dtype, share in (("auto", 0.1), ("bfloat16", 0.6)):
        before = psutil.Process().memory_full_info().uss
        loaded = CoconutModel.from_pretrained(tmp_path, device="cpu", dtype=dtype)
        assert psutil.Process().memory_full_info().uss - before < share * size
        del loaded
