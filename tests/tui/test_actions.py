"""Every action of the table is driven, on a tiny random model; the table, the app and the docs agree."""

from collections import Counter
from pathlib import Path

import pytest
from textual.widgets import Input, TabbedContent, TextArea

from coconut_core.problems import example_problem
from coconut_core.trace import Trace
from coconut_tui.actions import ACTIONS, keys_table
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.widgets.thoughts import ThoughtsPane
from tests.tui.conftest import shown, steps_taken, until

DRIVEN: set[str] = set()


def explorer(checkpoint: Path, **options: object) -> Explorer:
    return Explorer(ModelChoice(str(checkpoint), "cpu"), **options)  # type: ignore[arg-type]


def ready(app: Explorer) -> bool:
    return app.view is not None and not app.activity


async def test_step_back_finish_restart(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        await pilot.press("s", "space")
        await until(pilot, steps_taken(2))
        first = app.view.steps
        assert app.selected == 1
        await pilot.press("b")
        await until(pilot, steps_taken(1))
        await pilot.press("s")
        await until(pilot, steps_taken(2))
        assert app.view.steps == first
        await pilot.press("t")
        await until(pilot, lambda app: app.view.mode == "speaking")
        assert [step.kind for step in app.view.steps] == ["thought"] * 4 + ["marker"]
        await pilot.press("c")
        await until(pilot, lambda app: app.view.finished)
        assert app.view.text
        await pilot.press("r")
        await until(pilot, steps_taken(0))
        assert app.selected is None
    DRIVEN.update({"step", "step_back", "finish", "to_end_of_thinking", "restart"})


async def test_stop_ends_a_run_that_is_going_on(checkpoint: Path) -> None:
    async with explorer(checkpoint, thoughts=50_000).run_test(size=(140, 45)) as pilot:
        await until(pilot, ready)
        await pilot.press("c")
        await until(pilot, lambda app: len(app.view.steps) >= 3)
        await pilot.press("escape")
        await until(pilot, ready)
        assert 3 <= len(shown(pilot).view.steps) < 50_000
        assert shown(pilot).view.mode == "thinking"
    DRIVEN.add("stop")


async def test_zero_and_undo(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        await pilot.press("s", "s", "s")
        await until(pilot, steps_taken(3))
        before = app.view.steps
        await pilot.press("up", "z")
        await until(pilot, lambda app: app.view.steps[1].edit == "zero")
        assert app.view.steps[0] == before[0]
        assert app.view.steps[1].norm == 0
        assert app.view.steps[2].top != before[2].top
        await pilot.press("u")
        await until(pilot, lambda app: app.view.steps[1].edit is None)
        assert app.view.steps == before
    DRIVEN.update({"zero", "undo_edit"})


async def test_thoughts_and_tokens_can_be_changed(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda app: app.view.thoughts == 5)
        await pilot.press("left_square_bracket")
        await until(pilot, lambda app: app.view.thoughts == 4)
        await pilot.press("plus")
        assert app.token_count == 15
        await pilot.press("minus", "minus")
        assert app.token_count == 5
    DRIVEN.update({"more_thoughts", "fewer_thoughts", "more_tokens", "fewer_tokens"})


async def test_questions_and_examples(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        assert app.view.question == example_problem("prosqa", 1).question
        await pilot.press("n")
        await until(pilot, lambda app: app.view.question == example_problem("prosqa", 2).question)
        await pilot.press("p")
        await until(pilot, lambda app: app.view.question == example_problem("prosqa", 1).question)
        await pilot.press("q")
        assert isinstance(app.screen, QuestionScreen)
        app.screen.query_one(
            TextArea
        ).text = "Alex is a lempus. Every lempus is a rompus. Is Alex a rompus or impus?"
        await pilot.press("ctrl+s")
        await until(pilot, lambda app: app.view.question.startswith("Alex is a lempus"))
        assert app.view.expected == "Alex is a rompus."
        await pilot.press("q")
        app.screen.query_one(TextArea).text = "What about blorbs?"
        await pilot.press("ctrl+s")
        await until(pilot, lambda app: bool(app._notifications))
        assert "blorbs" in next(iter(app._notifications)).message
        assert app.view.question.startswith("Alex is a lempus"), "the run before stays"
    DRIVEN.update({"question", "next_example", "previous_example"})


async def test_views_theme_help_and_panes(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        for key, tab in (("g", "graph"), ("a", "answer"), ("k", "top")):
            await pilot.press(key)
            await pilot.pause()
            assert app.query_one(TabbedContent).active == tab
            assert app.query_one("#inspect").display
        await pilot.press("v")
        await pilot.pause()
        assert app.query_one("#prompt").display
        assert not app.query_one("#inspect").display
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        assert all(app.query_one(f"#{name}").display for name in ("prompt", "thoughts", "inspect"))
        dark = app.current_theme.dark
        await pilot.press("d")
        assert app.current_theme.dark is not dark
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)
    DRIVEN.update({"show_graph", "show_answer", "show_top", "next_pane", "switch_theme", "help"})


async def test_save_and_open(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        app = shown(pilot)
        await until(pilot, ready)
        await pilot.press("c")
        await until(pilot, lambda app: app.view.finished)
        seen = app.view.steps
        await pilot.press("w")
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda app: target.exists() and ready(app))
        assert Trace.load(target).steps == seen
        written = target.read_bytes()
        await pilot.press("w")
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda app: any("exists already" in note.message for note in app._notifications))
        assert target.read_bytes() == written
        await pilot.press("o")
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda app: app.replay is not None and steps_taken(0)(app))
        await pilot.press("c")
        await until(pilot, steps_taken(len(seen)))
        assert app.view.steps == seen
    DRIVEN.update({"save", "open"})


async def test_clicking_a_row_selects_it(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(140, 45)) as pilot:
        await until(pilot, ready)
        await pilot.press("s", "s", "s")
        await until(pilot, steps_taken(3))
        await pilot.click(ThoughtsPane, offset=(5, 2))
        await until(pilot, lambda app: app.selected == 0)


async def test_a_model_that_is_not_there_is_a_message_and_the_app_lives(tmp_path: Path) -> None:
    async with explorer(tmp_path / "nowhere").run_test(size=(140, 45)) as pilot:
        await until(pilot, lambda app: bool(app._notifications))
        note = next(iter(shown(pilot)._notifications))
        assert "there is no folder" in note.message
        await pilot.press("s")
        await until(pilot, lambda app: len(app._notifications) >= 2)
        await pilot.press("question_mark")
        assert isinstance(shown(pilot).screen, HelpScreen)


async def test_quit(checkpoint: Path) -> None:
    app = explorer(checkpoint)
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert app.return_code == 0
    DRIVEN.add("quit")


def test_every_action_was_driven() -> None:
    if not DRIVEN:
        pytest.skip("the tests above did not run in this process")
    assert {action.name for action in ACTIONS} <= DRIVEN


def test_table_app_palette_and_docs_agree() -> None:
    keys = Counter(key for action in ACTIONS for key in action.keys.split(","))
    assert [key for key, count in keys.items() if count > 1] == []
    for action in ACTIONS:
        assert callable(getattr(Explorer, f"action_{action.name}")), action.name
    page = (Path(__file__).resolve().parents[2] / "docs" / "EXPLORER.md").read_text(encoding="utf-8")
    assert keys_table() in page
