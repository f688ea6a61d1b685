"""The curriculum from the end: the last steps become thoughts first, which stand right behind the question."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, generate_problems
from coconut_core.problems.graphs import walk_ends
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.data import encoder_of
from coconut_core.training.encoding import Encoder
from coconut_core.training.methods.objective import Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.sim_cot import STEPS
from coconut_core.training.methods.table import method_named, with_defaults
from coconut_core.training.recipe import load_recipe
from coconut_core.training.validation import is_learned
from tests.core.reference import logits_of_row, loss_of_rows
from tests.core.sequence_rows import Row, gradients
from tests.core.tiny_models import tiny_model
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_recipe, train, trainer_for

# Of two to four steps: fewer and more than are gone.
PROBLEMS = generate_problems("prosqa", 3, 4, size=ProsqaSize(nodes=(6, 8), hops=(2, 4)))
AT_END = {"lookup": 0, "order": "end"}


def row(model: CoconutModel, problem: Problem, gone: int, thoughts: int) -> Row:
    """Question <bot> thoughts <eot> the first steps in words, answer; put together without the encoder."""
    read, config = model.tokenizer.encode, model.config
    assert config.bot_id is not None
    assert config.eot_id is not None
    left = problem.steps[: max(0, len(problem.steps) - gone)]
    front = [*read(problem.question + "\n"), config.bot_id, *[config.latent_id] * thoughts, config.eot_id]
    said = [token for step in left for token in read(step + "\n")]
    said += [*read(f"### {problem.answer}"), int(model.tokenizer.eos_token_id)]
    return [*front, *said], [*[-100] * len(front), *said]


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("gone", [1, 3])
def test_loss_and_gradients_are_those_of_the_layout(architecture: str, gone: int) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    assert {len(problem.steps) for problem in PROBLEMS} >= {2, 4}
    expected, _ = loss_of_rows(model, [row(model, problem, gone, 2 * gone) for problem in PROBLEMS])
    expected.backward()
    wanted = gradients(model)
    encoder = Encoder(model.tokenizer, model.config, thoughts_per_step=2)
    stage = Stage(1, removed=gone, thoughts=2 * gone, from_end=True)
    batch = [encoder.encode(encoder.tokenize(problem), stage) for problem in PROBLEMS]
    pad = model.tokenizer.pad_token_id
    assert isinstance(pad, int)
    found = Objective(model, method_named("coconut"), {}, model.forward, pad)(batch, StepSize.of(batch)).total
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    found.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("count", range(12))
def test_tokens_go_from_the_end_as_well(count: int) -> None:
    encoder = Encoder(tiny_model("llama").tokenizer, tiny_model("llama").config)
    problem = encoder.tokenize(PROBLEMS[0])
    told = [token for step in problem.steps for token in step]
    left = encoder.in_words(problem, Stage(1, removed_tokens=count, from_end=True))
    assert [token for step in left for token in step] == told[: len(told) - count]
    assert all(left)


@pytest.mark.parametrize("style", ["chain", "nodes"])
@pytest.mark.parametrize(("labels", "count"), [("path", 2), ("frontier", 2), ("last", 2), ("path", ALL)])
def test_a_thought_is_asked_for_the_step_that_it_stands_for(style: str, labels: str, count: int) -> None:
    model = tiny_model("llama")
    encoder = Encoder(model.tokenizer, model.config, style, label_thoughts=labels)
    problem = next(problem for problem in PROBLEMS if len(problem.steps) == 4)
    tokenized = encoder.tokenize(problem)
    example = encoder.sequence(tokenized, Stage(1, removed=count, thoughts=2, from_end=count < ALL))
    start = example.prompt_length
    asked = example.labels[start : start + 3]  # of both thoughts, and of what comes behind them
    firsts = [step[0] for step in tokenized.steps]
    if count == ALL:
        assert asked == firsts[:3]
    elif labels == "last":
        assert asked == [-100, -100, firsts[0]]
    elif labels == "path":
        assert asked == [firsts[-2], firsts[-1], firsts[0]]
    else:
        assert asked == [tokenized.frontiers[len(firsts) - 2], tokenized.frontiers[-1], tokenized.frontiers[0]]


def test_a_diagnosis_reads_each_thought_against_the_nodes_of_its_step(tmp_path: Path) -> None:
    recipe = tiny_recipe(evaluation_problems=4, curriculum={**AT_END, "stages": 2}, data={"hops": [3, 3]})
    trainer = trainer_for(recipe, tmp_path)
    model = trainer.plain_model.eval()
    stage = next(stage for stage in trainer.batches.stages if stage.removed == 2)
    assert stage.from_end
    seen = trainer.validation.row(model, stage)["evaluation"]["diagnosis"]
    encoder: Encoder = encoder_of(model, recipe)
    shares: tuple[list[float], list[float]] = ([], [])
    first_words: list[float] = []
    assert model.config.eot_id is not None
    for problem in trainer.validation.problems:
        assert problem.graph is not None
        tokenized = encoder.tokenize(problem)
        ids = [*tokenized.prompt, *[model.config.latent_id] * 2, model.config.eot_id]
        probabilities = logits_of_row(model, ids).detach().softmax(dim=-1)[len(tokenized.prompt) - 1 :]
        ends = walk_ends(problem.graph)
        assert len(tokenized.steps) == 4  # the root and three nodes: the thoughts stand at two and three hops
        for place, hops in enumerate((2, 3)):
            tokens = [encoder.ids(f" {problem.graph.names[node]}")[0] for node in ends[hops]]
            shares[place].append(float(probabilities[place, tokens].sum()))
        first_words.append(-float(probabilities[-1, tokenized.steps[0][0]].log()))
    for place, of_thought in enumerate(shares, start=1):
        assert seen["frontier"][str(place)]["share"] == pytest.approx(sum(of_thought) / 4, abs=6e-5)
    assert seen["loss_at_eot"] == pytest.approx(sum(first_words) / 4, abs=6e-5)
    assert seen["shortcut"] == 0  # the next step in words is the asked person, at each stage
    assert "1 step gone from the end, 1 thought" in [stage.name for stage in recipe.stages]


def test_the_decoder_of_sim_cot_says_the_last_steps() -> None:
    model = tiny_model("llama")
    lay_out, options = method_named("sim-cot").lay_out, with_defaults("sim-cot", {})
    assert lay_out is not None
    encoder = Encoder(model.tokenizer, model.config)
    problem = next(problem for problem in PROBLEMS if len(problem.steps) == 4)
    passes = lay_out(
        encoder, encoder.tokenize(problem), Stage(1, removed=2, thoughts=2, from_end=True), options
    )
    said = [int(token) for token in passes[STEPS].labels if token != -100]  # type: ignore[arg-type]
    read, end = model.tokenizer.encode, int(model.tokenizer.eos_token_id)
    assert said == [token for step in problem.steps[2:] for token in [*read(step), end]]


@pytest.mark.parametrize("method", ["coconut", "icot", "coconut-no-thoughts"])
def test_a_run_goes_through_its_stages_and_is_resumed(method: str, tmp_path: Path) -> None:
    recipe = tiny_recipe(method=method, curriculum=AT_END, evaluate_every=3)
    train(recipe, tmp_path / "whole")
    assert any(stage.from_end for stage in recipe.stages)
    train(recipe, tmp_path / "parts", until=4)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_stage_ends_by_the_loss_of_the_answer() -> None:
    curriculum = replace(tiny_recipe().curriculum, advance=1.0)
    seen = {"loss_by_part": {"first_step": 0.1, "answer": 2.0}}
    assert is_learned(Stage(1, removed=1), seen, curriculum)
    assert not is_learned(Stage(1, removed=1, from_end=True), seen, curriculum)


@pytest.mark.parametrize("method", ["cot", "codi", "coconut-no-curriculum"])
def test_a_method_without_a_gradual_curriculum_has_no_order(method: str) -> None:
    with pytest.raises(CoconutError, match=f"curriculum.order 'end': method '{method}' has no stage at which"):
        load_recipe("small", ["curriculum.lookup=0", "curriculum.order=end", f"method={method}"])
    with pytest.raises(CoconutError, match=r"'curriculum.order' must be one of start, end, not 'middle'"):
        load_recipe("small", ["curriculum.order=middle"])
