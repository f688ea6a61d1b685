"""Files that somebody else wrote: tensors come back, code never runs, what is wrong is told in one line."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from coconut_core.checkpoints.weights import check_index, read_weights
from coconut_core.common.errors import CoconutError
from tests.core.refusals import RunsCode


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "a.weight": torch.randn(4, 3, generator=generator),
        "a.bias": torch.randn(4, generator=generator).bfloat16(),
        "steps": torch.tensor(7),
    }


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def refusal(path: Path, **options: Any) -> str:
    """The message of the CoconutError; one line that names the file or folder."""
    with pytest.raises(CoconutError) as caught:
        read_weights(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


# -- what is read ------------------------------------------------------------------------------------------


def test_a_state_dict(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(OrderedDict(tensors), tmp_path / "checkpoint_1")
    assert_same(read_weights(tmp_path / "checkpoint_1"), tensors)


def test_a_file_of_torch_before_1_6(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert_same(read_weights(tmp_path / "old.bin"), tensors)


@pytest.mark.parametrize("name", ["model", "state_dict", "model_state_dict", "module"])
def test_a_state_dict_among_other_things(tensors: dict[str, Tensor], tmp_path: Path, name: str) -> None:
    torch.save({name: tensors, "epoch": 3, "optimizer": {"state": {}}}, tmp_path / "training.pt")
    assert_same(read_weights(tmp_path / "training.pt"), tensors)


def test_safetensors_with_any_name(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "weights")
    assert_same(dict(sorted(read_weights(tmp_path / "weights").items())), dict(sorted(tensors.items())))


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_folder_of_one_file_or_of_shards(tensors: dict[str, Tensor], tmp_path: Path, kind: str) -> None:
    stem = "model" if kind == "safetensors" else "pytorch_model"
    save: Callable[[dict[str, Tensor], Path], None] = save_file if kind == "safetensors" else torch.save
    (tmp_path / "one").mkdir()
    save(tensors, tmp_path / "one" / f"{stem}.{kind}")
    assert_same(dict(sorted(read_weights(tmp_path / "one").items())), dict(sorted(tensors.items())))
    shards = {name: f"{stem}-{number}-of-3.{kind}" for number, name in enumerate(tensors)}
    for name, shard in shards.items():
        save({name: tensors[name]}, tmp_path / shard)
    (tmp_path / f"{stem}.{kind}.index.json").write_text(json.dumps({"weight_map": shards}))
    assert_same(read_weights(tmp_path), tensors)
    (tmp_path / f"{stem}-1-of-3.{kind}").unlink()
    assert f"lacks 1 of 3 shards, the first is {stem}-1-of-3.{kind}" in refusal(tmp_path)


@pytest.mark.parametrize(
    "wrapped",
    [
        "_fsdp_wrapped_module.{}",
        "module.{}",
        "module._fsdp_wrapped_module._orig_mod.{}",
        "_fsdp_wrapped_module._fpw_module.{}",
        "_checkpoint_wrapped_module.{}",
    ],
)
def test_prefixes_of_wrappers_are_taken_away(tensors: dict[str, Tensor], tmp_path: Path, wrapped: str) -> None:
    torch.save({wrapped.format(name): tensor for name, tensor in tensors.items()}, tmp_path / "fsdp")
    assert_same(read_weights(tmp_path / "fsdp"), tensors)


def test_prefixes_within_a_name_and_modules_of_that_name(tmp_path: Path) -> None:
    names = ("_fsdp_wrapped_module.h.0._fsdp_wrapped_module.module.weight", "module.embedding.weight")
    torch.save({name: torch.zeros(1) for name in names}, tmp_path / "fsdp")
    assert list(read_weights(tmp_path / "fsdp")) == ["h.0.module.weight", "embedding.weight"]


# -- what is not -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", ["bare", "in a state dict", "beside one", "as a name"])
@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_torch_file_is_refused(tmp_path: Path, wrap: str, new_format: bool) -> None:
    marker, path = tmp_path / "was-run", tmp_path / "checkpoint_1"
    evil = RunsCode(marker)
    content: dict[str, Any] = {
        "bare": evil,
        "in a state dict": OrderedDict(weight=torch.zeros(2), other=evil),
        "beside one": {"model": {"weight": torch.zeros(2)}, "args": evil},
        "as a name": {evil: torch.zeros(2)},
    }
    torch.save(content[wrap], path, _use_new_zipfile_serialization=new_format)
    message = refusal(path)
    assert not marker.exists()
    assert "asks to run posix.system" in message


@pytest.mark.parametrize("name", ["checkpoint_1", "model.bin", "model.npy", "weights.npz", "x.safetensors"])
def test_code_in_a_pickle_or_a_numpy_file_is_refused(tmp_path: Path, name: str) -> None:
    marker, path = tmp_path / "was-run", tmp_path / name
    array = np.array([RunsCode(marker)], dtype=object)
    if name.endswith("npy"):
        np.save(path, array, allow_pickle=True)
    elif name.endswith("npz"):
        np.savez(path, array)
    else:
        path.write_bytes(pickle.dumps(RunsCode(marker)))
    refusal(path)
    assert not marker.exists()


def test_code_in_a_shard_is_refused(tmp_path: Path) -> None:
    torch.save(RunsCode(tmp_path / "was-run"), tmp_path / "pytorch_model.bin")
    with pytest.raises(CoconutError, match=r"asks to run posix\.system"):
        read_weights(tmp_path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("kind", ["torch", "old torch", "safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 3, 9, 60, 200, -900, -30, -1])
def test_truncated_files(tensors: dict[str, Tensor], tmp_path: Path, kind: str, keep: int) -> None:
    path = tmp_path / ("model.safetensors" if kind == "safetensors" else "checkpoint_1")
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "torch")
    path.write_bytes(path.read_bytes()[:keep])
    message = refusal(path)
    assert "truncated or corrupted" in message or "neither a file of torch.save nor safetensors" in message


def archive(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def parts_of(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """The entries of the archive that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    with zipfile.ZipFile(buffer) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_what_torch_writes_is_an_archive_that_is_read(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    assert_same(read_weights(archive(tmp_path / "ours", parts_of(tensors))), tensors)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "archive/../../evil", "C:/evil", "archive\\..\\evil"])
def test_an_archive_with_a_path_out_of_it(tensors: dict[str, Tensor], tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "checkpoint_1", parts_of(tensors) | {name: b"evil"})
    assert "is an archive with the path" in refusal(path)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint_1"]


