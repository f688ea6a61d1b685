"""A checkpoint with a damaged file is opened or refused in one line; nothing in it is ever run."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coconut_core.checkpoints.weights import read_weights
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from tests.core.tiny_models import tiny_model
from tests.fuzz.cases import FUZZ
from tests.fuzz.damage import damaged_bytes, damaged_json

DAMAGED = ("config.json", "coconut.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    made = tmp_path_factory.mktemp("good") / "checkpoint"
    tiny_model("gpt2").save_pretrained(made)
    return made


def opened(folder: Path) -> str:
    """Open a checkpoint and take a thought with it; what is wrong with it, empty where nothing is."""
    try:
        CoconutModel.from_pretrained(folder, device="cpu").start("Is Alex a lempus?").think()
    except CoconutError as error:
        return str(error) or "\n"
    return ""


@pytest.mark.parametrize("name", DAMAGED)
@FUZZ
@given(data=st.data())
def test_a_damaged_checkpoint_is_opened_or_refused(
    folder: Path, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    good = (folder / name).read_bytes()
    damage = damaged_bytes(good)
    if name.endswith(".json"):
        damage = st.one_of(damage, damaged_json(json.loads(good)))
    copy = tmp_path / "checkpoint"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    (copy / name).write_bytes(data.draw(damage))
    assert "\n" not in opened(copy)


@FUZZ
@given(data=st.data())
def test_a_damaged_pickle_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "checkpoint_1"
    torch.save({"base_causallm.weight": torch.zeros(3)}, path)
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    try:
        read_weights(path)
    except CoconutError as error:
        said = str(error)
    else:
        said = "read"
    assert said
    assert "\n" not in said


@FUZZ
@given(data=st.binary(max_size=60))
def test_a_pickle_of_anything_runs_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "checkpoint_1"
    path.write_bytes(pickle.dumps({"weight": data}))
    with pytest.raises(CoconutError):
        read_weights(path)
