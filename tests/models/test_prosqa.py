"""The bundled model: it answers, its thoughts matter, and it is driven in the app and in a real terminal."""

import json
from pathlib import Path

import pytest

from coconut_core.controls import run_controls
from coconut_core.evaluate import evaluate
from coconut_core.interventions import Zero
from coconut_core.model import CoconutModel
from coconut_core.outcomes import Outcome
from coconut_core.problems import Problem, example_problem, generate_problems, read_problems
from coconut_core.verdict import Usage, usage_line
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
def model() -> CoconutModel:
    return CoconutModel.from_pretrained(FOLDER, device="cpu")


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    """Graphs that it was not trained on: another seed than the pool's, and of the test split."""
    return generate_problems("prosqa", 200, seed=5, split="test")


def test_it_answers_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    with_thoughts = evaluate(model, problems).accuracy
    without = evaluate(model, problems, thoughts=0).accuracy
    assert with_thoughts > FLOOR
    assert with_thoughts - without > 0.3


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
    assert len(record["thoughts"]) == 7


async def test_the_app_steps_it_from_question_to_answer() -> None:
    app = Explorer(ModelChoice(str(FOLDER), "cpu"), example=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda app: app.view is not None and not app.activity)
        for count in range(1, 8):
            await pilot.press("s")
            await until(pilot, lambda app, count=count: len(app.view.steps) == count)  # type: ignore[misc]
        assert shown(pilot).view.mode == "thinking"
        await pilot.press("c")
        await until(pilot, lambda app: app.view.over)
        assert shown(pilot).view.text.endswith(example_problem("prosqa", 1).answer)


@pytest.mark.terminal
def test_a_person_steps_it_in_a_real_terminal(terminal: Terminal) -> None:
    terminal.start(f"--model {FOLDER} --device cpu")
    terminal.see("○ 7")
    for number in range(1, 8):
        terminal.press("s")
        terminal.see(f"◉ {number}")
    terminal.press("2")
    terminal.see("frontier")
    terminal.press("c")
    terminal.see("✓ right")
    terminal.press("C-q")
    terminal.ended()


def test_its_thoughts_are_found_to_be_used(model: CoconutModel) -> None:
    """The instrument on the bundled model: a swap costs accuracy, and the twin's thoughts give its answer."""
    found = run_controls(model, generate_problems("prosqa", 60, 6, "test"), names=["none", "random", "twin"])
    assert found.verdict.usage is Usage.USED
    twin = next(result for result in found.results if result.name == "twin")
    assert twin.counterfactual / twin.counterfactual_count > 0.8


def test_the_verdict_kept_with_it_is_of_these_weights() -> None:
    assert usage_line(FOLDER).startswith("USED: 95 % right with them, 24 % without them")


def test_its_sibling_reasons_in_words(problems: list[Problem]) -> None:
    """models/prosqa-cot takes no thoughts, and mostly tells a path that is there."""
    sibling = CoconutModel.from_pretrained(FOLDER.with_name("prosqa-cot"), device="cpu")
    found = evaluate(sibling, problems[:60], answer_only=False)
    assert {answer.thoughts for answer in found.answers} == {0}
    assert found.outcome_counts[Outcome.HALLUCINATION] < 20
    assert found.outcome_counts[Outcome.CORRECT_LABEL] == 0
