"""Random actions, hundreds of them, by keys and typed lines: no exception, and the numbers of a replay."""

import os
import random
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from coconut_core.coconut import CoconutModel
from coconut_tui.actions.table import ACTIONS
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.screens.command import CommandScreen
from coconut_tui.screens.welcome import WelcomeScreen
from tests.tui.benches import brief_model, fresh_records, same_numbers
from tests.tui.conftest import settled

# They leave the run, or write files; stop would lose what is asked for.
LEFT_OUT = {"quit", "leave", "cpu", "save", "export", "picture", "screenshot", "open", "stop", "build-atlas"}
ARGUMENTS = {
    "run-to": ("1", "3", "9", "x"),
    "thoughts": ("0", "2", "4", "5"),
    "break": ("thought 2", "entropy < 2", "token Alex in top 5", "top changes", "nonsense"),
    "sweep": ("scale 0..2/3", "scale 1"),
    "branch": ("main", "fork@2", "nowhere"),
    "rename": ("one", "two", "main"),
    "problem": ("1", "2"),
    "beside": ("./nowhere",),
    "training": ("./nowhere",),
    "across": ("./nowhere",),
    "model": ("./nowhere",),
    "pin": ("Alex", "lempus", "nonsense"),
}
LINES = (
    "zero@2",
    "noise 1@1",
    "scale 2@3; zero@1",
    "drop@1",
    "truncate 2",
    "extend 5",
    "replace own:1@2",
    "zero@x",
)


async def random_action(pilot: Pilot[None], app: Explorer, rng: random.Random) -> str:
    """Do something; returns what."""
    if isinstance(app.screen, WelcomeScreen):
        await pilot.press("escape")  # enter would open another model
        return "escape"
    if len(app.screen_stack) > 1:
        keys = ["enter", "j", "k", "down", "up", "space", "tab", "left", "right"]
        key = rng.choice(keys) if rng.random() < 0.5 else "escape"
        await pilot.press(key)
        return key
    if rng.random() < 0.15:
        line = rng.choice(LINES)
        app.engine.edit(line, 0)
        return line
    actions = [action for action in ACTIONS if action.name not in LEFT_OUT]
    weights = [3 if action.group in ("Run", "Edit", "Branches") else 1 for action in actions]
    action = rng.choices(actions, weights)[0]
    if action.needs_argument and rng.random() < 0.8:
        argument = rng.choice(ARGUMENTS[action.name])
        await pilot.press("colon")
        if not isinstance(app.screen, CommandScreen):
            return "colon"  # the graph was being played; a key only stops that
        app.screen.query_one(Input).value = f"{action.name} {argument}"
        await pilot.press("enter")
        return f"{action.name} {argument}"
    await pilot.press(rng.choice(action.keys.split(",")))
    return action.name


async def test_a_random_walk_ends_as_a_fresh_replay_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    count = int(os.environ.get("COCONUT_WALK", "200"))  # make soak takes 2,000
    model = brief_model()
    model.save_pretrained(tmp_path)
    fresh = CoconutModel.from_pretrained(tmp_path, device="cpu")
    app = Explorer(ModelChoice(str(tmp_path), "cpu"))
    app.animation_level = "none"
    done: list[str] = []
    async with app.run_test(size=(80, 24), notifications=False) as pilot:
        await settled(pilot)
        for number in range(1, count + 1):
            done.append(await random_action(pilot, app, rng))
            if number % 20 == 0:
                app.clear_notifications()
                await settled(pilot)
                tree = app.view.tree
                records = fresh_records(fresh, tree.here.decisions, tree.question, tree.problem)
                assert same_numbers(app.view.steps, records), done
        assert app._exception is None
    assert len(set(done)) > 30
