"""The trainer: every method runs; batches, processes, stops and resumes do not change what is learned."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coconut_core.errors import CoconutError, Interrupted
from coconut_core.model import CoconutModel
from coconut_core.problems import generate_problems, read_problems
from coconut_core.training.curriculum import METHODS
from coconut_core.training.data import Batches, Drawn
from coconut_core.training.encoding import Encoder, collate
from coconut_core.training.metrics import MetricsLog, read_metrics
from coconut_core.training.recipe import Recipe, load_recipe
from coconut_core.training.run_folder import STATE, RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.token_store import open_store
from tests.core.tiny_recipes import (
    Died,
    Row,
    assert_same_weights,
    dropout_modes,
    go_on,
    problem_file,
    run_logged,
    sums_file,
    timeless,
    tiny_gpt2,
    tiny_recipe,
    train,
    trainer_for,
    weights,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_through_its_stages_and_its_checkpoint_answers(method: str, tmp_path: Path) -> None:
    recipe = tiny_recipe(method=method)
    rows = train(recipe, tmp_path)
    last = recipe.stages[-1]
    assert [row["step"] for row in rows if "evaluation" in row] == [6, 9]
    model = CoconutModel.from_pretrained(tmp_path / "checkpoint", device="cpu")
    assert model.config.thoughts == last.thoughts
    assert model.config.feedback == METHODS[method].feedback
    assert model.config.trained is (method not in ("cot", "no-cot", "icot", "coconut-no-thoughts"))
    assert model.config.recipe["method"] == method
    run = model.start(read_problems(problem_file(tmp_path, 1))[0].question)
    run.finish()
    assert len(run.thought_steps()) == last.thoughts


def test_the_loss_falls(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        batch_size=16, evaluate_every=200,
        curriculum={"lookup": 0, "first": 60, "per_stage": 60, "stages": 1, "total": 120},
        optimizer={"learning_rate": 1e-2},
    )  # fmt: skip
    rows = [row for row in train(recipe, tmp_path) if "loss" in row]
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]


@pytest.mark.parametrize("micro", [1, 3])
def test_micro_batches_learn_the_same(tmp_path: Path, micro: int) -> None:
    train(tiny_recipe(), tmp_path / "whole")
    train(tiny_recipe(micro_batch=micro), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)


@pytest.mark.parametrize("until", [3, 6])
def test_a_resumed_run_reaches_the_same_weights_to_the_bit(tmp_path: Path, until: int) -> None:
    whole = train(tiny_recipe(), tmp_path / "whole")
    train(tiny_recipe(), tmp_path / "parts", until)
    later = go_on(tiny_recipe(), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert [row.get("loss") for row in later] == [row.get("loss") for row in whole if row["step"] > until]


def test_a_run_that_dies_behind_a_row_ends_with_the_log_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """Rows 2 and 4 are those of evaluations; only behind them their step is saved."""
    recipe = tiny_recipe(checkpoint_every=2, evaluation_problems=1)
    whole = run_logged(recipe, tmp_path / "whole")
    assert [row["step"] for row in whole] == [1, 6, 9, 9]
    for rows in (1, 2, 4):
        parts = tmp_path / f"parts-{rows}"
        with pytest.raises(Died):
            run_logged(recipe, parts, rows)
        assert timeless(run_logged(recipe, parts)) == timeless(whole)
        assert_same_weights(tmp_path / "whole", parts)
        assert RunFolder(tmp_path / "whole").read_best() == RunFolder(parts).read_best()


def test_a_run_stopped_where_an_evaluation_is_due_saves_first_and_makes_up_for_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        evaluation_problems=1,
        evaluate_every=1,
        curriculum={"lookup": 0, "first": 1, "per_stage": 1, "stages": 1, "total": 3},
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = run_logged(recipe, whole)
    parts.mkdir()
    with MetricsLog(parts, step=0) as log:

        def report(row: Row) -> None:
            log.append(row)
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(Interrupted, match="stopped at step 1; go on with: coconut train --resume --out"):
            trainer_for(recipe, parts).run(report)
    assert [row["step"] for row in read_metrics(log.path)] == [1], "it was not held up by an evaluation"
    with pytest.raises(Died):
        run_logged(recipe, parts, 1)  # behind the evaluation that it makes up for
    assert timeless(run_logged(recipe, parts)) == timeless(expected)
    assert RunFolder(whole).read_best() == RunFolder(parts).read_best()


def sums_recipe(folder: Path, **changes: Any) -> Recipe:
    """From a tiny GPT-2, whose dropout is on, on sums; evaluated every second step."""
    return tiny_recipe(
        step_style="sentence", evaluate_every=2, curriculum={"lookup": 0, "total": 6},
        model={"base": str(tiny_gpt2(folder / "gpt2"))},
        data={"train": str(sums_file(folder, 10)), "validation": str(sums_file(folder, 3, seed=1))},
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize("micro", [0, 1])
def test_dropout_is_on_in_every_step_and_the_same_after_a_resume(tmp_path: Path, micro: int) -> None:
    recipe = sums_recipe(tmp_path, micro_batch=micro)
    trainer = trainer_for(recipe, tmp_path / "whole")
    whole = dropout_modes(trainer.model)
    trainer.run(lambda row: None)
    train(recipe, tmp_path / "parts", 3)
    resumed = trainer_for(recipe, tmp_path / "parts")
    resumed.resume()
    parts = dropout_modes(resumed.model)
    resumed.run(lambda row: None)
    for modes in (whole, parts):
        learning = [on for gradients, on in modes if gradients]
        evaluating = [on for gradients, on in modes if not gradients]
        assert learning
        assert all(learning)
        assert evaluating
        assert not any(evaluating)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_dropout_changes_what_is_learned(tmp_path: Path) -> None:
    recipe = sums_recipe(tmp_path)
    train(recipe, tmp_path / "with")
    settings = tmp_path / "gpt2" / "config.json"
    off = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | off))
    train(recipe, tmp_path / "without")
    first, second = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert max(float((first[name] - second[name]).abs().max()) for name in first) > 1e-3


def test_newest_and_best_checkpoints_are_kept_and_open(tmp_path: Path) -> None:
    train(tiny_recipe(checkpoint_every=1, evaluate_every=1, keep=2), tmp_path)
    run = RunFolder(tmp_path)
    best = run.read_best()
    assert best is not None
    assert set(run.steps()) == {8, 9, best[0]}
    for step in run.steps():
        CoconutModel.from_pretrained(run.folder_of(step), device="cpu")
    assert not (run.checkpoint / STATE).exists()


def test_a_loss_that_is_no_number_ends_the_run_and_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    asked = tiny_recipe(optimizer={"warmup_steps": 0})
    recipe = replace(
        asked, optimizer=replace(asked.optimizer, learning_rate=1e30)
    )  # which is refused in a file
    trainer = trainer_for(recipe, tmp_path)
    trainer.save()
    with pytest.raises(CoconutError, match=r"learning_rate.*step 0"):
        trainer.run(lambda row: None)
    run = RunFolder(tmp_path)
    assert run.steps() == [0]
    assert all(parameter.isfinite().all() for parameter in run.load_state(0)["model"].values())


def test_memory_that_is_out_ends_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    code = (
        "import pathlib, resource, sys\n"
        "from coconut_core.errors import CoconutError\n"
        "from tests.core.tiny_recipes import tiny_recipe, trainer_for\n"
        "recipe = tiny_recipe(batch_size=300, curriculum={'lookup': 0})\n"
        "trainer = trainer_for(recipe, pathlib.Path(sys.argv[1]))\n"
        "size = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))\n"
        "try: trainer.run(lambda row: None)\n"
        "except CoconutError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=300,
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout == (
        "out of memory at step 0: set micro_batch below 300, or gradient_checkpointing=true; "
        "there is no checkpoint yet\n"
    ), done.stderr[-2000:]


@pytest.mark.parametrize(("when", "cleared"), [("never", []), ("stage", [2, 4, 6]), ("epoch", [3, 6])])
def test_the_optimizer_is_reset(tmp_path: Path, when: str, cleared: list[int]) -> None:
    recipe = tiny_recipe(
        data={"train": str(problem_file(tmp_path, 12))},
        curriculum={"lookup": 0, "total": 8, "stages": 3, "reset_optimizer": when},
    )
    trainer = trainer_for(recipe, tmp_path / "run")
    found = []
    for step in range(8):
        trainer.run(lambda row: None, until=step + 1)
        counts = {int(state["step"]) for state in trainer.optimizer.state.values()}
        if step and counts == {1}:
            found.append(step)
    assert found == cleared


def test_a_halting_head_is_trained_along_and_honoured(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        batch_size=16, evaluate_every=150, checkpoint_every=150,
        thinking={"ends": "halting", "threshold": 0.5},
        curriculum={"lookup": 0, "first": 1, "per_stage": 1, "stages": 7, "total": 150, "other_stages": 0.0},
        optimizer={"learning_rate": 1e-2},
    )  # fmt: skip
    train(recipe, tmp_path)
    model = CoconutModel.from_pretrained(tmp_path / "checkpoint", device="cpu")
    problems = read_problems(problem_file(tmp_path, 20))
    taken = []
    for problem in problems:
        run = model.start(problem.question)
        run.finish()
        taken.append(len(run.thought_steps()))
    # It cannot know the number of hops of a problem, but that no chain is shorter than three steps.
    assert all(3 <= count <= 7 for count in taken)
    assert any(count < 7 for count in taken)


# -- data --------------------------------------------------------------------------------------------------


def encoder_for(recipe: Recipe) -> Encoder:
    model = build_model(recipe)
    return Encoder(model.tokenizer, model.config, recipe.step_style)


def test_the_store_holds_what_the_encoder_makes_and_is_made_once(tmp_path: Path) -> None:
    data = problem_file(tmp_path, 30)
    encoder = encoder_for(tiny_recipe())
    store = open_store(data, encoder, tmp_path / "tokens")
    problems = read_problems(data)
    assert [store[number] for number in range(len(store))] == [encoder.tokenize(each) for each in problems]
    assert store.lengths.tolist() == [encoder.tokenize(each).length for each in problems]
    made = (tmp_path / "tokens" / "tokens.i32").stat().st_mtime_ns
    open_store(data, encoder, tmp_path / "tokens")
    assert (tmp_path / "tokens" / "tokens.i32").stat().st_mtime_ns == made
    data.write_text(json.dumps([problem.to_json() for problem in problems[:7]]))
    assert len(open_store(data, encoder, tmp_path / "tokens")) == 7


def test_every_problem_comes_once_an_epoch_with_little_padding(tmp_path: Path) -> None:
    data = problem_file(tmp_path, 500)
    recipe = tiny_recipe(
        batch_size=16, data={"train": str(data)}, curriculum={"lookup": 0, "other_stages": 0.0, "total": 2000}
    )
    batches = Batches(recipe, encoder_for(recipe), tmp_path)
    steps = -(-500 // 16)
    epochs = [[batches.at(epoch * steps + place) for place in range(steps)] for epoch in range(2)]
    prompts = [
        [tuple(each.ids[: each.prompt_length]) for drawn in epoch for each in drawn.examples]
        for epoch in epochs
    ]
    assert len(prompts[0]) == len(set(prompts[0])) == 500
    assert set(prompts[0]) == set(prompts[1])
    assert prompts[0] != prompts[1]
    assert padding_of(drawn for epoch in epochs for drawn in epoch) < 0.1


def padding_of(batches: Iterable[Drawn]) -> float:
    """Share of the positions of batches that hold nothing."""
    masks = [collate(drawn.examples, 0).attention_mask for drawn in batches]
    return 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


@pytest.mark.parametrize("name", ["small-base", "prosqa-labelled"])
def test_padding_is_little_at_every_stage(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, ["data.problems=2000"])
    batches = Batches(recipe, encoder_for(recipe), tmp_path)
    step = 0
    for stage in batches.stages:
        assert padding_of(batches.at(step + number) for number in range(4)) < 0.1, stage.name
        step += stage.length


def test_a_batch_of_the_warm_up_follows_from_its_step_alone(tmp_path: Path) -> None:
    recipe = tiny_recipe(curriculum={"lookup": 20, "total": 30})
    forth, back = (Batches(recipe, encoder_for(recipe), tmp_path) for _ in range(2))
    expected = [forth.at(step) for step in range(20)]
    assert [back.at(step) for step in reversed(range(20))] == expected[::-1]
    told = [tuple(example.ids) for drawn in expected for example in drawn.examples]
    assert len(set(told)) == len(told) == 20 * 4


@pytest.mark.parametrize("content", ["[]", '[{"question": "Is Zaphod a lempus or rompus?", "answer": "x"}]'])
def test_data_that_cannot_train_is_refused(tmp_path: Path, content: str) -> None:
    data = tmp_path / "data.json"
    data.write_text(content)
    with pytest.raises(CoconutError):
        open_store(data, encoder_for(tiny_recipe()), tmp_path / "tokens")


@pytest.mark.parametrize("missing", ["question", "answer"])
def test_a_problem_with_nothing_to_learn_is_named(missing: str, tmp_path: Path) -> None:
    whole = {"question": "Is Alex a rompus?", "answer": "yes"}
    data, encoder = tmp_path / "problems.json", encoder_for(tiny_recipe())
    first = generate_problems("prosqa", 1, seed=1)[0].to_json()
    data.write_text(json.dumps([first, whole | {missing: " "}]))
    with pytest.raises(CoconutError, match=rf"problems.json, problem 2: there is no '{missing}' to learn from"):
        open_store(data, encoder, tmp_path / "tokens")


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
