"""The first minute: what is wrong on the command line, while a model loads, and where it cannot be loaded."""

import os
import threading
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, TextArea
from typer.testing import CliRunner, Result

from coconut_core.common.errors import CoconutError
from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.cli import app
from coconut_tui.engine import LOADING, ModelChoice
from coconut_tui.engine.worker import Job
from coconut_tui.saved.keeper import Keeper
from coconut_tui.saved.store import default_folder
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.screens.start import StartScreen, stages
from coconut_tui.screens.welcome import WelcomeScreen, beginnings
from coconut_tui.tour.bar import TourBar
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.conftest import WIDE, explorer, press, settled, shown, until


def started(*arguments: str) -> Result:
    """The command as far as it goes without a terminal."""
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("model", ["missing", "models/prosqaa", "~/there-is-none", "./x/y"])
def test_a_model_that_is_not_there_is_told_in_the_shell(model: str) -> None:
    result = started("--model", model)
    assert isinstance(result.exception, CoconutError), result.output
    assert f"there is no folder {os.path.expanduser(model)}" in str(result.exception)


def test_without_arguments_the_bundled_model_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = started()
    assert "needs a terminal" in str(result.exception), "the model was found"


def why(app: Explorer) -> str:
    """The error that a list of models is shown for."""
    return "".join(str(each.render()) for each in app.screen.query("#why"))


def listed(app: Explorer) -> list[str]:
    """What can be opened, headings left out."""
    options = app.screen.query_one(OptionList).options
    return [str(option.prompt).strip() for option in options if not option.disabled]


async def test_without_arguments_one_chooses(
    checkpoint: Path, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trace.save(tmp_path / "run.json")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    keeper = Keeper(default_folder())
    keeper.note_model(ModelChoice(str(checkpoint), "cpu"))
    begun = explorer(checkpoint, keeper=keeper, begins_with_choice=True, tour=True)
    async with begun.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen) and len(listed(app)) > 2)
        assert not begun.query_one(TourBar).display, "there is nothing to take a step with yet"
        assert [each.split()[0] for each in listed(begun)[:2]] == ["models/prosqa", "models/prontoqa"]
        assert [each.split()[0] for each in listed(begun) if ".json" in each] == ["run.json"]
        height = begun.screen.query_one(".dialog").region.height
        await pilot.press(*"run.js")
        await until(pilot, lambda app: len(listed(app)) == 2)
        assert begun.screen.query_one(".dialog").region.height == height
        await pilot.press("ctrl+s")
        await until(pilot, lambda app: app.replay is not None and app.view is not None)
        assert not begun.query_one(TourBar).display
        await pilot.press("q")
        await until(pilot, lambda app: not app.is_running)


async def test_a_folder_that_is_typed_is_opened_and_the_tour_begins(checkpoint: Path) -> None:
    begun = explorer(checkpoint, begins_with_choice=True, tour=True)
    async with begun.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen))
        begun.screen.query_one(Input).value = str(checkpoint)
        await until(pilot, lambda app: "a model's folder" in listed(app)[0])
        await pilot.press("enter")
        await settled(pilot)
        assert begun.facts.name == str(checkpoint)
        assert begun.query_one(TourBar).display


async def test_a_session_is_gone_on_with(checkpoint: Path) -> None:
    keeper = Keeper(default_folder())
    async with explorer(checkpoint, keeper=keeper, example=3).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s", "z")
    keeper.close(in_order=True)
    keeper = Keeper(default_folder())
    assert [entry.group for entry in beginnings(keeper.runs, (), Path())][-1] == "Go on with"
    begun = explorer(checkpoint, keeper=keeper, begins_with_choice=True)
    async with begun.run_test(size=(200, 60)) as pilot:  # with views that ask the model at once
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen) and len(listed(app)) > 2)
        await pilot.press(*"go on")
        await until(pilot, lambda app: "problem 3, 2 branches" in listed(app)[0])
        await pilot.press("enter")
        await settled(pilot)
        assert begun.view.tree.example == 3
        assert begun.view.tree.here.name == "zero@2"
        assert begun.selected == 1
    keeper.close(in_order=True)


async def test_keys_pressed_while_the_model_loads_wait_for_it(checkpoint: Path) -> None:
    explored, gate = explorer(checkpoint), threading.Event()
    explored.engine._worker.start()

    def wait(job: Job) -> None:
        gate.wait(60)

    explored.engine._worker.send("waiting", wait)  # in front of the loading
    async with explored.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, StartScreen))
        await pilot.press("x", "escape", "s", "s")
        told = str(explored.screen.query_one("#stages").render())
        assert told.startswith(f"▸ {LOADING[0]}")
        assert "waiting: s s" in told
        assert "No question is open" not in str(explored.query_one("#question").render())
        gate.set()
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) == 2)
        assert not isinstance(explored.screen, StartScreen)
        await press(pilot, "s")
        assert len(explored.view.steps) == 3, "keys are the explorer's again"


def test_the_stages_of_loading_are_told() -> None:
    told = stages(1, [4, 2], ["s", "c"]).plain.splitlines()
    assert told == [f"✓ {LOADING[0]}  4 s", f"▸ {LOADING[1]}  2 s", f"· {LOADING[2]}", "", "waiting: s c"]


async def test_a_model_that_cannot_be_loaded_leaves_a_choice(checkpoint: Path, tmp_path: Path) -> None:
    failing = explorer(tmp_path)
    failing.keeper.note_model(ModelChoice(str(checkpoint)))
    async with failing.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen))
        assert "is not a model" in why(failing)
        await until(pilot, lambda app: len(listed(app)) > 2)
        assert listed(failing)[0].startswith("models/prosqa ")
        assert any(str(checkpoint)[:20] in each for each in listed(failing))
        failing.screen.query_one(Input).value = str(tmp_path / "nowhere")
        await pilot.press("enter")
        await until(pilot, lambda app: "nowhere" in why(app))
        failing.screen.query_one(Input).value = checkpoint.name
        await until(pilot, lambda app: len(listed(app)) == 2)
        await pilot.press("enter")
        await settled(pilot)
        assert failing.facts.name == str(checkpoint)
        await press(pilot, "s")
        assert len(failing.view.steps) == 1


async def test_without_a_model_escape_leaves(tmp_path: Path) -> None:
    failing = explorer(tmp_path)
    async with failing.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen))
        await pilot.press("escape")
        await until(pilot, lambda app: not app.is_running)
    assert failing.return_code == 0


async def test_a_first_question_that_is_refused_is_in_the_editor(checkpoint: Path) -> None:
    async with explorer(checkpoint, question="What about blorbs?").run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: isinstance(app.screen, QuestionScreen))
        screen = shown(pilot).screen
        assert screen.query_one(TextArea).text == "What about blorbs?"
        assert "blorbs" in str(screen.query_one("#refused").render())
        screen.query_one(TextArea).text = "Is Alex a lempus or rompus?"
        await until(pilot, lambda app: not str(screen.query_one("#refused").render()))
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert shown(pilot).view.question == "Is Alex a lempus or rompus?"
        assert shown(pilot).screen is not screen


async def test_a_question_is_asked_as_it_was_written(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, "qwen2", template=CHATML)
    written = "A table:\n| a | b |\n  x = 1\n\nWhat is  b?"
    app = Explorer(ModelChoice(str(folder), "cpu"), question="Is 7 a prime?", thoughts=1)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("Q")
        app.screen.query_one(TextArea).text = f"\n {written} \n"
        await pilot.press("ctrl+s")
        await until(pilot, lambda app: app.view.question == written)
        assert app.keeper.questions == () or app.keeper.questions[0] == written
