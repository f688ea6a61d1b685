"""Probes: the regression is exact, what is there is found, and what is not there is not."""

import random
from dataclasses import replace
from math import isnan, log1p

import pytest
import torch
from torch import Tensor

from coconut_core.analysis.probes import (
    STRENGTHS,
    Ridge,
    Task,
    area_under_curve,
    by_type,
    corrected,
    explained_variance,
    run_probe,
    split,
)
from coconut_core.analysis.probing import frontier_task, likeliest_words, number_task, read_probes, step_values
from coconut_core.analysis.results import result_readouts
from coconut_core.analysis.study import Study
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, generate_problems
from coconut_core.training.recipe import load_recipe
from coconut_core.training.start import build_model
from tests.core.tiny_models import tiny_model


def inputs_of(count: int, width: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator) * torch.arange(1, width + 1) + 5


def number(labels: Tensor, control: Tensor | None = None) -> Task:
    """A task of one number a problem, scored by R²."""

    def score_of(wanted: Tensor):
        baseline = float(wanted.mean())
        return lambda told, rows: explained_variance(told[:, 0], wanted[list(rows), 0], baseline)

    control = labels if control is None else control
    return Task(labels, control, score_of(labels), score_of(control))


@pytest.mark.parametrize("count", [40, 8], ids=["more rows than columns", "fewer"])
def test_the_ridge_is_the_closed_form(count: int) -> None:
    inputs, train = inputs_of(count + 5), list(range(count))
    labels = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))
    told = Ridge(inputs, train, range(count, count + 5)).predict(labels, 10.0)
    exact = inputs.double()
    standard = (exact - exact[:count].mean(dim=0)) / exact[:count].std(dim=0)
    known, mean = standard[:count], labels.double().mean(dim=0)
    weights = torch.linalg.solve(
        known.T @ known + 10.0 * torch.eye(12, dtype=torch.float64), known.T @ (labels - mean)
    )
    torch.testing.assert_close(told, standard[count:] @ weights + mean)


def test_its_strength_has_the_least_leave_one_out_error() -> None:
    """Held against leaving out one row after the other, with the scale of the coordinates kept."""
    inputs = inputs_of(20, 6)
    labels = (inputs[:, :1] + 3 * torch.randn(20, 1, generator=torch.Generator().manual_seed(1))).double()
    standard = ((inputs - inputs.mean(dim=0)) / inputs.std(dim=0)).double()
    errors = []
    for strength in STRENGTHS:
        total = 0.0
        for left in range(20):
            rest = [row for row in range(20) if row != left]
            centre, mean = standard[rest].mean(dim=0), labels[rest].mean(dim=0)
            known = standard[rest] - centre
            penalty = strength * torch.eye(6, dtype=torch.float64)
            weights = torch.linalg.solve(known.T @ known + penalty, known.T @ (labels[rest] - mean))
            total += float(((standard[left] - centre) @ weights + mean - labels[left]) ** 2)
        errors.append(total)
    assert Ridge(inputs, range(20), range(20)).strength(labels) == STRENGTHS[errors.index(min(errors))]


def test_a_planted_number_is_found_and_a_random_one_is_not() -> None:
    inputs = inputs_of(150)
    generator = torch.Generator().manual_seed(3)
    planted = inputs[:, 3:4] - inputs[:, 7:8] + torch.randn(150, 1, generator=generator)
    noise = torch.randn(150, 1, generator=generator)
    found = run_probe(inputs, number(planted, noise), seed=0)
    assert found.score > 0.9
    assert found.p == pytest.approx(1 / 201)
    assert found.null_high < 0.2
    assert found.selectivity == pytest.approx(found.score - found.control)
    assert found.control < 0.2
    assert (found.trained_on, found.tested_on) == (100, 50)
    nothing = run_probe(inputs, number(noise), seed=0)
    assert nothing.score < 0.2
    assert nothing.p > 0.05


