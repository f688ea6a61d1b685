"""The tour goes on when a step has been done, and is offered once."""

from pathlib import Path

import pytest

from coconut_core.records.trace import Trace
from coconut_tui.actions.table import ACTIONS
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.tour.bar import TourBar
from coconut_tui.tour.steps import FAREWELL, STOPS, first_time
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.conftest import WIDE, explorer, press, settled, typed, until


@pytest.mark.drives("tour")
async def test_each_step_waits_until_it_is_done(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        bar = app.query_one(TourBar)
        assert not bar.display
        await press(pilot, "H")
        assert (bar.stop, bar.display) == (0, True)
        await press(pilot, "s")
        await until(pilot, lambda app: bar.stop == 1)
        await press(pilot, "c")
        await until(pilot, lambda app: bar.stop == 2)
        await press(pilot, "g")
        await pilot.pause(0.5)
        assert bar.stop == 2, "the graph has not been looked at yet"
        await press(pilot, "2")
        await until(pilot, lambda app: bar.stop == 3)
        await press(pilot, "z")
        await until(pilot, lambda app: bar.stop == 4)
        await press(pilot, "C")
        await until(pilot, lambda app: bar.stop == 5)
        await pilot.press("escape")
        await typed(pilot, f"export {tmp_path / 'run.html'}")
        await until(pilot, lambda app: bar.stop == len(STOPS))
        await press(pilot, "H")
        assert bar.stop is not None
        assert bar.stop < len(STOPS), "after its end it begins again"
        await press(pilot, "H")
        assert bar.stop is None
        assert not bar.display


async def test_it_begins_by_itself_where_it_is_asked_to(checkpoint: Path) -> None:
    async with explorer(checkpoint, tour=True).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        assert app.query_one(TourBar).stop == 0


def test_every_key_it_names_is_there() -> None:
    keys = {action.name: action.shown_keys for action in ACTIONS}
    for stop in STOPS:
        assert stop.instruction(keys)
    assert keys["tour"] in FAREWELL.format_map(keys)


def test_it_is_offered_once(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert first_time(folder)
    assert not first_time(folder)


def test_it_is_not_offered_where_nothing_can_be_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert not first_time(tmp_path / "file" / "state")


async def test_it_asks_for_nothing_that_cannot_be_done_yet(checkpoint: Path, trace: Trace) -> None:
    async with explorer(checkpoint, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        bar = app.query_one(TourBar)
        await press(pilot, "H")
        await press(pilot, "c")
        await until(pilot, lambda app: bar.stop == 2)
        await press(pilot, "r")
        await until(pilot, lambda app: "First take some thoughts: s or space" in str(bar.render()))
        await press(pilot, "c", "2")
        await press(pilot, "A")
        await until(pilot, lambda app: bar.stop == 3)
        await press(pilot, "escape", "z")
        await until(pilot, lambda app: bar.stop == 4 and "Press C" in str(bar.render()))
        await press(pilot, "u")
        await until(pilot, lambda app: "First a second branch" in str(bar.render()))
    async with Explorer(trace=trace).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        bar = app.query_one(TourBar)
        await press(pilot, "H", "c", "2", "A")
        await until(pilot, lambda app: bar.stop == 5, 60)  # a saved run cannot be changed


async def test_a_model_without_a_graph_has_no_step_for_it(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, "qwen2", template=CHATML)
    app = Explorer(ModelChoice(str(folder), "cpu"), question="Is 7 a prime?")
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        bar = app.query_one(TourBar)
        await press(pilot, "H")
        await until(pilot, lambda app: "takes no thoughts" in str(bar.render()))
        await press(pilot, "right_square_bracket", "t")
        await until(pilot, lambda app: bar.stop == 1)
        await typed(pilot, "zero@1")
        await press(pilot, "enter")
        await press(pilot, "c")
        await until(pilot, lambda app: bar.stop == 4)
