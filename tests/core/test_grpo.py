"""GRPO: the published objective in plain forwards, answers drawn as runs draw them, a reward that rises."""

import random
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, generate_problems, write_problems
from coconut_core.records.answers import is_right
from coconut_core.runs.generate import generate
from coconut_core.terminal.progress import lines
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.encoding import Encoder, Example
from coconut_core.training.methods import grpo
from coconut_core.training.methods.objective import Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.table import method_named, with_defaults
from coconut_core.training.recipe import load_recipe
from tests.core.reference import logits_of_row
from tests.core.sequence_rows import gradients
from tests.core.tiny_models import tiny_model
from tests.core.tiny_recipes import assert_same_weights, go_on, tiny_recipe, train, trainer_for

PROBLEMS = generate_problems("prosqa", 2, 4)
STAGE = Stage(1, removed=ALL, thoughts=2)
TEMPERATURE = 0.7


def examples_of(model: CoconutModel) -> list[Example]:
    encoder = Encoder(model.tokenizer, model.config)
    return [encoder.encode(encoder.tokenize(problem), STAGE) for problem in PROBLEMS]


def plain_log_probabilities(model: CoconutModel, example: Example) -> torch.Tensor:
    """Of each word of an answer, (words,), one sequence by itself."""
    scores = logits_of_row(model, example.ids).clone() / TEMPERATURE
    scores[:, model.config.latent_id] = -torch.inf
    places = [place for place, label in enumerate(example.labels) if label != -100]
    return torch.stack([scores[place - 1].log_softmax(-1)[example.ids[place]] for place in places])


def plain_loss(
    model: CoconutModel, start: CoconutModel, drawn: list[Example], clip: float, kl: float
) -> torch.Tensor:
    """Equation 3 of arXiv 2402.03300 (with the estimator of its equation 4), to be minimised."""
    answers = []
    for example in drawn:
        new = plain_log_probabilities(model, example)
        with torch.no_grad():
            first = plain_log_probabilities(start, example)
        total = torch.zeros((), dtype=new.dtype)
        words = [place for place, label in enumerate(example.labels) if label != -100]
        for number, place in enumerate(words):
            old, advantage = example.numbers["drawn"][place], example.numbers["advantage"][place]
            ratio = torch.exp(new[number] - old)
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
            difference = first[number] - new[number]
            total = total + gain - kl * (torch.exp(difference) - difference - 1)
        answers.append(total / len(words))
    return -torch.stack(answers).mean()


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_loss_and_gradients_are_those_of_the_published_objective(architecture: str, kl: float) -> None:
    model = tiny_model(architecture, dtype=torch.float64).eval()
    changes = {"kl": kl, "updates": 2, "group": 3, "words": 6, "temperature": TEMPERATURE, "clip": 0.1}
    options = with_defaults("grpo", changes)
    drawn, _ = grpo.sample(model, examples_of(model), options, seed=1)
    start = deepcopy(model)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():  # another step has been taken since they were drawn, and many since the beginning
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
        for weight in start.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    gains = torch.randn(len(drawn), generator=generator).tolist()  # no answer of random weights is right
    drawn = [
        replace(each, numbers={**each.numbers, "advantage": [gain] * len(each.ids)})
        for each, gain in zip(drawn, gains, strict=True)
    ]
    expected = plain_loss(model, start, drawn, options["clip"], kl)
    expected.backward()
    wanted = gradients(model)
    model.companion = grpo.Reference(start if kl else None)
    pad = model.tokenizer.pad_token_id
    assert isinstance(pad, int)
    objective = Objective(model, method_named("grpo"), options, model.forward, pad)
    found = objective(drawn, StepSize.of(drawn))
    assert set(found.terms) == ({"policy", "kl"} if kl else {"policy"})
    torch.testing.assert_close(found.total.double(), expected, rtol=1e-5, atol=1e-5)
    found.total.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-5, atol=1e-5, msg=name)