def test_false_alarms_stay_at_their_rate() -> None:
    inputs = inputs_of(45)
    alarms = 0
    for seed in range(200):
        labels = torch.randn(45, 1, generator=torch.Generator().manual_seed(seed))
        alarms += run_probe(inputs, number(labels), seed, permutations=19).p <= 0.05
    assert 1 <= alarms <= 20  # expected 10 of 200; binomial, beyond these bounds with a chance of 0.002


def test_p_is_corrected_for_the_number_of_probes() -> None:
    inputs = inputs_of(60)
    labels = inputs[:, :1] * 1.0
    probe = run_probe(inputs, number(labels), 0, permutations=99)
    probes = corrected({0: probe, 1: replace(probe, p=0.5), 2: replace(probe, p=0.02)})
    assert [each.p for each in probes.values()] == pytest.approx([0.03, 0.5, 0.04])


def test_too_few_problems_are_refused() -> None:
    with pytest.raises(CoconutError, match="at least 30 problems"):
        run_probe(inputs_of(29), number(torch.zeros(29, 1)), 0)


def test_the_parts_of_a_split_share_no_problem() -> None:
    train, test = split(100, seed=4)
    assert len(test) == 33
    assert sorted(train + test) == list(range(100))
    assert split(100, seed=4) == (train, test) != split(100, seed=5)


def test_area_under_the_curve() -> None:
    positive = torch.tensor([True, True, False, False])
    assert area_under_curve(torch.tensor([4.0, 3.0, 2.0, 1.0]), positive) == 1.0
    assert area_under_curve(torch.tensor([1.0, 2.0, 3.0, 4.0]), positive) == 0.0
    assert area_under_curve(torch.tensor([4.0, 2.0, 3.0, 1.0]), positive) == 0.75
    assert area_under_curve(torch.tensor([1.0, 1.0, 1.0, 1.0]), positive) == 0.5
    assert isnan(area_under_curve(torch.tensor([1.0, 2.0]), torch.tensor([True, True])))


def test_explained_variance() -> None:
    wanted = torch.tensor([1.0, 2.0, 3.0])
    assert explained_variance(wanted, wanted, 2.0) == 1.0
    assert explained_variance(torch.full((3,), 2.0), wanted, 2.0) == 0.0
    assert isnan(explained_variance(wanted, torch.full((3,), 2.0), 2.0))


def test_labels_of_the_control_task_are_one_for_each_type() -> None:
    drawn = by_type(["a", "b", "a", "c"], random.Random.random)
    assert drawn[0] == drawn[2]
    assert len(set(drawn)) == 3


def test_the_frontier_task_asks_for_the_frontier() -> None:
    problems = generate_problems("prosqa", 40, seed=2)
    study = Study(tiny_model("llama", max_positions=512), problems, 1)
    rows = list(range(0, 40, 2))
    task = frontier_task(study, study.maps, 1, rows)
    tokens = torch.cat([study.tokens(study.maps[row].graph) for row in rows]).unique()
    assert task.labels.shape == (20, len(tokens))
    for number, row in enumerate(rows):
        known = study.maps[row]
        frontier = study.tokens(known.graph)[list(known.frontier(2))]
        assert set(tokens[task.labels[number] > 0].tolist()) == set(frontier.tolist())
    assert task.score(task.labels, range(20)) == 1.0
    assert task.score(-task.labels, range(20)) == 0.0
    assert task.control_score(task.control, range(20)) == 1.0
    assert abs(float((task.control > 0).sum()) / float((task.labels > 0).sum()) - 1) < 0.4
    types = likeliest_words(study, 1)
    same = [(a, b) for a in range(20) for b in range(a) if types[rows[a]] == types[rows[b]]]
    assert same
    for a, b in same:
        shared = set(study.tokens(study.maps[rows[a]].graph).tolist())
        shared &= set(study.tokens(study.maps[rows[b]].graph).tolist())
        columns = torch.searchsorted(tokens, torch.tensor(sorted(shared)))
        assert torch.equal(task.control[a, columns], task.control[b, columns])


