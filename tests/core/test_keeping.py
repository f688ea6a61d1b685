"""Models that are kept for study: at which steps, in how little room, and what becomes of them on the way."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.training.keeping import round_weights
from coconut_core.training.recipe import recipe_from_table
from coconut_core.training.run_folder import RunFolder
from tests.core.tiny_recipes import go_on, tiny_recipe, train, trainer_for

# Stages of TINY begin at steps 0 (look-up), 2 (words), 4 and 6; the run ends at 9.


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_is_kept_follows_the_recipe(tmp_path: Path) -> None:
    train(tiny_recipe(), tmp_path / "nothing")
    assert not (tmp_path / "nothing" / "kept").exists()
    train(tiny_recipe(keep_every=4), tmp_path / "every")
    assert RunFolder(tmp_path / "every").kept_steps() == [0, 4, 8, 9]
    train(tiny_recipe(keep_stages=True), tmp_path / "stages")
    assert RunFolder(tmp_path / "stages").kept_steps() == [0, 2, 4, 6, 9]
    assert RunFolder(tmp_path / "stages").steps() == [6, 9], "the checkpoints to go on from are as before"


def test_a_kept_model_opens_like_any_and_is_the_run_at_that_step(tmp_path: Path) -> None:
    train(tiny_recipe(keep_every=3, keep=9), tmp_path)
    run = RunFolder(tmp_path)
    for step in (3, 6, 9):
        full = CoconutModel.from_pretrained(run.folder_of(step), device="cpu")
        kept = CoconutModel.from_pretrained(run.kept_folder_of(step), device="cpu")
        assert (kept.config, kept.dtype) == (full.config, torch.float32)
        for (name, mine), theirs in zip(kept.named_parameters(), full.parameters(), strict=True):
            assert torch.equal(mine, theirs.half().float()), name
    thoughts = [CoconutModel.from_pretrained(run.kept_folder_of(step)).config.thoughts for step in (0, 6, 9)]
    assert thoughts == [0, 1, 2], "each thinks as at the stage that it has reached"


def test_keeping_changes_nothing_of_the_run(tmp_path: Path) -> None:
    train(tiny_recipe(), tmp_path / "plain")
    train(tiny_recipe(keep_every=1), tmp_path / "kept")
    plain, kept = (
        load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("plain", "kept")
    )
    assert all(torch.equal(plain[name], kept[name]) for name in plain)


def test_a_kept_model_takes_an_eighth_of_the_weights_of_a_checkpoint(tmp_path: Path) -> None:
    train(tiny_recipe(keep_every=9, model={"hidden_size": 64, "intermediate_size": 256}), tmp_path)
    run = RunFolder(tmp_path)
    full, kept = bytes_of(run.folder_of(9)), bytes_of(run.kept_folder_of(9))
    weights = (run.kept_folder_of(9) / "model.safetensors").stat().st_size
    assert not (run.kept_folder_of(9) / "training_state.pt").exists()
    rest = kept - weights  # tokenizer and configuration, which both have
    assert (full - rest) / weights == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize(("name", "size"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_weights_are_rounded_to_the_format_of_the_recipe(tmp_path: Path, name: str, size: int) -> None:
    train(tiny_recipe(keep_every=9, keep_dtype=name), tmp_path)
    kept = load_file(RunFolder(tmp_path).kept_folder_of(9) / "model.safetensors")
    assert {tensor.element_size() for tensor in kept.values()} == {size}


def test_a_tensor_that_would_overflow_stays_as_it_is(tmp_path: Path) -> None:
    save_file(
        {"large": torch.tensor([1e6, 1.0]), "small": torch.tensor([0.5]), "ids": torch.tensor([70000])},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    round_weights(tmp_path, "float16")
    kept = load_file(tmp_path / "model.safetensors")
    assert (kept["large"].dtype, kept["small"].dtype) == (torch.float32, torch.float16)
    assert kept["large"].tolist() == [1e6, 1.0]
    assert kept["ids"].tolist() == [70000]


def test_a_resumed_run_keeps_what_an_uninterrupted_one_does(tmp_path: Path) -> None:
    recipe = tiny_recipe(keep_every=2)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", 5)
    run = RunFolder(tmp_path / "parts")
    assert run.kept_steps() == [0, 2, 4]
    go_on(recipe, tmp_path / "parts")
    whole = RunFolder(tmp_path / "whole")
    assert run.kept_steps() == whole.kept_steps() == [0, 2, 4, 6, 8, 9]
    for step in whole.kept_steps():
        mine, theirs = (load_file(folder.kept_folder_of(step) / "model.safetensors") for folder in (run, whole))
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs), step


def test_what_a_killed_run_kept_beyond_its_checkpoint_goes(tmp_path: Path) -> None:
    recipe = tiny_recipe(keep_every=2)
    trainer = trainer_for(recipe, tmp_path)
    trainer.run(lambda row: None, 3)
    run = RunFolder(tmp_path)
    (run.kept / "step-000008").mkdir()  # as a run leaves it that was killed before its next checkpoint
    trainer = trainer_for(recipe, tmp_path)
    trainer.resume()
    trainer.run(lambda row: None, 5)
    assert 8 not in run.kept_steps()


def test_an_old_recipe_keeps_nothing_and_an_impossible_one_is_refused(tmp_path: Path) -> None:
    record = tiny_recipe().to_json()
    for name in ("keep_every", "keep_stages", "keep_dtype"):
        del record[name]
    assert recipe_from_table(json.loads(json.dumps(record))).keep_every == 0
    with pytest.raises(CoconutError, match="keep_every"):
        tiny_recipe(keep_every=-1)
    with pytest.raises(CoconutError, match="keep_dtype"):
        tiny_recipe(keep_dtype="int4")
