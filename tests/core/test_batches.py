"""What the trainer learns from: the store of tokens, and the batch of each step."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems, read_problems
from coconut_core.training.data import Batches, StepExamples
from coconut_core.training.encoding import Encoder, collate
from coconut_core.training.recipe import Recipe, load_recipe
from coconut_core.training.start import build_model
from coconut_core.training.token_store import open_store
from tests.core.tiny_recipes import (
    problem_file,
    tiny_recipe,
)


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


def padding_of(batches: Iterable[StepExamples]) -> float:
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