def test_a_frontier_written_into_thoughts_is_found() -> None:
    """Thoughts that hold the embeddings of the frontier's names, and noise."""
    problems = generate_problems("prosqa", 90, seed=2)
    model = tiny_model("llama", max_positions=512)
    study = Study(model, problems, 0)
    table = torch.randn(80, 60, generator=torch.Generator().manual_seed(0))
    states = torch.stack(
        [table[study.tokens(each.graph)[list(each.frontier(1))]].sum(dim=0) for each in study.maps]
    )
    task = frontier_task(study, study.maps, 0, range(90))
    found = run_probe(states, task, 0, permutations=19)
    assert found.score > 0.95
    assert found.null_mean == pytest.approx(0.5, abs=0.1)
    noise = torch.randn(90, 60, generator=torch.Generator().manual_seed(1))
    assert run_probe(noise, task, 0, permutations=19).score < 0.65


def test_values_of_steps() -> None:
    problem = Problem("How many?", ("<<48/2=24>>", "<<24-48=-24>>", "<<1/4=.25>>"), "1")
    assert step_values(problem) == pytest.approx([log1p(24), -log1p(24), log1p(0.25)])
    assert step_values(replace(problem, steps=("<<48/2=24>>", "Alex is a lempus."))) == []


def test_probes_of_sums_and_of_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    questions = [f"Is {name} a lempus or rompus?" for name in ("Alex", "Bob", "Eva", "Sam", "Tom")] * 8
    problems = [
        Problem(question, (f"<<{n % 5}+1={n % 5 + 1}>>",) * (1 + n % 2), str(n % 5 + 1))
        for n, question in enumerate(questions)
    ]
    section = read_probes(Study(model, problems, 2))
    assert list(section.record) == ["step 1"], "only 20 problems have a second step"
    assert [row["thought"] for row in section.record["step 1"]] == ["1", "2", "end"]
    first = section.record["step 1"][0]
    assert first["score"] > 0.9, "the value hangs on the name, which the state holds"
    assert first["null_mean"] < 0.5
    with pytest.raises(CoconutError, match="at least 30 with steps"):
        read_probes(Study(model, problems[:20], 2))
    task = number_task(Study(model, problems, 2), 0, range(40), [float(n % 5) for n in range(40)])
    assert len(set(task.control[::5, 0].tolist())) == 1, "one question, one type, one label"


def test_what_the_readout_says_of_each_result() -> None:
    model = build_model(load_recipe("sums-base", ["model.hidden_size=16", "model.intermediate_size=16"]))
    problems = generate_problems("sums", 40, seed=2)
    study = Study(model, problems, 2)
    said = result_readouts(study)
    assert len(said) == max(len(problem.steps) for problem in problems)
    for step, places in enumerate(said):
        rows = [row for row, problem in enumerate(problems) if len(problem.steps) > step]
        tokens = [
            model.tokenizer.convert_tokens_to_ids(f" {problems[row].steps[step][2:-2].split('=')[1]}")
            for row in rows
        ]
        for place, each in enumerate(places):
            shares = torch.softmax(study.logits(study.runs.states[:, place]), dim=-1)
            wanted = [float(shares[row, token]) for row, token in zip(rows, tokens, strict=True)]
            assert each.probability.mean == pytest.approx(sum(wanted) / len(rows))
            assert each.likeliest.mean == pytest.approx(
                sum(int(shares[row].argmax()) == token for row, token in zip(rows, tokens, strict=True))
                / len(rows)
            )
    section = read_probes(study)
    assert section.tables[0].head[1] == "step 1, n=40"
    assert len(section.record["said"]) == len(said)
    assert "results" in section.figures
    planted = study.runs.states.clone()
    embeddings = model.embedding_table().detach()
    for row, problem in enumerate(problems):
        token = model.tokenizer.convert_tokens_to_ids(f" {problem.steps[0][2:-2].split('=')[1]}")
        planted[row, 1] = embeddings[token] * 1e3
    study.runs = replace(study.runs, states=planted)
    assert result_readouts(study)[0][1].likeliest.mean == 1.0
