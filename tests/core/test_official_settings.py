"""What the official recipes set: a plain shuffle, epochs, the best checkpoint, decay; what evaluations say."""

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import LinePanel
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems import Problem, read_problems, write_problems
from coconut_core.runs.generate import generate
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.data import Batches
from coconut_core.training.encoding import Encoder
from coconut_core.training.metrics import draw_run
from coconut_core.training.optimizer import build_optimizer
from coconut_core.training.recipe import load_recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from tests.core.tiny_recipes import TINY, problem_file, sums_file, tiny_gpt2, tiny_recipe, train, trainer_for

GPT2_RECIPES = ("prosqa-gpt2", "prontoqa-gpt2", "gsm8k-gpt2-cot", "gsm8k-gpt2")


@pytest.mark.parametrize("name", GPT2_RECIPES)
def test_the_official_recipes_are_set_as_the_official_code_is(name: str) -> None:
    recipe = load_recipe(name)
    assert not recipe.data.bucket
    assert (recipe.evaluate_every, recipe.evaluate_unit) == (1, "epochs")
    assert recipe.publish == "best"
    assert recipe.optimizer.decays == "all"


def test_a_recipe_of_before_is_read_as_it_was() -> None:
    recipe = tiny_recipe()
    table = recipe.to_json()
    for path in ("publish", "evaluate_unit", "data.bucket", "curriculum.mix", "optimizer.decays"):
        *tables, last = path.split(".")
        inner = table[tables[0]] if tables else table
        del inner[last]
    assert recipe_from_table(table) == recipe
    assert (recipe.data.bucket, recipe.publish, recipe.optimizer.decays) == (True, "last", "matrices")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_thoughts": "path", "step_style": "sentence"}, "label_thoughts 'path' needs step_style"),
        ({"evaluate_unit": "epochs"}, "evaluate_unit 'epochs' needs data.train"),
        ({"publish": "best", "data": {"train": "file.json"}}, "publish 'best' needs data.validation"),
        ({"curriculum": {"mix": "both"}}, "curriculum.mix"),
        ({"optimizer": {"decays": "none"}}, "optimizer.decays"),
    ],
)
def test_settings_that_say_nothing_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CoconutError, match=said):
        tiny_recipe(**changes)


@pytest.mark.parametrize("bucket", [True, False])
def test_without_buckets_a_batch_is_a_plain_sample(bucket: bool, tmp_path: Path) -> None:
    data = problem_file(tmp_path, 320)
    recipe = tiny_recipe(
        batch_size=16, data={"train": str(data), "bucket": bucket},
        curriculum={"lookup": 0, "other_stages": 0.0, "total": 2000},
    )  # fmt: skip
    model = build_model(recipe)
    batches = Batches(recipe, Encoder(model.tokenizer, model.config, recipe.step_style), tmp_path)
    drawn = [batches.at(step).examples for step in range(20)]
    assert len({tuple(example.ids) for examples in drawn for example in examples}) == 320
    spread = statistics.pstdev(len(example.ids) for examples in drawn for example in examples)
    means = statistics.pstdev(statistics.mean(len(each.ids) for each in examples) for examples in drawn)
    if bucket:
        assert means > 0.9 * spread
    else:
        assert means < 0.5 * spread, "16 of a sample differ by a quarter of their spread, the mean of them"


