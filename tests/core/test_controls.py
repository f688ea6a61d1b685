"""The controls: each feeds what its name says, the counts are right, and the instrument itself is tested."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.controls import ControlStudy, compare, run_controls, study_problems
from coconut_core.evaluation.verdict import OTHERS, SWAPS, ControlResult, Usage, judge_usage, with_adjusted
from coconut_core.interventions import Plan
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import Problem, generate_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.records.answers import conclusion, is_right
from coconut_core.runs.generate import generate
from coconut_core.runs.rows import Recording
from coconut_core.runs.session import Session
from tests.core.ignoring_model import easy_problems, train_ignoring_model
from tests.core.precision import EXACT
from tests.core.tiny_models import tiny_model

SMALL = ProsqaSize(nodes=(5, 7), hops=(1, 3))


def problems_of(count: int, seed: int = 1) -> list[Problem]:
    return generate_problems("prosqa", count, seed, size=SMALL)


@pytest.fixture(scope="module")
def study() -> ControlStudy:
    return study_problems(tiny_model("llama"), problems_of(12), max_new_tokens=6)


def plans_of(study: ControlStudy, name: str) -> list[Plan | None]:
    return [study.plans([CONTROLS[name]], case, number)[name] for number, case in enumerate(study.cases)]


def fed(plan: Plan | None) -> list[torch.Tensor]:
    """The vectors that a plan feeds, whatever the state."""
    assert plan is not None
    return [edit(torch.zeros(32)) for _, edit in sorted(plan.edits.items())]


def test_each_control_feeds_what_its_name_says(study: ControlStudy) -> None:
    own = [list(case.own.thoughts) for case in study.cases]
    marker = study.model.embed(torch.tensor([study.model.config.latent_id]))[0]
    for number, case in enumerate(study.cases):
        plans = {name: plans_of(study, name)[number] for name in CONTROLS}
        assert plans["none"] is not None
        assert (plans["none"].thoughts, plans["none"].edits) == (0, {})
        assert all(not vector.any() for vector in fed(plans["zero"]))
        assert all(torch.equal(vector, marker) for vector in fed(plans["pause"]))
        for place, vector in enumerate(fed(plans["mean"])):
            torch.testing.assert_close(vector, torch.stack([run[place] for run in own]).mean(dim=0))
        for vector, thought in zip(fed(plans["noise"]), own[number], strict=True):
            assert float(vector.norm()) == pytest.approx(float(thought.norm()), rel=1e-4)
            assert not torch.allclose(vector, thought)
        shuffled = [
            next(place for place, each in enumerate(own[number]) if torch.equal(each, vector))
            for vector in fed(plans["shuffled"])
        ]
        assert sorted(shuffled) == [0, 1, 2]
        assert shuffled != [0, 1, 2]
        for name in ("random", "same-hop", "twin"):
            assert name not in case.donors or all(
                torch.equal(vector, thought)
                for vector, thought in zip(fed(plans[name]), case.donors[name].own.thoughts, strict=True)
            )
    assert all(case.donors["random"].problem != case.problem for case in study.cases)
    assert all(
        len(case.donors["same-hop"].problem.steps) == len(case.problem.steps)
        for case in study.cases
        if "same-hop" in case.donors
    )
    assert all(case.donors["twin"].problem.answer != case.problem.answer for case in study.cases)


def test_a_control_is_the_text_that_can_be_typed() -> None:
    """What `ask --do` does with the texts, of which all but the swaps draw what they draw from a seed."""
    study = study_problems(tiny_model("llama", dtype=torch.float64), problems_of(3), max_new_tokens=6)
    texts = {name: control.text for name, control in CONTROLS.items() if not control.donor and name != "mean"}
    assert len(texts) == 6
    for number, case in enumerate(study.cases):
        sources = Sources(study.model, case.problem.question, case.problem, draw=number)
        for name, text in texts.items():
            typed, control = (Session(study.model, case.problem.question) for _ in range(2))
            typed.apply(parse_plan(text, sources))
            control.apply(study.plan(CONTROLS[name], case, number))
            typed.finish()
            control.finish()
            assert typed.text == control.text
            for one, other in zip(typed.thought_steps(), control.thought_steps(), strict=True):
                torch.testing.assert_close(one.hidden, other.hidden, **EXACT)


def test_the_guide_shows_each_control_with_its_text() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "CONTROLS.md").read_text(encoding="utf-8")
    for name, control in CONTROLS.items():
        assert f"| `{name}` | `{control.text}` |" in guide


def test_a_problem_without_thoughts_has_the_controls_that_put_something_there(study: ControlStudy) -> None:
    """A model whose rule ends thinking may take none for some problems."""
    case = replace(study.cases[0], own=Recording(torch.zeros(0, 0)), donors={})
    plans = study.plans(list(CONTROLS.values()), case)
    there = ("none", "zero", "pause", "mean", "noise", "nearest")
    assert {name: (plan.thoughts, plan.edits) for name, plan in plans.items() if plan is not None} == {
        name: (0, {}) for name in there
    }


def test_controls_side_by_side_are_what_each_alone_gives(study: ControlStudy) -> None:
    """A batch of variants on a shared prompt against one evaluation for each control."""
    names = list(CONTROLS)
    plans = [
        study.plans([CONTROLS[name] for name in names], case, number) for number, case in enumerate(study.cases)
    ]
    together = {result.name: result for result in compare(study, plans)}
    for name in names:
        chosen = [
            (case, each[name]) for case, each in zip(study.cases, plans, strict=True) if each[name] is not None
        ]
        answers = generate(
            study.model,
            [case.problem.question for case, _ in chosen],
            max_new_tokens=6,
            answer_only=True,
            plans=[plan for _, plan in chosen],
        )
        real = [case.answer.text for case, _ in chosen]
        assert together[name].count == len(chosen)
        assert together[name].changed == sum(
            answer.text != was for answer, was in zip(answers, real, strict=True)
        )
        assert together[name].right == sum(
            is_right(answer.text, case.problem, "###")
            for answer, (case, _) in zip(answers, chosen, strict=True)
        )


def test_identical_copies_change_nothing_over_200_seeds() -> None:
    """The true null: thoughts swapped with copies of themselves, each of 200 times beside other rows."""
    study = study_problems(tiny_model("llama"), problems_of(60, seed=3), max_new_tokens=4)
    order = list(range(200))
    plans: list[dict[str, Plan | None]] = []
    for case in study.cases:
        random.Random(case.problem.question).shuffle(order)
        plans.append({f"copy {number}": Plan.feeding(case.own.thoughts) for number in order})
    results = compare(study, plans)
    assert len(results) == 200
    assert [result.changed for result in results] == [0] * 200


def test_false_alarms_stay_at_the_nominal_rate_over_200_seeds() -> None:
    """Answers that change for no reason, as often for the worse as for the better, are rarely taken for use."""
    names, alarms = (*SWAPS, *OTHERS), 0
    for seed in range(200):
        rng = random.Random(seed)
        results = []
        for name in names:
            moved = [rng.choice((0, 0, 0, 0, 1, -1)) for _ in range(200)]
            lost, won = moved.count(1), moved.count(-1)
            results.append(
                ControlResult(name, 200, 120 - lost + won, 120, lost, won, lost + won, 0, 0, p_adjusted=1.0)
            )
        alarms += judge_usage(0.6, with_adjusted(results)).usage in (Usage.USED, Usage.PARTLY_USED)
    assert alarms <= 17  # 5 % of 200 is 10; 17 is the upper end of the binomial's 98 %


def test_a_model_built_to_ignore_its_thoughts_is_found_not_to_use_them() -> None:
    """Without attention's output a model reads nothing but its last token; it is right about what it says."""
    model = tiny_model("llama")
    with torch.no_grad():
        for layer in model.base_lm.base_model.layers:
            layer.self_attn.o_proj.weight.zero_()
    problems = problems_of(60)
    said = generate(model, [problem.question for problem in problems], answer_only=True, max_new_tokens=8)
    said_before = [
        Problem(each.question, each.steps, answer.text.removeprefix("###").strip(), each.graph)
        for each, answer in zip(problems, said, strict=True)
    ]
    found = run_controls(model, said_before, max_new_tokens=8)
    assert found.accuracy == 1.0
    assert found.verdict.usage is Usage.NOT_USED


