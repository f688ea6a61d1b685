"""The bundled model: nobody labelled its thoughts; it answers, needs them, and they hold the search."""

import json
from pathlib import Path

import pytest

from coconut_core.analysis.search import frontier_readings
from coconut_core.analysis.study import Study
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.evaluation.outcomes import Outcome
from coconut_core.evaluation.verdict import Usage, usage_line
from coconut_core.interventions import Zero
from coconut_core.problems import Problem, example_problem, generate_problems, read_problems, trained_size
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from tests.cli.conftest import Run, coconut  # noqa: F401  (a fixture)
from tests.models.conftest import Terminal
from tests.tui.conftest import shown, until

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "prosqa"
OFFICIAL = ROOT.parent / "shared" / "data" / "prosqa_valid.json"
FLOOR = 0.9  # accuracy, well under what the card says


@pytest.fixture(scope="module")
def problems(model: CoconutModel) -> list[Problem]:
    """Graphs that it was not trained on: another seed than the pool's, and of the test split."""
    assert trained_size("prosqa", model.config.recipe) is None  # the official size
    return generate_problems("prosqa", 200, 5, "test")


def test_it_answers_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    assert evaluate(model, problems).accuracy > 0.9
    assert evaluate(model, problems, thoughts=2).accuracy < 0.6
    assert evaluate(model, problems, thoughts=0).accuracy < 0.2


def test_another_problems_thoughts_bring_its_answer(model: CoconutModel, problems: list[Problem]) -> None:
    controls = run_controls(model, problems[:60], names=["none", "random", "twin"])
    assert controls.verdict.usage is Usage.USED
    random, twin = (next(row for row in controls.results if row.name == name) for name in ("random", "twin"))
    assert random.donor is not None
    assert random.donor / random.count > 0.5
    assert twin.counterfactual / twin.counterfactual_count > 0.8


def test_its_thoughts_hold_the_frontier_hop_by_hop(model: CoconutModel, problems: list[Problem]) -> None:
    """Far above the same graphs with their names dealt out anew, which nobody trained it on."""
    study = Study(model, problems[:100], thoughts=6)
    real, control = (frontier_readings(study, maps) for maps in (study.maps, study.control_maps))
    for place in range(4):
        assert real[place]["frontier"].mean > 0.6
        assert control[place]["frontier"].mean < 0.35


def test_the_verdict_kept_with_it_is_of_these_weights() -> None:
    assert usage_line(FOLDER).startswith("USED: 96 % right with them, 7 % without them")


def test_no_thought_of_it_was_labelled(model: CoconutModel) -> None:
    assert model.config.recipe is not None
    assert model.config.recipe["label_thoughts"] == "last"
    assert model.config.recipe["method"] == "coconut"


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official validation set (../shared/data) is not here")
def test_it_answers_the_official_validation_set(model: CoconutModel) -> None:
    official = read_problems(OFFICIAL)
    assert evaluate(model, official).accuracy > FLOOR
    assert evaluate(model, official, thoughts=0).accuracy < FLOOR - 0.3


def test_a_thought_without_content_costs_answers(model: CoconutModel, problems: list[Problem]) -> None:
    changed = 0
    for problem in problems[:30]:
        run = model.start(problem.question)
        said = run.finish()
        twin = run.fork()
        twin.edit(2, Zero())
        changed += twin.finish() != said
        assert run.text == said
    assert changed >= 5


def test_the_folder_is_small_and_has_a_card() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 20_000_000
    assert "95 % interval" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_ask_prints_the_right_answer_of_the_demo(coconut: Run) -> None:  # noqa: F811
    problem = example_problem("prosqa", 1)
    record = json.loads(coconut("ask", "--model", FOLDER, "--example", 1, "--json").stdout)
    assert record["right"] is True
    assert record["answer"] == problem.answer
    assert len(record["thoughts"]) == 6


async def test_the_app_steps_it_from_question_to_answer() -> None:
    app = Explorer(ModelChoice(str(FOLDER), "cpu"), example=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda app: app.view is not None and not app.activity)
        for count in range(1, 7):
            await pilot.press("s")
            await until(pilot, lambda app, count=count: len(app.view.steps) == count)  # type: ignore[misc]
        assert shown(pilot).view.mode == "thinking"
        await pilot.press("c")
        await until(pilot, lambda app: app.view.over)
        assert shown(pilot).view.text.endswith(example_problem("prosqa", 1).answer)


@pytest.mark.terminal
def test_a_person_steps_it_in_a_real_terminal(terminal: Terminal) -> None:
    terminal.start(f"--model {FOLDER} --device cpu")
    terminal.see("Thoughts 0/6")
    for number in range(1, 7):
        terminal.press("s")
        terminal.see(f"Thoughts {number}/6")
    terminal.press("2")
    terminal.see("frontier")
    terminal.press("c")
    terminal.see("✓ right")
    terminal.press("C-q")
    terminal.ended()


def test_its_sibling_reasons_in_words(problems: list[Problem]) -> None:
    """models/prosqa-cot takes no thoughts, tells a path that is there, and mostly one to the target."""
    sibling = CoconutModel.from_pretrained(FOLDER.with_name("prosqa-cot"), device="cpu")
    found = evaluate(sibling, problems[:60], answer_only=False)
    assert {answer.thoughts for answer in found.answers} == {0}
    assert found.outcome_counts[Outcome.HALLUCINATION] <= 6  # 11 of 500 on the official test set
    assert found.outcome_counts[Outcome.CORRECT_LABEL] == 0
    assert 38 <= sum(found.right) <= 58  # 81 % of a thousand; p = 0.0004 to lie outside
