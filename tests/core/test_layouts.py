"""Models trained without <eot>, the next word coming straight from the last thought, or without any marker."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from coconut_core.cli.app import app
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.records.answers import final_answer
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, Part, collate
from coconut_core.training.recipe import Recipe
from coconut_core.training.start import build_model
from tests.core.reference import states_of, word_embeddings
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_gpt2, tiny_recipe, train

LAYOUTS = ("bot", "none")
PROBLEMS = generate_problems("prosqa", 4, seed=5)


def recipe_in(layout: str, **changes: object) -> Recipe:
    return tiny_recipe(
        step_style="nodes", label_thoughts="last", evaluation_problems=2, model={"markers": layout}, **changes
    )


def encoder_of(model: CoconutModel, labels: str) -> Encoder:
    return Encoder(model.tokenizer, model.config, "nodes", labels)


def read_causally(model: CoconutModel, ids: Sequence[int]) -> Tensor:
    """Logits (time, vocabulary) at tokens of which each latent is read as the state in front of it."""
    table = word_embeddings(model)
    embeddings: list[Tensor] = []
    for token in ids:
        latent = token == model.config.latent_id
        embeddings.append(states_of(model, embeddings)[-1] if latent else table[token])
    weight = model.base_lm.get_output_embeddings().weight
    assert isinstance(weight, Tensor)
    return states_of(model, embeddings) @ weight.T


def encoded(encoder: Encoder, thoughts: int, problem: int = 0) -> Example:
    return encoder.encode(encoder.tokenize(PROBLEMS[problem]), Stage(1, removed=thoughts, thoughts=thoughts))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("thoughts", [0, 1, 2, 9])
def test_the_last_thought_is_asked_for_the_next_word(layout: str, thoughts: int) -> None:
    model = build_model(recipe_in(layout))
    bot, latent = model.config.bot_id, model.config.latent_id
    encoder = encoder_of(model, "last")
    problem = encoder.tokenize(PROBLEMS[0])
    example = encoded(encoder, thoughts)
    words = [token for step in problem.steps[thoughts:] for token in step] + problem.answer
    question = model.tokenizer.encode(PROBLEMS[0].question + "\n")
    assert example.ids == [*question, *([] if bot is None else [bot]), *[latent] * thoughts, *words]
    assert (bot is None) is (layout == "none")
    assert model.config.eot_id is None
    behind = len(example.ids) - len(words)
    assert example.labels == [-100] * behind + words
    assert example.parts[behind] == (Part.FIRST_STEP if thoughts < len(problem.steps) else Part.ANSWER)
    assert example == encoded(encoder_of(model, "no"), thoughts)


@pytest.mark.parametrize("labels", ["path", "frontier"])
def test_other_labels_are_asked_of_the_thoughts_in_front_of_it(labels: str) -> None:
    model = build_model(recipe_in("bot"))
    both = build_model(tiny_recipe(step_style="nodes"))
    assert both.config.eot_id is not None
    for thoughts in (0, 1, 3, 9):
        example, official = (encoded(encoder_of(each, labels), thoughts) for each in (model, both))
        place = official.ids.index(both.config.eot_id)
        assert len(example.ids) == len(example.labels) == len(example.parts) == len(example.halts)
        assert example.ids == official.ids[:place] + official.ids[place + 1 :]
        assert example.labels == official.labels[:place] + official.labels[place + 1 :]
        assert example.parts == official.parts[:place] + official.parts[place + 1 :]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_training_forward_is_a_causal_model_read_word_by_word(layout: str) -> None:
    """In float64: each thought the state in front of it, all in one causal pass of the base model, no cache."""
    model = build_model(recipe_in(layout)).double()
    examples = [encoded(encoder_of(model, "last"), thoughts, thoughts) for thoughts in (0, 1, 2, 3)]
    assert isinstance(model.tokenizer.pad_token_id, int)
    batch = collate(examples, model.tokenizer.pad_token_id)
    model(batch.input_ids, batch.attention_mask, batch.labels).loss.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    loss = model(batch.input_ids, batch.attention_mask, batch.labels).loss
    logits = model(batch.input_ids, batch.attention_mask, return_logits=True).logits
    model.zero_grad(set_to_none=True)
    losses: list[Tensor] = []
    for row, example in enumerate(examples):
        expected = read_causally(model, example.ids)
        torch.testing.assert_close(
            logits[row][batch.attention_mask[row].bool()], expected, rtol=1e-10, atol=1e-10
        )
        words = sum(label != -100 for label in example.labels)
        losses.append(
            cross_entropy(expected[-1 - words : -1], torch.tensor(example.ids[-words:]), reduction="none")
        )
    together = torch.cat(losses).mean()
    together.backward()
    torch.testing.assert_close(loss.double(), together, rtol=1e-6, atol=0)  # which is summed in float32
    for name, weight in model.named_parameters():
        torch.testing.assert_close(gradients[name], weight.grad, rtol=1e-4, atol=1e-7)


@pytest.fixture(scope="module", params=LAYOUTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A layout, and the folder of a run in it."""
    folder = tmp_path_factory.mktemp(f"layout-{request.param}")
    train(recipe_in(request.param), folder)
    return request.param, folder