def test_answers_are_drawn_as_a_run_draws_them_and_judged_within_their_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model("llama").eval()
    options = with_defaults("grpo", {"group": 3, "words": 5, "updates": 2, "temperature": TEMPERATURE})
    rewards = iter([1.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(grpo, "reward", lambda *given: next(rewards))  # of random weights none is right
    drawn, measures = grpo.sample(model, examples_of(model), options, seed=4)
    assert measures["reward"] == pytest.approx(4 / 6)
    monkeypatch.undo()
    rng = random.Random(4)
    seeds = [rng.getrandbits(62) for _ in drawn]
    questions = [problem.question for problem in PROBLEMS for _ in range(3)]
    answers = generate(model, questions, thoughts=2, max_new_tokens=5, temperature=TEMPERATURE, seed=seeds)
    for number, (example, answer) in enumerate(zip(drawn, answers, strict=True)):
        said = example.ids[len(example.ids) - len(answer.token_ids) :]
        assert said == answer.token_ids == [label for label in example.labels if label != -100]
        assert example.ids.count(model.config.latent_id) == 2
        gain = {0: 2 / 3, 1: -1 / 3, 2: -1 / 3}.get(number, 0.0) / (3**-0.5 + 1e-4)
        expected = [gain if label != -100 else 0.0 for label in example.labels]
        assert example.numbers["advantage"] == pytest.approx(expected, abs=1e-6)
        plain = plain_log_probabilities(model, example).tolist()
        known = [
            value
            for value, label in zip(example.numbers["drawn"], example.labels, strict=True)
            if label != -100
        ]
        assert known == pytest.approx(plain, abs=1e-4)


def test_a_reward_is_what_an_evaluation_counts_as_right() -> None:
    model = tiny_model("llama").eval()
    (example, *_), problem = examples_of(model), PROBLEMS[0]
    for text, right in ((f"### {problem.answer}", 1.0), (f"so ### {PROBLEMS[1].answer}", 0.0), ("", 0.0)):
        row = grpo._row(model, example, with_defaults("grpo", {}), seed=0)
        row.token_ids = [*model.tokenizer.encode(text), int(model.tokenizer.eos_token_id)]
        assert grpo.reward(model, example, row) == right == float(is_right(text, problem, "###"))


def guessing(folder: Path) -> tuple[Path, Path]:
    """A file in which each of two questions has both candidates as its answer, and one with the right ones."""
    right = generate_problems("prosqa", 2, 5)
    both = []
    for problem in right:
        graph = problem.graph
        assert graph is not None
        wrong = problem.answer.replace(graph.names[graph.target], graph.names[graph.wrong])
        assert wrong != problem.answer
        both += [problem, Problem(problem.question, problem.steps, wrong)]
    for name, problems in (("both", both), ("right", right)):
        write_problems(folder / f"{name}.json", problems)
    return folder / "both.json", folder / "right.json"


def changes_for(base: str, data: Path, steps: int, **options: Any) -> dict[str, Any]:
    return {
        "method": "grpo", "batch_size": 2, "evaluate_every": 1000, "checkpoint_every": 1000,
        "data": {"train": str(data), "validation": str(data)},
        "model": {"base": base}, "options": {"group": 8, "words": 12, **options},
        "optimizer": {"learning_rate": 3e-3, "warmup_steps": 1, "schedule": "constant"},
        "curriculum": {"lookup": 0, "stages": 2, "total": steps},
    }  # fmt: skip


@pytest.fixture(scope="module")
def guesser(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A model that has learned to answer by either candidate, and the file of right answers."""
    folder = tmp_path_factory.mktemp("grpo")
    both, right = guessing(folder)
    recipe = tiny_recipe(
        method="coconut-no-curriculum", batch_size=4, evaluate_every=1000, checkpoint_every=1000,
        data={"train": str(both)}, curriculum={"lookup": 0, "stages": 2, "total": 120},
        optimizer={"learning_rate": 1e-2},
    )  # fmt: skip
    train(recipe, folder / "base")
    return str(folder / "base" / "checkpoint"), right


def test_the_reward_rises(guesser: tuple[str, Path], tmp_path: Path) -> None:
    base, right = guesser
    trainer = trainer_for(tiny_recipe(**changes_for(base, right, 50)), tmp_path)
    rows: list[dict[str, Any]] = []
    trainer.run(rows.append)
    rewards = [row["sampled"]["reward"] for row in rows if "sampled" in row]
    assert 0.1 < rewards[0] < 0.9  # it guesses
    assert rewards[-1] > rewards[0] + 0.25
    assert [row["evaluation"]["accuracy"] for row in rows if "evaluation" in row][-1] == 1.0
    assert set(rows[0]["terms"]) == {"policy"}
    assert f"answers drawn: reward {rewards[0]:.2f}, words " in lines(rows[0])[0]


@pytest.mark.parametrize("options", [{}, {"updates": 3, "kl": 0.1}])
def test_a_resumed_run_ends_with_the_same_weights(
    options: dict[str, Any], guesser: tuple[str, Path], tmp_path: Path
) -> None:
    base, right = guesser
    recipe = tiny_recipe(**changes_for(base, right, 7, **options))
    trainer = trainer_for(recipe, tmp_path / "whole")
    trainer.run(lambda row: None)
    train(recipe, tmp_path / "parts", until=4)  # between two draws, where three steps learn from each
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    before = CoconutModel.from_pretrained(base, device="cpu").state_dict()
    state = trainer.plain_model.companion.get_extra_state()
    assert set(state) == (set(before) if options else set())
    assert all(torch.equal(state[name], before[name]) for name in state)


def test_micro_batches_learn_the_same(guesser: tuple[str, Path], tmp_path: Path) -> None:
    base, right = guesser
    train(tiny_recipe(**changes_for(base, right, 3)), tmp_path / "whole")
    train(tiny_recipe(**changes_for(base, right, 3), micro_batch=5), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)


def test_what_does_not_go_with_it_is_one_line() -> None:
    with pytest.raises(CoconutError, match=r"curriculum.lookup: method 'grpo' lays out"):
        load_recipe("small", ["method=grpo", "curriculum.lookup=3"])
    with pytest.raises(CoconutError, match=r"'options.group' must be from 2 to 1000, not 1"):
        load_recipe("small", ["method=grpo", "curriculum.lookup=0", "options.group=1"])