def test_archives_that_torch_does_not_write(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    parts = parts_of(tensors)
    assert "compressed archive" in refusal(archive(tmp_path / "bomb", parts, zipfile.ZIP_DEFLATED))
    assert "no data.pkl" in refusal(archive(tmp_path / "office", {"word/document.xml": b"<xml/>"}))
    assert "not one that torch.save writes" in refusal(
        archive(tmp_path / "more", parts | {"other/data.pkl": b""})
    )
    big = {name: bytes(65 * 2**20) if name.endswith("data.pkl") else part for name, part in parts.items()}
    assert "of names and shapes alone" in refusal(archive(tmp_path / "names", big))


def test_a_storage_that_is_shorter_than_its_tensors_say(tmp_path: Path) -> None:
    parts = parts_of({"weight": torch.zeros(1000)})
    short = {name: part[:400] if name.endswith("data/0") else part for name, part in parts.items()}
    refusal(archive(tmp_path / "checkpoint_1", short))


def test_too_large(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "checkpoint_1")
    message = refusal(tmp_path / "checkpoint_1", max_gigabytes=4e-6)
    assert "more than the 4e-06 GB that are read" in message
    assert "--max-gigabytes" in message
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(65 * 10**9)
    assert "has 65.0 GB, more than the 64 GB" in refusal(tmp_path / "sparse")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(2)], "no state dict but a list"),
        (torch.zeros(2), "no state dict but a Tensor"),
        ({}, "an empty dictionary"),
        ({"epoch": 3, "lr": 0.1}, "'epoch' is a int, not a tensor"),
        ({"weight": torch.zeros(2), 5: torch.zeros(2)}, "a tensor has the int 5 for a name"),
        ({"weight": torch.zeros(2).to_sparse()}, "the tensor weight is sparse"),
        ({"model": {"a": torch.zeros(1)}, "state_dict": {"b": torch.zeros(1)}}, "a dictionary of a"),
        ({"_fsdp_wrapped_module._flat_param": torch.zeros(2)}, "FSDP's flattened pieces"),
        ({"a.weight": torch.zeros(1), "module.a.weight": torch.zeros(1)}, "holds a.weight twice"),
    ],
)
def test_files_of_torch_that_hold_something_else(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "checkpoint_1")
    assert said in refusal(tmp_path / "checkpoint_1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GGUF\x03\0\0\0" + bytes(64), "a GGUF file"),
        (b"\x1f\x8b\x08" + bytes(64), "compressed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS pointer"),
        (b"hello, I am a text of some length", "neither a file of torch.save nor safetensors"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "checkpoint_1").write_bytes(content)
    assert said in refusal(tmp_path / "checkpoint_1")


def test_folders_without_weights(tmp_path: Path) -> None:
    assert "there is no checkpoint" in refusal(tmp_path / "missing")
    assert "give the file that holds the weights" in refusal(tmp_path)
    (tmp_path / "checkpoint_33").write_bytes(b"")
    assert "it holds checkpoint_33: name one of them" in refusal(tmp_path)
    (tmp_path / ".metadata").write_bytes(pickle.dumps(RunsCode(tmp_path / "was-run")))
    assert "dcp_to_torch" in refusal(tmp_path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a\\b", "C:x", "..", ""])
def test_an_index_that_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"weight": name}}))
    assert "outside its folder: it is not opened" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": {"a": 1}}', "[" * 100_000])
def test_a_damaged_index(tmp_path: Path, content: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(content)
    with pytest.raises(CoconutError, match="cannot be read"):
        check_index(index)


def test_one_tensor_in_two_shards(tmp_path: Path) -> None:
    for name in ("a", "b"):
        torch.save({"weight": torch.zeros(1)}, tmp_path / name)
    (tmp_path / "x.bin.index.json").write_text(json.dumps({"weight_map": {"weight": "a", "other": "b"}}))
    assert "holds the tensor weight in two files" in refusal(tmp_path)