@pytest.mark.slow
def test_a_model_trained_to_ignore_its_thoughts_is_found_not_to_use_them(tmp_path: Path) -> None:
    found = run_controls(train_ignoring_model(tmp_path), easy_problems(100, seed=2))
    assert found.accuracy > 0.9
    assert found.verdict.usage is Usage.NOT_USED


def test_single_thoughts_are_left_out_swapped_and_cut_off(study: ControlStudy) -> None:
    found = run_controls(
        study.model, [case.problem for case in study.cases], names=["none"], per_thought=True, max_new_tokens=6
    )
    names = [result.name for result in found.per_thought]
    assert names == [
        *(f"without {k}" for k in (1, 2, 3)),
        *(f"swapped {k}" for k in (1, 2, 3)),
        "first 1",
        "first 2",
    ]
    firsts = {result.name: result for result in found.per_thought}
    for count in (1, 2):
        alone = generate(
            study.model,
            [case.problem.question for case in study.cases],
            thoughts=count,
            max_new_tokens=6,
            answer_only=True,
        )
        changed = sum(answer.text != case.answer.text for answer, case in zip(alone, study.cases, strict=True))
        assert firsts[f"first {count}"].changed == changed


def test_the_same_seed_gives_the_same_result() -> None:
    def run(seed: int) -> tuple[ControlResult, ...]:
        return run_controls(tiny_model("gpt2"), problems_of(10), seed=seed, max_new_tokens=4).results

    assert run(1) == run(1)


@pytest.mark.parametrize(
    ("answer", "word"), [("Alex is a lempus.", "lempus"), ("True", "True"), ("18", "18"), ("", ""), (" . ", "")]
)
def test_the_conclusion_of_an_answer(answer: str, word: str) -> None:
    assert conclusion(answer) == word


def refused(model: CoconutModel, problems: Sequence[Problem], why: str, **options: object) -> None:
    with pytest.raises(CoconutError, match=why) as caught:
        run_controls(model, problems, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_what_cannot_be_controlled_is_refused() -> None:
    model = tiny_model("llama")
    refused(model, [], "no problems")
    refused(model, problems_of(2), "unknown control 'nothing'", names=["nothing"])
    refused(model, problems_of(2), "takes no thoughts", thoughts=0)


def test_a_model_whose_thoughts_are_no_embeddings_has_the_other_controls() -> None:
    found = run_controls(tiny_model("llama", feedback="mixture"), problems_of(4), max_new_tokens=4)
    assert {"none", "mean", "random"} <= {result.name for result in found.results}
    assert not {"pause", "nearest"} & {result.name for result in found.results}
