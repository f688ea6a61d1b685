"""Every action of the table is driven, on a tiny random model; table, keys, palette and docs agree."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Input, OptionList, TextArea

from coconut_core.problems import example_problem, generate_problems
from coconut_core.records.trace import Trace
from coconut_tui.actions.table import ACTIONS, keys_table
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.run.commands import completions, read_line
from coconut_tui.run.layouts import PANES
from coconut_tui.screens.breakpoints import BreakpointsScreen
from coconut_tui.screens.command import CommandScreen
from coconut_tui.screens.compare import CompareScreen
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.jump import JumpScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.screens.what_if import WhatIfScreen
from coconut_tui.views import VIEWS
from coconut_tui.widgets.branches import BranchTree
from coconut_tui.widgets.dials import Dial
from coconut_tui.widgets.keys import KeysLine
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.view_tabs import ViewTabs
from tests.tui.conftest import WIDE, explorer, notes, press, settled, shown, steps_taken, typed, until
from tests.tui.screens import previewed


@pytest.mark.drives("step", "back", "continue", "think-all", "restart")
async def test_step_back_continue_restart(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "space")
        first = app.view.steps
        assert (len(first), app.selected) == (2, 1)
        await press(pilot, "b")
        assert app.view.steps == first[:1]
        await press(pilot, "s")
        assert app.view.steps == first
        await press(pilot, "t")
        assert [step.kind for step in app.view.steps] == ["thought"] * 4 + ["marker"]
        await press(pilot, "c")
        assert app.view.over
        assert app.view.text
        await press(pilot, "r")
        assert (app.view.steps, app.selected) == ((), None)


@pytest.mark.drives("stop")
async def test_stop_ends_a_run_that_is_going_on(checkpoint: Path) -> None:
    async with explorer(checkpoint, thoughts=50_000).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("c")
        await until(pilot, lambda app: len(app.view.steps) >= 3, drawn=False)
        await press(pilot, "escape")
        assert 3 <= len(app.view.steps) < 50_000
        assert app.view.mode == "thinking"
        await press(pilot, "s")  # what comes after is not stopped
        assert app.view.mode == "thinking"


@pytest.mark.drives("more-thoughts", "fewer-thoughts", "thoughts", "run-to", "end-thinking", "one-more")
async def test_the_number_of_thoughts_changes_in_the_middle_of_a_run(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s")
        await press(pilot, "right_square_bracket")
        assert (app.view.thoughts, len(app.view.steps)) == (5, 2)
        await press(
            pilot, "left_square_bracket", "left_square_bracket", "left_square_bracket", "left_square_bracket"
        )
        assert (app.view.thoughts, len(app.view.steps)) == (1, 1)
        await typed(pilot, "thoughts 3")
        await press(pilot, "c")
        assert sum(step.kind == "thought" for step in app.view.steps) == 3
        await press(pilot, "right_square_bracket")  # a finished run goes on to its new end
        assert sum(step.kind == "thought" for step in app.view.steps) == 4
        assert app.view.over
        await typed(pilot, "run-to 2")
        await settled(pilot)
        assert [step.index for step in app.view.steps] == [1, 2]
        await press(pilot, "E")
        assert app.view.steps[-1].ended == "by hand"
        await press(pilot, "s", "m")
        assert [step.kind for step in app.view.steps] == ["thought"] * 3
        await press(pilot, "m", "m")
        assert len(app.view.steps) == 5  # one beyond the plan


@pytest.mark.drives("speak-now")
async def test_speak_now_changes_nothing(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s")
        await press(pilot, "up")
        before = app.view.steps
        await press(pilot, "a")
        assert app.view.steps == before
        heard = app.view.peeks[1]
        await press(pilot, "s")
        assert app.view.peeks == {1: heard}, "it stays while what it is about stays"
        await typed(pilot, "run-to 1")
        await press(pilot, "E", "c")
        assert app.view.said.text == heard.text


@pytest.mark.drives("break", "breakpoints")
async def test_breakpoints(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("asterisk")
        assert isinstance(app.screen, CommandScreen)
        app.screen.query_one(Input).value = "break thought 2"
        await press(pilot, "enter", "c")
        assert len(app.view.steps) == 2
        assert "stopped at: thought 2" in notes(app)
        await press(pilot, "c")
        assert app.view.over, "it goes on from a breakpoint"
        await press(pilot, "r", "B")
        assert isinstance(app.screen, BreakpointsScreen)
        await pilot.press("space", "escape")
        assert [each.enabled for each in app.breakpoints] == [False]
        await press(pilot, "t")
        assert app.view.mode == "speaking"
        await pilot.press("B", "d", "a")
        assert app.breakpoints == ()
        assert isinstance(app.screen, CommandScreen)


async def test_a_run_says_that_it_stopped_at_a_wrong_answer() -> None:
    async with explorer(Path("models/prosqa"), example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await typed(pilot, "break wrong")
        await press(pilot, "c")
        assert app.view.said.right
        assert "stopped at" not in notes(app)
        await typed(pilot, "zero@3")
        await press(pilot, "enter")
        assert app.view.said.right is False
        assert "stopped at" not in notes(app), "an edit takes no step by itself"
        await press(pilot, "b")
        await press(pilot, "c")
        assert "stopped at: wrong" in notes(app)


@pytest.mark.drives("zero", "own", "undo", "redo")
async def test_zero_makes_a_branch_and_own_takes_the_edit_back(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s", "s")
        await press(pilot, "up")
        before = app.view.steps
        await press(pilot, "z")
        assert app.view.tree.here.name == "zero@2"
        assert (app.view.steps[0], app.view.steps[1].norm) == (before[0], 0)
        assert app.view.steps[2].top != before[2].top
        await press(pilot, "Z")
        assert app.view.tree.here.name == "own@2"
        assert app.view.steps == before
        await press(pilot, "u", "u")
        assert (app.view.tree.here.name, app.view.steps) == ("main", before)
        await press(pilot, "U", "ctrl+r")
        assert app.view.tree.here.name == "own@2"
        await press(pilot, "z", "z")
        assert "changes nothing here" in notes(app)


@pytest.mark.drives("edit", "command")
async def test_edit_from_the_menu_with_preview_and_dials(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s")
        await press(pilot, "e")
        screen = app.screen
        assert isinstance(screen, EditScreen)
        before = app.view
        menu = screen.query_one(OptionList)
        menu.highlighted = menu.get_option_index("steer")
        await until(pilot, lambda app: len(screen.query(Dial)) == 3)
        dials = {dial.name: dial for dial in screen.query(Dial)}
        dials["FACTOR"].focus()
        await pilot.press("right", "right", "left")
        dials["TOKEN"].focus()
        await pilot.press("l")
        await pilot.pause()
        text = screen.query_one(Input).value
        assert text == f"steer {dials['TOKEN'].value} {dials['FACTOR'].value}@2"
        await until(pilot, lambda app: previewed(screen))
        await pilot.press("escape")
        await settled(pilot)
        assert app.view == before, "leaving changes nothing"
        await typed(pilot, "scale 0@1; noise@2")
        await pilot.press("enter")
        await settled(pilot)
        assert [step.edit for step in app.view.steps] == ["scale 0", "noise 0"]
        assert app.view.tree.here.done == "scale 0@1; noise@2"


async def test_a_jump_reaches_the_fields_of_a_dialog(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "e")
        screen = app.screen
        assert isinstance(screen, EditScreen)
        await pilot.press("ctrl+o")
        await until(pilot, lambda app: isinstance(app.screen, JumpScreen))
        fields = [field for field in screen.query("*") if field.focusable and field.region]
        assert [type(field) for field in fields[:3]] == [Input, OptionList, Dial]
        letters = [str(label.render()).strip() for label in app.screen.query(".jump")]
        assert letters == list("abcdefgh"[: len(fields)])
        await pilot.press("c")
        assert app.screen is screen
        await until(pilot, lambda app: screen.focused is fields[2])
        await pilot.press("ctrl+o", "ctrl+o")
        assert app.screen is screen, "once more takes it away"


@pytest.mark.drives("what-if", "sweep")
async def test_what_if_and_sweep(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        await press(pilot, "i")
        assert isinstance(app.screen, WhatIfScreen)
        table = app.screen.query_one(DataTable)
        assert table.row_count == 9
        await pilot.press("j", "enter")
        await settled(pilot)
        assert app.view.tree.here.name == "zero@1"
        await typed(pilot, "sweep scale 0..2/3")
        await settled(pilot)
        rows = app.screen.query_one(DataTable)
        assert [str(rows.get_cell_at(Coordinate(row, 0))) for row in range(rows.row_count)] == [
            "nothing changed",
            "scale 0@1",
            "scale 1@1",
            "scale 2@1",
        ]
        await pilot.press("escape")
        await typed(pilot, "sweep scale 2")
        assert "has no range" in str(app.screen.query_one("#command-error").render())


@pytest.mark.drives("fork", "branch", "next-branch", "previous-branch", "rename", "compare", "delete")
async def test_branches_are_forked_visited_named_compared_and_deleted(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s", "s")
        await press(pilot, "up", "f")
        assert (app.view.tree.here.name, len(app.view.steps)) == ("fork@2", 2)
        await press(pilot, "J")
        assert (app.view.tree.here.name, len(app.view.steps)) == ("main", 3)
        await press(pilot, "K")
        assert app.view.tree.here.name == "fork@2"
        await typed(pilot, "rename second look")
        await settled(pilot)
        await typed(pilot, "branch main")
        await settled(pilot)
        await typed(pilot, "branch second look")
        await settled(pilot)
        assert app.view.tree.here.name == "second look"
        await pilot.press("C")
        await until(pilot, lambda app: isinstance(app.screen, CompareScreen))
        await pilot.press("question_mark")
        assert app.screen.query_one(".dialog").border_title == "Help: Compare"
        await pilot.press("escape", "escape")
        await press(pilot, "D")
        assert [branch.name for branch in app.view.tree.branches] == ["main"]
        await press(pilot, "D")
        assert "cannot be deleted" in notes(app)
        await press(pilot, "u")
        assert app.view.tree.here.name == "second look"


@pytest.mark.drives("question", "next", "previous", "problem")
async def test_questions_and_examples(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        examples = [example_problem("prosqa", number).question for number in (1, 2, 3)]
        assert app.view.question == examples[0]
        await press(pilot, "n")
        assert app.view.question == examples[1]
        await press(pilot, "p")
        assert app.view.question == examples[0]
        await typed(pilot, "problem 3")
        await settled(pilot)
        assert app.view.question == examples[2]
        await pilot.press("Q")
        assert isinstance(app.screen, QuestionScreen)
        known = "Alex is a lempus. Every lempus is a rompus. Is Alex a rompus or impus?"
        app.screen.query_one(TextArea).text = known
        await press(pilot, "ctrl+s")
        assert (app.view.question, app.view.expected) == (known, "Alex is a rompus.")
        await pilot.press("Q")
        app.screen.query_one(TextArea).text = "What about blorbs?"
        await press(pilot, "ctrl+s")
        assert "blorbs" in str(app.screen.query_one("#refused").render())
        assert app.screen.query_one(TextArea).text == "What about blorbs?", "it is there to be mended"
        await pilot.press("escape")
        assert app.view.question == known, "the run before stays"
        await press(pilot, "u")
        assert app.view.question == examples[2], "undo goes back to the question before"


@pytest.mark.drives("problems")
async def test_problems_of_a_file_are_filtered_answered_and_picked(checkpoint: Path) -> None:
    problems = generate_problems("prosqa", 12, seed=5)
    async with explorer(checkpoint, problems=problems, example=2).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert app.view.question == problems[1].question
        await pilot.press("P")
        screen = app.screen
        assert isinstance(screen, ProblemsScreen)
        listed = screen.query_one(OptionList)
        assert (listed.option_count, listed.highlighted) == (12, 1)
        hops = len(problems[0].steps)
        await pilot.press(*str(hops))
        fits = [number for number, each in enumerate(problems, start=1) if len(each.steps) == hops]
        assert listed.option_count == len(fits)
        await pilot.press("ctrl+a")
        await settled(pilot)
        assert {*app.problems.answers} - {2} == {*fits} - {2}
        assert all(app.problems.verdict(number) is not None for number in fits)
        screen.query_one(Input).value = "open"
        await pilot.pause()
        assert listed.option_count == 12 - len(fits)
        await pilot.press("down", "enter")
        await settled(pilot)
        wanted = [number for number in range(1, 13) if number not in fits][1]
        assert app.view.tree.example == wanted
        await typed(pilot, "problem 13")
        assert "the file has 12" in str(app.screen.query_one("#command-error").render())


@pytest.mark.drives("graph", "answer", "top-k", "more-tokens", "fewer-tokens", "next-pane", "theme")
async def test_views_theme_help_and_panes(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        for key, tab in (("2", "graph"), ("3", "answer"), ("1", "top")):
            await pilot.press(key)
            await pilot.pause()
            assert app.shown_view == tab
            assert app.pane("inspect").display
        await pilot.press("plus")
        assert app.token_count == 15
        await pilot.press("minus", "minus")
        assert app.token_count == 5
        await pilot.press("v")
        await pilot.pause()
        assert app.query_one("#branches").display
        assert not app.pane("inspect").display
        await pilot.press("v")
        await pilot.pause()
        assert app.query_one("#prompt").display
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert all(app.pane(name).display for name in PANES)
        dark = app.current_theme.dark
        await pilot.press("d")
        assert app.current_theme.dark is not dark


@pytest.mark.drives(
    "first",
    "last",
    "down",
    "up",
    "page-up",
    "page-down",
    "later",
    "earlier",
    "left",
    "right",
    "backward",
    "forward",
    "jump",
    "choose",
    "help",
)
async def test_moving_by_keys_and_mouse(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "t")
        await press(pilot, "g", "g")
        assert app.selected == 0
        await press(pilot, "j", "down", "k")
        assert app.selected == 1
        await press(pilot, "comma", "comma", "full_stop")
        assert app.selected == 1
        await press(pilot, "G")
        assert app.selected == 4
        await press(pilot, "pageup")
        assert app.selected == 0
        await press(pilot, "pagedown", "up")
        assert app.selected == 3
        assert app.focused_pane == "thoughts"
        await press(pilot, "left", "left")
        assert (app.selected, app.focused_pane) == (1, "thoughts"), "by the columns of the matrix"
        await press(pilot, "right", "right", "right", "right")
        assert (app.selected, app.focused_pane) == (4, "graph"), "behind the last column is the next pane"
        await pilot.press("h")
        assert app.focused_pane == "thoughts"
        await pilot.press("h")
        assert app.focused_pane == "branches"
        await pilot.press("left")
        assert app.focused_pane == "prompt"
        await pilot.press("l", "l", "l", "l")
        assert app.focused_pane == "inspect"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert app.screen.query_one(".dialog").border_title == "Help: Top-k"
        await pilot.press("escape", "ctrl+o")
        assert isinstance(app.screen, JumpScreen)
        labels = {str(label.render()).strip(): label for label in app.screen.query(".jump")}
        rows = len(app.query_one(ThoughtsPane).in_sight())
        assert len(labels) == 5 + 1 + rows + len(VIEWS), "panes, the graph among them, the branch, steps, views"
        tabs = app.query_one("#view-tabs", ViewTabs)
        assert labels["4"].region.offset in [region.offset for _, region in tabs.places()]
        await pilot.press("b")
        assert app.focused_pane == "branches"
        await pilot.press("ctrl+o", "6")
        assert app.shown_view == "lines"
        await pilot.press("ctrl+o")
        letters = [str(label.render()).strip() for label in app.screen.query(".jump")]
        await pilot.press(letters[6])
        assert (app.focused_pane, app.selected) == ("thoughts", 0), "the first row of the thoughts"
        await pilot.press("G", "ctrl+o", "b", "1")
        assert app.focused_pane == "branches"
        await press(pilot, "f")
        await press(pilot, "k", "enter")
        assert app.view.tree.here.name == "main"
        await pilot.click(BranchTree, offset=(4, 1))
        await settled(pilot)
        assert app.view.tree.here.name == "fork@5"
        pane = app.query_one(ThoughtsPane)
        await pilot.click(ThoughtsPane, offset=pane.in_sight()[0][0].offset - pane.region.offset)
        await until(pilot, lambda app: app.selected == 0)


@pytest.mark.drives("save", "open", "close")
async def test_save_and_open(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        seen = app.view.steps
        await pilot.press("w")
        assert app.screen.query_one(Input).value == "save "
        app.screen.query_one(Input).value = f"save {target}"
        await press(pilot, "enter")
        assert Trace.load(target).steps == seen
        written = target.read_bytes()
        await typed(pilot, f"save {target}")
        line = app.screen
        assert isinstance(line, CommandScreen)
        assert "exists already" in str(line.query_one("#command-error").render())
        assert line.query_one(Input).value == f"save {target}", "what was typed is kept"
        await pilot.press("escape")
        assert target.read_bytes() == written
        await typed(pilot, f"open {target}")
        await until(pilot, lambda app: app.replay is not None and steps_taken(0)(app))
        await press(pilot, "c")
        assert app.view.steps == seen
        await press(pilot, "z")
        assert "this is a saved run" in notes(app)
        await press(pilot, "X")
        assert (app.replay, app.view.steps) == (None, seen)
        await press(pilot, "X")
        assert "no saved run is open" in notes(app)


async def test_another_model_that_is_not_there_is_a_message_and_the_run_stays(
    checkpoint: Path, tmp_path: Path
) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        await typed(pilot, f"model {tmp_path / 'nowhere'}")
        await until(pilot, lambda app: "there is no folder" in notes(app))
        await press(pilot, "s")
        assert len(app.view.steps) == 2
        await pilot.press("question_mark")
        assert isinstance(shown(pilot).screen, HelpScreen)


async def test_keys_from_the_settings_take_the_place_of_the_tables(checkpoint: Path) -> None:
    config = Config(keys={"step": "f5", "own": "s"})
    async with explorer(checkpoint, config=config).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "f5")
        assert len(app.view.steps) == 1
        await press(pilot, "s")
        assert "has not been edited" in notes(app)
        assert next(action for action in app.actions if action.name == "step").shown_keys == "f5"


async def test_the_palette_offers_every_action(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        offered = [command.title for command in app.get_system_commands(app.screen)]
        for action in ACTIONS:
            assert offered.count(f"{action.label} ({action.shown_keys})") == 1


@pytest.mark.drives("suspend")
async def test_without_a_shell_there_is_nothing_to_go_back_to(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+z", "s")
        assert len(shown(pilot).view.steps) == 1


@pytest.mark.drives("quit")
@pytest.mark.parametrize("keys", [{}, {"quit": "f10"}])
async def test_quit(checkpoint: Path, keys: dict[str, str]) -> None:
    app = explorer(checkpoint, config=Config(keys=keys))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("Q", "q")  # a field to write in
        assert app.screen.query_one(TextArea).text == "q"
        await pilot.press(keys.get("quit", "ctrl+q"))  # from any screen
        await until(pilot, lambda app: not app.is_running)
    assert app.return_code == 0


@pytest.mark.drives("leave")
async def test_q_closes_what_lies_on_top_and_then_leaves(checkpoint: Path, tmp_path: Path) -> None:
    app = explorer(checkpoint)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "c", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "q")
        assert len(app.screen_stack) == 1
        await typed(pilot, f"save {tmp_path / 'run.json'}")
        await settled(pilot)
        await typed(pilot, f"open {tmp_path / 'run.json'}")
        await until(pilot, lambda app: app.replay is not None and app.view is not None)
        await press(pilot, "q")
        assert app.replay is None
        assert app.view is not None
        await pilot.press("q")
        await until(pilot, lambda app: not app.is_running)
    assert app.return_code == 0


async def test_a_key_of_before_that_is_set_works_as_before(checkpoint: Path) -> None:
    async with explorer(checkpoint, config=Config(keys={"question": "q"})).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert " quit " not in str(app.query_one(KeysLine).render())
        await pilot.press("q")
        assert isinstance(app.screen, QuestionScreen)


def test_every_action_is_driven_by_a_test_that_says_so() -> None:
    named = []
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef):
                marks = [mark for mark in node.decorator_list if "mark.drives" in ast.unparse(mark)]
                named += [ast.literal_eval(name) for mark in marks for name in getattr(mark, "args", ())]
    assert {action.name for action in ACTIONS} == set(named)


def test_table_keys_commands_palette_and_docs_agree() -> None:
    keys = Counter(key for action in ACTIONS for key in action.keys.split(","))
    assert [key for key, count in keys.items() if count > 1] == []
    bound = {binding.id: binding.key for binding in Explorer.BINDINGS if not binding.priority}
    assert bound == {action.name: action.keys for action in ACTIONS}
    anywhere = {binding.id: binding.key for binding in Explorer.BINDINGS if binding.priority}
    assert anywhere == {"quit-anywhere": "ctrl+q", "jump-anywhere": "ctrl+o", "screenshot-anywhere": "f9"}
    offered = {each.text.strip() for each in completions("", ACTIONS, (), {})}
    assert offered == {action.name for action in ACTIONS}
    for action in ACTIONS:
        assert read_line(f"{action.name} {'x' if action.needs_argument else ''}", ACTIONS, ()).action is action
    page = (Path(__file__).resolve().parents[2] / "docs" / "EXPLORER.md").read_text(encoding="utf-8")
    assert keys_table() in page