def test_a_checkpoint_is_asked_as_it_was_trained(run: tuple[str, Path]) -> None:
    layout, folder = run
    model = CoconutModel.from_pretrained(folder / "checkpoint", device="cpu")
    assert model.config.eot_id is None
    assert (model.config.bot_id is None) is (layout == "none")
    assert model.config.thoughts == 2
    question, said = PROBLEMS[0].question, list[int]()
    read = [*model.encode_prompt(question), *[model.config.latent_id] * 2]
    with torch.no_grad():
        for _ in range(5):
            said.append(int(read_causally(model, [*read, *said])[-1].argmax()))
    session = model.start(question, max_new_tokens=5)
    session.finish()
    assert [(step.kind, step.token_id) for step in session.steps] == [
        *[("thought", None)] * 2,
        *[("token", token) for token in said],
    ]
    options = ["--model", str(folder / "checkpoint"), "--max-new-tokens", "5"]
    asked = CliRunner().invoke(app, ["ask", question, *options])
    assert asked.stdout.strip() == final_answer(str(model.tokenizer.decode(said)), "###")


def test_a_resumed_run_stays_in_its_layout(run: tuple[str, Path], tmp_path: Path) -> None:
    layout, folder = run
    train(recipe_in(layout), tmp_path, 5)
    go_on(recipe_in(layout), tmp_path)
    assert_same_weights(folder, tmp_path)


def test_a_run_from_it_keeps_the_layout_unless_its_recipe_says_otherwise(run: tuple[str, Path]) -> None:
    layout, folder = run
    base, fresh = str(folder / "checkpoint"), build_model(tiny_recipe()).config
    kept = build_model(tiny_recipe(model={"base": base})).config
    assert (kept.bot_id, kept.eot_id) == (fresh.bot_id if layout == "bot" else None, None)
    both = build_model(tiny_recipe(model={"base": base, "markers": "both"})).config
    assert (both.bot_id, both.eot_id) == (fresh.bot_id, fresh.eot_id)


def test_an_ordinary_base_gets_the_markers_that_it_needs(tmp_path: Path) -> None:
    base = str(tiny_gpt2(tmp_path))
    rows = CoconutModel.from_pretrained(base, device="cpu").base_lm.get_input_embeddings().weight.shape[0]
    for layout, added in (("both", 2), ("bot", 1), ("none", 0)):
        model = build_model(tiny_recipe(model={"base": base, "markers": layout}))
        assert model.base_lm.get_input_embeddings().weight.shape[0] == rows + added
        assert (model.config.bot_id is not None) + (model.config.eot_id is not None) == added


def test_bot_may_begin_as_an_eot_that_is_left_out(tmp_path: Path) -> None:
    train(tiny_recipe(method="cot", evaluation_problems=1), tmp_path)
    base = str(tmp_path / "checkpoint")
    model = build_model(tiny_recipe(model={"base": base, "markers": "bot", "bot_from_eot": True}))
    eot = CoconutModel.from_pretrained(base, device="cpu").config.eot_id
    weight = model.base_lm.get_input_embeddings().weight
    assert torch.equal(weight[model.config.bot_id], weight[eot])
    with pytest.raises(CoconutError, match=r"model\.bot_from_eot: the layout has no <bot>: leave it out"):
        build_model(tiny_recipe(model={"base": base, "markers": "none", "bot_from_eot": True}))
