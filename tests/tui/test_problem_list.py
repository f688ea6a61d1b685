"""The list of problems: its orders, what became of them by their number of steps, and where they come from."""

import json
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from coconut_core.problems import generate_problems
from coconut_tui.app import Explorer
from coconut_tui.run.branches import Said
from coconut_tui.run.collection import Collection, Tally
from coconut_tui.run.controlled import Swaps
from coconut_tui.saved.keeper import Keeper
from coconut_tui.screens.problems import ProblemsScreen, tallies_text
from tests.tui.conftest import explorer, settled, until

PROBLEMS = generate_problems("prosqa", 8, seed=5)


def said(right: bool) -> Said:
    return Said("words", "answer", "end", right)


def judged() -> Collection:
    collection = Collection(PROBLEMS, None)
    collection.note({1: said(True), 2: said(False), 4: said(True)})
    collection.note_swaps({1: Swaps(1, 6), 4: Swaps(5, 6)})
    return collection


def test_problems_are_ordered() -> None:
    collection, numbers = judged(), list(range(1, 9))
    by_steps = collection.ordered(numbers, "steps")
    steps = [len(PROBLEMS[number - 1].steps) for number in by_steps]
    assert steps == sorted(steps)
    assert collection.ordered(numbers, "answer") == [2, 1, 4, 3, 5, 6, 7, 8]
    assert collection.ordered(numbers, "swaps") == [4, 1, 2, 3, 5, 6, 7, 8]
    assert collection.ordered([3, 1, 2], "number") == [1, 2, 3]


def test_they_are_counted_by_steps() -> None:
    tallies = judged().tallies(range(1, 9))
    assert list(tallies) == sorted({len(problem.steps) for problem in PROBLEMS})
    assert sum(tally.count for tally in tallies.values()) == 8
    assert sum(tally.right for tally in tallies.values()) == 2
    lines = tallies_text({3: Tally(4, 4, 3), 5: Tally(2)}, 100).plain.splitlines()
    assert lines[0].startswith("right  3: ████████████     3/4  5:")
    assert lines[1] == "used   not known yet"
    assert "ctrl+a" in tallies_text({3: Tally(4)}, 100).plain


async def test_f3_sorts_and_nothing_moves_while_one_filters(checkpoint: Path) -> None:
    async with explorer(checkpoint, problems=PROBLEMS).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        app.problems.note({1: said(True), 2: said(False)})
        await pilot.press("P")
        screen = app.screen
        assert isinstance(screen, ProblemsScreen)
        options = screen.query_one(OptionList)

        def first(app: Explorer) -> str:
            return str(options.options[0].prompt).split()[1] if options.option_count else ""

        await until(pilot, lambda app: first(app) == "1")
        where = options.region
        assert "right  " in str(screen.query_one("#problem-tallies", Static).render())
        await pilot.press("f3", "f3")
        await until(pilot, lambda app: first(app) == "2")
        assert "said▾" in str(screen.query_one("#problem-heads", Static).render())
        assert options.highlighted == 1, "the cursor stays on its problem"
        screen.query_one(Input).value = "open"
        await until(pilot, lambda app: first(app) == "3")
        assert options.region == where


def test_a_session_knows_its_problems_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"q": each.question, "steps": list(each.steps), "answer": each.answer} for each in PROBLEMS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    table = Keeper(problem_file=Path("rows.jsonl?question=q"))
    of_the_hub = Keeper(problem_file=Path("hub:some/set?split=test"))
    monkeypatch.chdir("/")
    assert [each.question for each in table.problems()] == [each.question for each in PROBLEMS]
    assert of_the_hub.problem_file == "hub:some/set?split=test"
