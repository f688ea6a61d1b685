"""Two processes: they learn what one learns, stop together, and may share the weights out among them (FSDP)."""

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems.prosqa import lookup_problems
from coconut_core.training.encoding import Encoder, Example, collate
from coconut_core.training.lookup import lookup_example
from coconut_core.training.processes import make_accelerator, micro_batches
from coconut_core.training.start import build_model
from tests.core import process_runs
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_recipe, train

ROOT = Path(__file__).resolve().parents[2]
Found = dict[str, Any]


# -- sharing out -------------------------------------------------------------------------------------------


@cache
def examples(count: int) -> tuple[CoconutModel, list[Example]]:
    model = build_model(tiny_recipe())
    encoder = Encoder(model.tokenizer, model.config)
    return model, [lookup_example(encoder, lookup_problems(random.Random(number))) for number in range(count)]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("most", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_every_example_is_read_once_and_all_have_as_many_turns(count: int, most: int, processes: int) -> None:
    _, drawn = examples(count)
    shares = [micro_batches(drawn, process, processes, most) for process in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert all(share for turns in shares for share in turns)
    assert all(len(share) <= (most or count) for turns in shares for share in turns)
    read = [example for turns in shares for share in turns for example in share]
    asking = [example for example in read if example != example.blank]
    assert sorted(map(drawn.index, asking)) == list(range(count))


def test_a_blank_example_adds_to_no_loss_and_no_gradient() -> None:
    model, (one, other) = examples(2)
    model.train()

    def gradients(rows: list[Example]) -> tuple[float, list[torch.Tensor]]:
        batch = collate(rows, 0)
        model.zero_grad(set_to_none=True)
        loss = model(batch.input_ids, batch.attention_mask, batch.labels).loss
        loss.backward()
        return loss.item(), [each.grad for each in model.parameters() if each.grad is not None]

    loss, alone = gradients([one])
    with_blank, beside = gradients([one, other.blank])
    assert with_blank == pytest.approx(loss, abs=1e-6)
    for first, second in zip(alone, beside, strict=True):
        assert (first - second).abs().max() < 1e-6
    nothing, zeros = gradients([other.blank])
    assert nothing == 0.0
    assert len(zeros) == len(alone), "every weight takes part, or processes would wait for it"
    assert all(not gradient.any() for gradient in zeros)


def test_deepspeed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(CoconutError, match="DeepSpeed is not supported: in its place take --use_fsdp"):
        make_accelerator("no", "cpu")


@pytest.mark.usefixtures("any_precision")
def test_a_second_precision_in_one_python_is_one_line() -> None:
    make_accelerator("bf16", "cpu")
    with pytest.raises(CoconutError, match=r"^precision 'no' on cpu: a training before this one has .* 'bf16'"):
        make_accelerator("no", "cpu")
    assert make_accelerator("bf16", "cpu").mixed_precision == "bf16"


# -- real processes ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    """What became of every scenario, and the folder that holds the runs by name."""
    folder = tmp_path_factory.mktemp("processes")
    named = [part for name in process_runs.SCENARIOS for part in (name, str(folder / name))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.process_runs", *named],
        capture_output=True, text=True, check=False, timeout=500, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PREPARED": json.dumps(process_runs.prepare(folder))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "process " not in done.stderr, done.stderr[-3000:]
    return folder, json.loads(done.stdout)


def losses(rows: list[dict[str, Any]]) -> list[float]:
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.slow
def test_a_batch_smaller_than_the_number_of_processes(found: tuple[Path, Found], tmp_path: Path) -> None:
    folder, became = found
    rows = train(process_runs.few_recipe(tmp_path), tmp_path / "alone")
    assert became["few"]["codes"] == [0, 0]
    assert losses(became["few"]["told"][0][-1]["rows"]) == pytest.approx(losses(rows), abs=1e-4)
    assert_same_weights(tmp_path / "alone", folder / "few", 1e-5)


@pytest.mark.slow
def test_all_processes_end_a_stage_at_one_step(found: tuple[Path, Found], tmp_path: Path) -> None:
    folder, became = found
    rows = train(process_runs.advancing_recipe(tmp_path), tmp_path / "alone")
    assert became["advancing"]["codes"] == [0, 0]
    assert [told[-1]["step"] for told in became["advancing"]["told"]] == [6, 6]
    assert losses(became["advancing"]["told"][0][-1]["rows"]) == pytest.approx(losses(rows), abs=1e-4)
    assert_same_weights(tmp_path / "alone", folder / "advancing", 1e-5)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_at_one_step(found: tuple[Path, Found], tmp_path: Path) -> None:
    folder, became = found
    assert became["stopped"]["codes"] == [130, 130]
    step, other = (told[-1]["step"] for told in became["stopped"]["told"])
    assert step == other < 2000
    assert (folder / "stopped" / f"step-{step:06d}" / "training_state.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sharded", "gathered"])
def test_shared_out_weights_learn_the_same_and_go_on(
    name: str, found: tuple[Path, Found], tmp_path: Path
) -> None:
    folder, became = found
    rows = train(process_runs.sharded_recipe(tmp_path), tmp_path / "alone")
    assert became[name]["codes"] == [0, 0]
    told = became[name]["told"][0]
    assert [each["sharded"] for each in told] == [True] * 3
    assert [each["step"] for each in told] == [5, 7, 9], "each part goes on from a checkpoint"
    seen = [row for each in told for row in each["rows"]]
    assert losses(seen) == pytest.approx(losses(rows), abs=1e-4)
    assert [row["step"] for row in seen if "evaluation" in row] == [6, 9]
    assert_same_weights(tmp_path / "alone", folder / name, 1e-4)
    model = CoconutModel.from_pretrained(folder / name / "checkpoint", device="cpu")
    assert model.dtype == torch.float32
    assert model.halting is not None


@pytest.mark.slow
def test_each_layer_is_gathered_once_a_step_or_once_a_pass(found: tuple[Path, Found], tmp_path: Path) -> None:
    """Steps here are two micro-batches a process, of two or more passes through the layers."""
    _, became = found
    recipe = process_runs.sharded_recipe(tmp_path)
    units = recipe.model.layers + 1  # with embeddings, final norm and head
    steps = 0
    for kept, anew in zip(*(became[name]["told"][0] for name in ("gathered", "sharded")), strict=True):
        taken, steps = kept["step"] - steps, kept["step"]
        assert kept["gathers"] == taken * units
        assert anew["gathers"] >= taken * 2 * (1 + recipe.model.layers * 2 * 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["taught", "sharded_taught", "explained", "sharded_explained"])
def test_methods_of_several_passes_or_modules_learn_the_same(
    name: str, found: tuple[Path, Found], tmp_path: Path
) -> None:
    folder, became = found
    recipe = process_runs.taught_recipe if "taught" in name else process_runs.explained_recipe
    rows = train(recipe(tmp_path), tmp_path / "alone")
    assert became[name]["codes"] == [0, 0]
    seen = [row for told in became[name]["told"][0] for row in told["rows"]]
    last = [[row["terms"] for row in each if "terms" in row][-1] for each in (seen, rows)]
    assert last[0] == pytest.approx(last[1], abs=2e-4)
    assert_same_weights(tmp_path / "alone", folder / name, 1e-4)


@pytest.mark.slow
def test_one_process_goes_on_from_shared_out_weights(found: tuple[Path, Found], tmp_path: Path) -> None:
    folder, _ = found
    recipe = process_runs.sharded_recipe(tmp_path)
    rows = train(recipe, tmp_path / "alone")
    run = folder / "sharded"
    later = tmp_path / "later"
    later.mkdir()
    (later / "step-000007").symlink_to(run / "step-000007")
    seen = go_on(recipe, later)
    assert losses(seen) == pytest.approx(losses(rows)[-1:], abs=1e-4)
    assert_same_weights(tmp_path / "alone", later, 1e-4)


@pytest.mark.slow
def test_shared_out_weights_in_bfloat16_are_saved_as_they_are_trained(found: tuple[Path, Found]) -> None:
    folder, became = found
    assert became["halved"]["codes"] == [0, 0]
    first, *_, last = losses(became["halved"]["told"][0][-1]["rows"])
    assert 3 < first < 6
    assert 3 < last < 6
    model = CoconutModel.from_pretrained(folder / "halved" / "checkpoint", device="cpu")
    weights = dict(model.named_parameters())
    assert any((weight != weight.bfloat16().float()).any() for weight in weights.values()), "nothing is rounded"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dropping", "dropping_whole", "sharded_dropping"])
def test_dropout_is_on_at_every_step_of_every_process(found: tuple[Path, Found], name: str) -> None:
    _, became = found
    assert became[name]["codes"] == [0, 0]
    for process, parts in enumerate(became[name]["told"]):
        modes = [(gradients, on) for part in parts for gradients, on in part["modes"]]
        learning = [on for gradients, on in modes if gradients]
        evaluating = [on for gradients, on in modes if not gradients]
        assert len(learning) >= 6
        assert all(learning)
        assert not any(evaluating)
        if process == 0 and not name.startswith("sharded"):  # where a copy is evaluated
            assert evaluating


@pytest.mark.slow
def test_two_processes_reach_the_same_weights_after_a_resume_with_dropout_on(found: tuple[Path, Found]) -> None:
    folder, _ = found
    assert_same_weights(folder / "dropping_whole", folder / "dropping")
