"""Training from GPT-2 with its own tokenizer class: every packaged recipe and the tutorial's; what cannot be
learned is said before the first step, and whatever fails later leaves what has been trained."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, read_problems, write_problems
from coconut_core.training.recipe import Recipe, load_recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model, reopen_model
from tests.core.real_tokenizers import gpt2_tokenizer, opt_tokenizer
from tests.core.tiny_recipes import problem_file, sums_file, tiny_gpt2, tiny_recipe, train, trainer_for

ROOT = Path(__file__).resolve().parents[2]


def sums_recipe(folder: Path, train_file: Path | None = None, **changes: Any) -> Recipe:
    return tiny_recipe(
        step_style="sentence",
        model={"base": str(tiny_gpt2(folder / "gpt2", positions=128))},
        data={
            "train": str(train_file or sums_file(folder, 10)),
            "validation": str(sums_file(folder, 3, seed=1)),
        },
        curriculum={"lookup": 0},
        **changes,
    )


@pytest.mark.parametrize("name", ["prosqa-gpt2", "prontoqa-gpt2", "gsm8k-gpt2-cot", "gsm8k-gpt2"])
def test_every_recipe_for_gpt2_begins_from_it(name: str, tmp_path: Path) -> None:
    family = name.split("-")[0]
    official = family in ("prosqa", "prontoqa")
    data = problem_file(tmp_path, 5, family=family) if official else sums_file(tmp_path, 5)
    base = tiny_gpt2(tmp_path / "gpt2")
    recipe = load_recipe(
        name, [f"model.base={base}", "batch_size=4", f"data.train={data}", f"data.validation={data}"]
    )
    rows = train(recipe, tmp_path / "run", until=2)
    assert rows[0]["loss"] > 0


def test_the_recipe_of_the_tutorial_begins_from_gpt2(tmp_path: Path) -> None:
    tutorial = (ROOT / "docs" / "TRAINING.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(# sums\.toml\n.*?)```", tutorial, re.DOTALL)
    assert found is not None
    (tmp_path / "sums.toml").write_text(found[1])
    recipe = load_recipe(
        str(tmp_path / "sums.toml"),
        [
            f"model.base={tiny_gpt2(tmp_path / 'gpt2')}",
            f"data.train={sums_file(tmp_path, 10)}",
            f"data.validation={sums_file(tmp_path, 3, seed=1)}",
        ],
    )
    train(recipe, tmp_path / "run")
    model = CoconutModel.from_pretrained(tmp_path / "run" / "checkpoint", device="cpu")
    assert model.config.thoughts == 2


@pytest.mark.parametrize("tokenizer", [gpt2_tokenizer, opt_tokenizer])
def test_a_tokenizer_that_reads_bytes_knows_every_word(tokenizer: Any, tmp_path: Path) -> None:
    base = tiny_gpt2(tmp_path / "gpt2")
    tokenizer().save_pretrained(base)
    data = tmp_path / "data.json"
    write_problems(data, [Problem("Grüße, 東京 \x00?", ("naïve «step»",), "ja ✓")] * 4)
    recipe = sums_recipe(tmp_path, data)
    train(recipe, tmp_path / "run", until=1)


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        (Problem("Is Zaphod a lempus or rompus?", ("Alex is a lempus.",), "Alex is a lempus."), "Zaphod"),
        (Problem("Is Alex a lempus or rompus?", ("Alex is a vogon.",), "Alex is a lempus."), "vogon"),
        (Problem("Is Alex a lempus or rompus?", ("Alex is a lempus.",), "Alex is a trillian."), "trillian"),
    ],
)
@pytest.mark.parametrize("where", ["train", "validation"])
def test_a_word_that_is_not_known_is_named(problem: Problem, word: str, where: str, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    write_problems(data, [*read_problems(problem_file(tmp_path, 2)), problem])
    files = {"train": str(problem_file(tmp_path, 4)), where: str(data)}
    recipe = tiny_recipe(step_style="sentence", data=files, curriculum={"lookup": 0})
    with pytest.raises(CoconutError, match=rf"data\.json, problem 3.*'{word}'"):
        trainer_for(recipe, tmp_path / "run")


@pytest.mark.parametrize("where", ["train", "validation"])
def test_a_problem_longer_than_the_model_is_one_line_before_the_first_step(where: str, tmp_path: Path) -> None:
    problems = read_problems(sums_file(tmp_path, 6))
    long = "Ann " * 120
    problems[3] = Problem(long + problems[3].question, problems[3].steps, problems[3].answer)
    problems[5] = Problem(problems[5].question, (long,), problems[5].answer)
    data = tmp_path / "data.json"
    write_problems(data, problems)
    recipe = sums_recipe(tmp_path)
    files = {"train": recipe.data.train, "validation": recipe.data.validation, where: str(data)}
    changed = tiny_recipe(
        step_style="sentence", model={"base": recipe.model.base}, data=files, curriculum={"lookup": 0}
    )
    with pytest.raises(CoconutError, match=r"data\.json, problem 4.* tokens.*reads at most 128") as caught:
        trainer_for(changed, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run").glob("step-*"))


def test_what_is_just_short_enough_with_its_thoughts_is_trained(tmp_path: Path) -> None:
    """At its longest stage the problem has as many positions as the model; with one less it is refused."""
    data = sums_file(tmp_path, 1)
    curriculum = {"lookup": 0, "first": 1, "per_stage": 1, "stages": 2, "total": 3, "thoughts_per_step": 9}
    trainer = trainer_for(sums_recipe(tmp_path, data), tmp_path / "probe")
    encoder, problem = trainer.batches.encoder, read_problems(data)[0]
    tokenized = encoder.tokenize(problem)
    longest = max(len(tokenized.prompt) + 1 + 18 + len(tokenized.answer), tokenized.length + 1)
    for positions, fits in ((longest, True), (longest - 1, False)):
        base = tiny_gpt2(tmp_path / f"gpt2-{positions}", positions)
        recipe = tiny_recipe(
            step_style="sentence", evaluate_every=100, model={"base": str(base)},
            data={"train": str(data)}, curriculum=curriculum,
        )  # fmt: skip
        if fits:
            train(recipe, tmp_path / f"run-{positions}")
        else:
            with pytest.raises(CoconutError, match=f"{longest} tokens.*at most {positions}"):
                trainer_for(recipe, tmp_path / f"run-{positions}")


def test_generated_problems_longer_than_the_model_are_refused(tmp_path: Path) -> None:
    recipe = tiny_recipe(model={"max_positions": 64}, curriculum={"lookup": 0})
    with pytest.raises(CoconutError, match=r"held-out problems, problem 1.*at most 64"):
        trainer_for(recipe, tmp_path / "run")


def test_a_sequence_too_long_at_a_step_leaves_what_has_been_trained(tmp_path: Path) -> None:
    """Of generated problems only the largest are looked at before; here as if another telling were longer."""
    trainer = trainer_for(sums_recipe(tmp_path, checkpoint_every=100), tmp_path / "run")

    def report(row: dict[str, Any]) -> None:
        trainer.most_positions = 10

    with pytest.raises(CoconutError, match=r"step 1 has a sequence of .* at most 10.*step 1$"):
        trainer.run(report)
    assert trainer.folder.steps() == [1]


def test_an_evaluation_that_fails_leaves_what_has_been_trained(tmp_path: Path) -> None:
    recipe = sums_recipe(tmp_path, evaluate_every=2, checkpoint_every=100)
    trainer = trainer_for(recipe, tmp_path / "run")

    def report(row: dict[str, Any]) -> None:
        if "evaluation" in row:
            raise CoconutError("cannot write metrics.jsonl")

    with pytest.raises(CoconutError, match="cannot write"):
        trainer.run(report)
    run = RunFolder(tmp_path / "run")
    assert run.steps() == [2]
    assert run.load_state(2)["owes_evaluation"], "it is made up for"
    resumed = trainer_for(recipe, tmp_path / "run")
    resumed.resume()
    rows: list[dict[str, Any]] = []
    resumed.run(rows.append)
    assert [row["step"] for row in rows if "evaluation" in row] == [2, 4, 6, 8, 9]


def test_the_end_that_is_learned_is_one_at_which_the_model_stops(tmp_path: Path) -> None:
    """As with base models of chat families, the tokenizer names another end of text than the configuration."""
    base = tiny_gpt2(tmp_path / "gpt2")
    end = json.loads((base / "config.json").read_text())["eos_token_id"]
    tokenizer = gpt2_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    plain = AutoModelForCausalLM.from_pretrained(base)
    plain.resize_token_embeddings(len(tokenizer))
    plain.save_pretrained(base)
    tokenizer.save_pretrained(base)
    learned = tokenizer.eos_token_id
    assert learned != end
    recipe = tiny_recipe(
        step_style="sentence", model={"base": str(base)}, curriculum={"lookup": 0},
        data={"train": str(sums_file(tmp_path, 6))},
    )  # fmt: skip
    assert learned in build_model(recipe).eos_ids
    train(recipe, tmp_path / "run", until=3)
    settings = tmp_path / "run" / "step-000003" / "generation_config.json"
    written = json.loads(settings.read_text())
    assert written["eos_token_id"] == [learned, end]
    saved = CoconutModel.from_pretrained(settings.parent, device="cpu")
    head = saved.base_lm.get_output_embeddings()
    with torch.no_grad():
        head.weight.zero_()
        head.weight[learned, 0] = 1.0
        saved.base_lm.transformer.ln_f.weight.zero_()
        saved.base_lm.transformer.ln_f.bias.zero_()
        saved.base_lm.transformer.ln_f.bias[0] = 1.0
    ids = torch.tensor([tokenizer.encode("Ann")])
    told = saved.base_lm.generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=end)
    assert told.shape[1] == ids.shape[1] + 1, "transformers' own generation stops there as well"
    settings.write_text(json.dumps({**written, "eos_token_id": end}))  # as runs of before have it
    resumed = reopen_model(RunFolder(tmp_path / "run"))
    assert resumed.base_lm.generation_config.eos_token_id == [learned, end]