def test_the_best_checkpoint_of_the_last_stage_is_published(tmp_path: Path) -> None:
    """Nothing is right in a few steps, so the best is the first of the last stage, no checkpoint's turn."""
    recipe = tiny_recipe(
        step_style="sentence", checkpoint_every=100, evaluate_every=1, publish="best",
        curriculum={"lookup": 0, "first": 2, "per_stage": 2, "stages": 1, "total": 6},
        data={"train": str(problem_file(tmp_path, 8)), "validation": str(problem_file(tmp_path, 2, seed=1))},
    )  # fmt: skip
    train(recipe, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    assert run.read_best() == (3, 0.0)
    assert run.steps() == [3, 6]
    published = CoconutModel.from_pretrained(run.checkpoint, device="cpu").state_dict()
    best = CoconutModel.from_pretrained(run.folder_of(3), device="cpu").state_dict()
    last = CoconutModel.from_pretrained(run.folder_of(6), device="cpu").state_dict()
    assert all(torch.equal(published[name], best[name]) for name in best)
    assert any(not torch.equal(published[name], last[name]) for name in last)


def test_evaluations_come_by_epochs(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        step_style="sentence", evaluate_every=2, evaluate_unit="epochs", curriculum={"lookup": 0, "total": 9},
        data={"train": str(problem_file(tmp_path, 6)), "validation": str(problem_file(tmp_path, 2, seed=1))},
    )  # fmt: skip
    rows = train(recipe, tmp_path / "run")
    assert [row["step"] for row in rows if "evaluation" in row] == [4, 8, 9], "an epoch is two steps"


@pytest.mark.parametrize(("decays", "expected"), [("matrices", {0.5: True, 0.0: False}), ("all", {0.5: True})])
def test_what_decays(decays: str, expected: dict[float, bool], tmp_path: Path) -> None:
    recipe = tiny_recipe(optimizer={"weight_decay": 0.5, "decays": decays})
    groups = build_optimizer(build_model(recipe), recipe.optimizer).param_groups
    assert {group["weight_decay"] for group in groups} == expected.keys()
    assert all(parameter.dim() >= 2 for parameter in groups[0]["params"])


def test_an_evaluation_tells_the_loss_of_its_stage(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        step_style="sentence", evaluate_every=4, model={"base": str(tiny_gpt2(tmp_path / "gpt2"))},
        curriculum={"lookup": 0, "first": 2, "per_stage": 2, "stages": 1, "total": 4},
        data={"train": str(sums_file(tmp_path, 8)), "validation": str(sums_file(tmp_path, 3, seed=1))},
    )  # fmt: skip
    rows = train(recipe, tmp_path / "run")
    seen = rows[-1]["evaluation"]
    model = CoconutModel.from_pretrained(tmp_path / "run" / "checkpoint", device="cpu")
    encoder = Encoder(model.tokenizer, model.config)
    stage = Stage(1, removed=1, thoughts=1)
    total, count = 0.0, 0
    for problem in read_problems(sums_file(tmp_path, 3, seed=1)):
        example = encoder.encode(encoder.tokenize(problem), stage)
        with torch.no_grad():
            output = model(torch.tensor([example.ids]), labels=torch.tensor([example.labels]))
        assert output.label_losses is not None
        total, count = total + float(output.label_losses.sum()), count + len(output.label_losses)
    assert seen["loss"] == pytest.approx(total / count, abs=1e-4)
    assert seen["loss_by_part"].keys() == {"first_step", "answer"}


def test_chains_that_are_told_word_for_word_are_counted(tmp_path: Path) -> None:
    """Two problems are learned by heart; held out are they and one with another chain and the same answer."""
    problems = read_problems(sums_file(tmp_path, 2))
    other = Problem(problems[0].question, ("1+1=2", *problems[0].steps[1:]), problems[0].answer)
    write_problems(tmp_path / "valid.json", [*problems, other])
    recipe = tiny_recipe(
        method="cot", step_style="sentence", evaluate_every=80, checkpoint_every=80, batch_size=2,
        model={"base": str(tiny_gpt2(tmp_path / "gpt2"))}, curriculum={"lookup": 0, "total": 80},
        data={"train": str(sums_file(tmp_path, 2)), "validation": str(tmp_path / "valid.json")},
        optimizer={"learning_rate": 1e-2, "schedule": "constant"},
    )  # fmt: skip
    seen = train(recipe, tmp_path / "run")[-1]["evaluation"]
    assert seen["accuracy"] == 1.0
    assert seen["chain_exact"] == pytest.approx(2 / 3)


def test_chains_are_not_counted_where_no_step_is_in_words(tmp_path: Path) -> None:
    rows = train(tiny_recipe(method="no-cot", evaluate_every=9), tmp_path)
    assert "chain_exact" not in rows[-1]["evaluation"]
    assert "loss" in rows[-1]["evaluation"]


def test_the_figure_has_the_held_out_loss_and_chains() -> None:
    seen = {"thoughts": 0, "accuracy": 0.5, "n": 2, "by_hops": {}, "loss": 1.25, "chain_exact": 0.25}
    rows = [
        {"step": 1, "stage": 0, "loss": 2.0, "loss_by_part": {"answer": 2.0}},
        {"step": 2, "evaluation": seen},
    ]
    losses, shares = draw_run(rows).panels
    assert isinstance(losses, LinePanel)
    assert isinstance(shares, LinePanel)
    assert [(line.label, list(line.y)) for line in losses.lines] == [
        ("answer", [2.0]),
        ("held out, all parts", [1.25]),
    ]
    assert [(line.label, list(line.y)) for line in shares.lines] == [
        ("held-out problems", [50.0]),
        ("chains word for word", [25.0]),
    ]


@pytest.mark.parametrize("pad", [True, False])
def test_a_short_problem_has_as_many_thoughts_where_it_is_evaluated_as_in_training(
    pad: bool, tmp_path: Path
) -> None:
    """Two steps, two thoughts a step, as the official code trains: fewer only once no step is in words."""
    expected = {1: 2, 2: 4, 3: 6, ALL: 6 if pad else 4}
    recipe = tiny_recipe(
        step_style="sentence", model={"base": str(tiny_gpt2(tmp_path / "gpt2"))},
        curriculum={"lookup": 0, "stages": 3, "total": 20, "final_stage": True, "thoughts_per_step": 2,
                    "pad_to_longest": pad},
        data={"train": str(sums_file(tmp_path, 4)), "validation": str(sums_file(tmp_path, 2, seed=1))},
    )  # fmt: skip
    trainer = trainer_for(recipe, tmp_path / "run")
    encoder, model = trainer.batches.encoder, trainer.plain_model.eval()
    problem = encoder.tokenize(trainer.validation.problems[0])
    for stage in trainer.batches.stages[1:]:
        trained = encoder.encode(problem, stage).ids.count(model.config.latent_id)
        assert trained == expected[stage.removed]
        assert trainer.validation.thoughts(stage) == [trained, trained]
    trainer.validation.row(model, trainer.batches.stages[-1])


def test_questions_may_have_different_numbers_of_thoughts() -> None:
    model = build_model(tiny_recipe()).eval()
    questions = [problem.question for problem in read_problems_of(model, 3)]
    together = generate(model, questions, thoughts=[2, 0, 5], max_new_tokens=4)
    assert [answer.thoughts for answer in together] == [2, 0, 5]
    for question, number, answer in zip(questions, [2, 0, 5], together, strict=True):
        assert generate(model, [question], thoughts=number, max_new_tokens=4)[0].token_ids == answer.token_ids


def read_problems_of(model: CoconutModel, count: int) -> list[Problem]:
    from coconut_core.problems import generate_problems

    return generate_problems("prosqa", count, 0)


def test_examples_of_any_stage_are_mixed_in_each_by_itself(tmp_path: Path) -> None:
    """As the official uniform_prob: up to as many steps gone as a problem has, later ones, too."""
    table = {**TINY, "data": {"train": str(sums_file(tmp_path, 8))}, "step_style": "sentence", "batch_size": 8}
    table["model"] = {"base": str(tiny_gpt2(tmp_path / "gpt2"))}
    table["curriculum"] = {
        "first": 100, "per_stage": 100, "stages": 3, "total": 400, "other_stages": 0.9, "mix": "example",
    }  # fmt: skip
    recipe = recipe_from_table(table)
    model = build_model(recipe)
    batches = Batches(recipe, Encoder(model.tokenizer, model.config), tmp_path)
    for first, own in ((0, 0), (300, 3)):
        drawn = [batches.at(first + step) for step in range(100)]
        assert {each.stage for each in drawn} == {own}
        counts = Counter(
            example.ids.count(model.config.latent_id) for each in drawn for example in each.examples
        )
        total = sum(counts.values())
        shares = {number: 0.3 + (0.1 if number == own else 0.0) for number in range(3)} | (
            {3: 0.1} if own else {}
        )
        assert counts.keys() == shares.keys()
        for number, share in shares.items():
            assert abs(counts[number] / total - share) < 5 * (share * (1 - share) / total) ** 0.5
    assert batches.at(7) == batches.at(7)


def test_examples_of_earlier_stages_are_mixed_in_each_by_itself(tmp_path: Path) -> None:
    lengths = {"lookup": 10, "first": 100, "per_stage": 100, "stages": 3, "total": 410}
    recipe = tiny_recipe(batch_size=8, curriculum={**lengths, "other_stages": 0.6, "mix": "earlier"})
    model = build_model(recipe)
    batches = Batches(recipe, Encoder(model.tokenizer, model.config, recipe.step_style), tmp_path)
    for own in range(4):
        drawn = [batches.at(10 + 100 * own + step) for step in range(60)]
        assert {each.stage for each in drawn} == {own + 1}
        thoughts = [[example.ids.count(model.config.latent_id) for example in each.examples] for each in drawn]
        counts = Counter(number for each in thoughts for number in each)
        shares = dict.fromkeys(range(own), 0.6 / max(1, own)) | {own: 0.4 if own else 1.0}
        assert counts.keys() == shares.keys()
        for number, share in shares.items():
            error = (share * (1 - share) / 480) ** 0.5
            assert abs(counts[number] / 480 - share) <= 5 * error
        assert own == 0 or any(len(set(each)) > 1 for each in thoughts), "within a batch"
    assert batches.at(250) == batches.at(250)


def test_a_checkpoint_counts_the_stages_that_its_base_has_been_through(tmp_path: Path) -> None:
    curriculum = {"lookup": 0, "skipped": 1, "per_stage": 3, "stages": 2, "total": 6}
    train(tiny_recipe(curriculum=curriculum, evaluate_every=1000), tmp_path / "run", until=3)
    config = CoconutConfig.load(tmp_path / "run" / "step-000003")
    assert config is not None
    assert (config.stage, config.thoughts) == (1, 1)
