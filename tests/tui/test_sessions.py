"""A session goes on where it was, after a crash by itself: the same tree, the numbers of a fresh replay."""

import json
import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, TextArea

from coconut_core.coconut import CoconutModel
from coconut_core.model_choice import ModelChoice
from coconut_core.problems import example_problem, recognise, write_problems
from coconut_tui.app import Explorer
from coconut_tui.run.branches import Branch, Decisions, Tree
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_tui.saved.keeper import Keeper
from coconut_tui.saved.store import SessionStore, default_folder
from coconut_tui.screens.welcome import WelcomeScreen
from tests.tui.benches import fresh_records, same_numbers
from tests.tui.conftest import WIDE, explorer, notes, press, ready, settled, typed, until

QUESTION = example_problem("prosqa", 9).question


def sessions() -> list[SavedSession]:
    """Those on disk, newest first."""
    paths = sorted(default_folder().glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [SavedSession.from_json(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def replayed(app: Explorer, model: CoconutModel) -> bool:
    """Whether what is on screen has the numbers of a fresh run of the decisions in it."""
    tree = app.view.tree
    return same_numbers(app.view.steps, fresh_records(model, tree.here.decisions, tree.question, tree.problem))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> CoconutModel:
    return CoconutModel.from_pretrained(checkpoint, device="cpu")


# -- what goes on ------------------------------------------------------------------------------------------


async def test_a_session_goes_on_with_the_same_tree_and_numbers(
    checkpoint: Path, model: CoconutModel, tmp_path: Path
) -> None:
    write_problems(tmp_path / "problems.json", [example_problem("prosqa", number) for number in (5, 6, 7)])
    problems = [example_problem("prosqa", number) for number in (5, 6, 7)]
    keeper = Keeper(default_folder(), tmp_path / "problems.json")
    async with explorer(checkpoint, keeper=keeper, problems=problems, example=2).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s", "s")
        await typed(pilot, "noise 3@2")
        await press(pilot, "enter")  # the preview is left with it
        await press(pilot, "right_square_bracket", "c")
        await typed(pilot, "rename noisy")
        await settled(pilot)
        await press(pilot, "J", "E", "c")
        await typed(pilot, "scale 3@1")
        await press(pilot, "enter")
        await typed(pilot, "break thought 2")
        await settled(pilot)
        await press(pilot, "comma", "comma")
        before = app.view
        selected = app.selected
    keeper.close(in_order=True)
    assert len(before.tree.branches) == 3, notes(app)

    keeper = Keeper(default_folder())
    assert keeper.resume() is None, "it did not crash"
    saved = keeper.resume(even_if_left=True)
    assert saved.tree == before.tree
    assert keeper.problems() == problems
    app = Explorer(saved.choice, saved=saved, keeper=keeper, problems=keeper.problems())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert app.view.tree == before.tree
        assert app.view.steps == before.steps
        assert app.view.thoughts == before.thoughts
        assert app.selected == selected
        assert app.breakpoints == (Breakpoint(thought=2),)
        for _ in before.tree.branches:
            assert replayed(app, model)
            await press(pilot, "J")
        await press(pilot, "u")
        assert "nothing to undo" in notes(app)
        await press(pilot, "n")
        assert app.view.tree.problem == problems[2], "the problem file is gone through as before"
    keeper.close(in_order=True)


async def test_what_the_explorer_opened_by_itself_takes_no_sessions_place(checkpoint: Path) -> None:
    keeper = Keeper(default_folder())
    async with explorer(checkpoint, keeper=keeper).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "n")
        keeper.flush()
        assert [session.run for session in sessions()] == [None]
        await press(pilot, "s")
        keeper.flush()
        assert [session.run.tree.example for session in sessions()] == [2]
    keeper.close(in_order=True)


async def test_a_session_that_cannot_go_on_is_kept_for_later(checkpoint: Path) -> None:
    keeper = Keeper(default_folder())
    async with explorer(checkpoint, keeper=keeper, question=QUESTION).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s")
    keeper.close(in_order=True)
    [left] = sessions()
    assert left.run is not None
    moves = left.run.tree.here.decisions
    impossible = replace(
        left.run.tree.here, decisions=replace(moves, moves="wt")
    )  # a word before thinking ends
    damaged = replace(left, run=replace(left.run, tree=left.run.tree.with_branch(impossible)))
    store = SessionStore()
    assert store.load() is not None
    store.save(damaged)
    store.close()

    keeper = Keeper(default_folder())
    saved = keeper.resume(even_if_left=True)
    app = Explorer(saved.choice, saved=saved, keeper=keeper)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: "cannot go on" in notes(app), 20)
        await typed(pilot, "problem 3")
        await settled(pilot)
        await press(pilot, "s")
    keeper.close(in_order=True)
    assert {session.run.tree.question for session in sessions()} == {
        QUESTION,
        example_problem("prosqa", 3).question,
    }


async def test_a_folder_that_cannot_be_written_is_said_once_and_the_app_goes_on(
    checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    keeper = Keeper(tmp_path / "file" / "sessions")
    async with explorer(checkpoint, keeper=keeper).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        for _ in range(3):
            await press(pilot, "s")
            keeper.flush()
        await until(pilot, lambda app: "cannot be saved" in notes(app))
        assert notes(app).count("cannot be saved") == 1
        assert len(app.view.steps) == 3
    keeper.close(in_order=True)


async def test_a_damaged_session_is_set_aside_with_a_message(checkpoint: Path) -> None:
    default_folder().mkdir(parents=True)
    (default_folder() / "1-a.json").write_text("{", encoding="utf-8")
    keeper = Keeper(default_folder())
    assert keeper.resume(even_if_left=True) is None
    async with explorer(checkpoint, keeper=keeper).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert "could not be read" in notes(app)
        assert "1-a.damaged" in notes(app)
        await press(pilot, "s")
        assert len(app.view.steps) == 1


# -- what was used lately ----------------------------------------------------------------------------------


@pytest.mark.drives("recent", "question")
async def test_questions_asked_lately_are_asked_again(checkpoint: Path) -> None:
    other = example_problem("prosqa", 3).question
    keeper = Keeper(default_folder())
    async with explorer(checkpoint, keeper=keeper, question=QUESTION).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("Q", "up")
        assert app.screen.query_one(TextArea).text == QUESTION, "there is no earlier one"
        app.screen.query_one(TextArea).text = other
        await press(pilot, "ctrl+s")
        assert app.view.question == other
    keeper.close(in_order=True)
    keeper = Keeper(default_folder())
    assert keeper.questions == (other, QUESTION)
    async with explorer(checkpoint, keeper=keeper, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("quotation_mark", *"polly and gabriel")
        assert app.screen.query_one(OptionList).option_count == 0
        await pilot.press("enter", "escape", "quotation_mark", "down")
        await press(pilot, "enter")
        assert app.view.question == QUESTION
        await pilot.press("Q", "up")
        assert app.screen.query_one(TextArea).text == other
        await pilot.press("down")
        assert app.screen.query_one(TextArea).text == QUESTION
    keeper.close(in_order=True)


async def test_where_a_sessions_model_has_gone_another_one_begins_anew(
    checkpoint: Path, model: CoconutModel, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    model.save_pretrained(gone)
    keeper = Keeper(default_folder())
    async with explorer(gone, keeper=keeper, example=3).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s", "z")
    keeper.close(in_order=True)
    shutil.rmtree(gone)
    keeper = Keeper(default_folder())
    saved = keeper.resume(even_if_left=True)
    app = Explorer(saved.choice, saved=saved, keeper=keeper)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen))
        app.screen.query_one(Input).value = str(checkpoint)
        await pilot.press("enter")
        await settled(pilot)
        assert app.view.tree.example == 1
        assert len(app.view.tree.branches) == 1
        await press(pilot, "s")
    keeper.close(in_order=True)
    assert {session.run.choice.source: session.run.tree.example for session in sessions()} == {
        str(checkpoint): 1,
        str(gone): 3,
    }, "the session waits for its own model"


@pytest.mark.drives("model")
async def test_another_model_is_opened_and_one_that_is_not_there_changes_nothing(
    checkpoint: Path, model: CoconutModel, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    model.save_pretrained(second)
    keeper = Keeper(default_folder())
    async with explorer(checkpoint, keeper=keeper, example=2).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s")
        before = app.view
        await typed(pilot, f"model {tmp_path / 'nowhere'}")
        await until(pilot, lambda app: "there is no folder" in notes(app))
        await settled(pilot)
        assert (app.view, app.choice.source) == (before, str(checkpoint))
        await press(pilot, "b", "s")
        assert app.view.steps == before.steps, "the old model goes on"
        await pilot.press("M")
        app.screen.query_one(Input).value = str(second)
        await pilot.press("enter")
        await until(pilot, lambda app: ready(app) and app.choice.source == str(second))
        assert app.view.tree.problem == before.tree.problem
        assert app.view.tree.example == 2
        assert app.view.steps == ()
        await press(pilot, "s")
        assert keeper.models == (str(second), str(checkpoint))
        await pilot.press("M")
        assert isinstance(app.screen, WelcomeScreen)
        app.screen.query_one(Input).value = checkpoint.name
        await pilot.press("enter")
        await until(pilot, lambda app: ready(app) and app.choice.source == str(checkpoint))
        keeper.flush()
        assert [session.run.choice.source for session in sessions()] == [str(checkpoint)]
    keeper.close(in_order=True)


# -- killed ------------------------------------------------------------------------------------------------

# The command, with a key that is an error of the app's own.
PROGRAM = """
import sys
from coconut_tui import cli
from coconut_tui.actions import looking
def fail(app, argument):
    raise RuntimeError("an error of the app")
from coconut_tui.app import Explorer
Explorer.action_explain = fail
sys.argv = ["coconut-tui", *sys.argv[1:]]
cli.main()
"""


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"})
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, *map(str, arguments)])
        self.seen = b""

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._end, keys.encode())

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Show what is drawn until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.seen[-3000:].decode(errors="replace")
            if select.select([self._end], [], [], 0.02)[0]:
                self.seen += os.read(self._end, 65536)

    def shows(self, text: str) -> None:
        """Wait until something is drawn."""
        self.wait(lambda: text.encode() in self.seen)

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self._end)

    def ended(self) -> int:
        """Wait for the process; how it ended."""
        deadline = time.monotonic() + 240
        while (done := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline
            try:
                if select.select([self._end], [], [], 0.02)[0]:
                    os.read(self._end, 65536)
            except OSError:  # its terminal is gone
                time.sleep(0.02)
        return os.waitstatus_to_exitcode(done[1])


def taken() -> int:
    """How many steps of a run are on disk."""
    found = [session.run.tree.here.decisions.moves for session in sessions() if session.run is not None]
    return max(map(len, found), default=0)


ENDS: dict[str, tuple[Callable[[Terminal], None], int]] = {
    "killed": (lambda terminal: os.kill(terminal.pid, signal.SIGKILL), -signal.SIGKILL),
    "ended": (lambda terminal: os.kill(terminal.pid, signal.SIGTERM), 128 + signal.SIGTERM),
    "hung up": (Terminal.hang_up, 128 + signal.SIGHUP),
    "failed": (lambda terminal: terminal.press("?"), 1),
}


@pytest.mark.parametrize("end", ENDS)
async def test_an_explorer_that_is_ended_in_the_middle_of_a_step_goes_on_by_itself(
    checkpoint: Path, model: CoconutModel, end: str
) -> None:
    first = Terminal("--model", checkpoint, "--device", "cpu", "--thoughts", 50_000)
    first.shows("Polly")  # the first problem's
    first.press("s")
    first.wait(lambda: taken() == 1)
    first.press("z")  # a branch
    first.wait(lambda: any(len(session.run.tree.branches) == 2 for session in sessions()))
    first.press("c")
    first.wait(lambda: taken() > 30)
    kill, code = ENDS[end]
    kill(first)
    assert first.ended() == code
    [left] = sessions()
    assert not left.in_order
    assert [branch.name for branch in left.run.tree.branches] == ["main", "zero@1"]

    keeper = Keeper(default_folder())
    saved = keeper.resume(str(checkpoint))
    assert saved.tree == left.run.tree
    app = Explorer(saved.choice, saved=saved, keeper=keeper)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert "coconut-tui --fresh" in notes(app)
        assert app.view.tree == left.run.tree
        assert len(app.view.steps) > 30
        assert replayed(app, model)
    keeper.close(in_order=True)


def test_the_command_goes_on_after_a_crash_and_leaves_in_good_order(checkpoint: Path) -> None:
    tree = Tree.planted(QUESTION, recognise(QUESTION), None, None)
    run = SavedRun(
        ModelChoice(str(checkpoint), "cpu"), tree.with_branch(Branch(1, "main", Decisions(moves="tt")))
    )
    default_folder().mkdir(parents=True)
    record = SavedSession(run, in_order=False).to_json()
    (default_folder() / "1-a.json").write_text(json.dumps(record), encoding="utf-8")
    terminal = Terminal("--model", checkpoint)
    terminal.shows("--fresh")
    terminal.shows("Thoughts 2/")
    terminal.press("s")
    terminal.wait(lambda: taken() == 3)
    terminal.press("\x11")  # ctrl+q
    assert terminal.ended() == 0
    [left] = sessions()
    assert (left.in_order, left.run.choice, left.run.tree.question) == (True, run.choice, QUESTION)
