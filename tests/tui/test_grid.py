"""The causal grid in the explorer: its kinds and directions, and cells that become branches."""

from pathlib import Path

import pytest
from textual.coordinate import Coordinate
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from coconut_core.coconut import CoconutModel
from coconut_core.grid.layouts import Direction, Kind
from coconut_core.grid.measuring import Grid, measure
from coconut_core.grid.setting import Choice, setting_of
from coconut_core.problems import Problem
from coconut_tui.app import Explorer
from coconut_tui.run.grid import DONORS, GridChoice
from coconut_tui.screens.grid import GridScreen
from coconut_tui.widgets.variants import signed
from tests.tui.conftest import WIDE, explorer, press, settled, until

QUESTION = "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?"


async def grid_of(pilot: Pilot[None], *keys: str) -> GridScreen:
    """The grid once it is complete, after keys."""
    await settled(pilot)
    await press(pilot, "c", "at")
    await until(pilot, lambda app: isinstance(app.screen, GridScreen))
    screen = pilot.app.screen
    assert isinstance(screen, GridScreen)
    await complete(pilot, screen, *keys)
    return screen


async def complete(pilot: Pilot[None], screen: GridScreen, *keys: str) -> None:
    await pilot.press(*keys)
    await until(pilot, lambda app: screen._table.complete or bool(screen._error))
    await until(pilot, lambda app: not screen._stale)
    await pilot.pause()


def shown(screen: GridScreen, row: int) -> list[str]:
    return [str(cell).strip() for cell in screen.query_one(DataTable).get_row_at(row)]


def state(screen: GridScreen) -> str:
    return str(screen.query_one("#what-if-state", Static).render())


def expected(checkpoint: Path, problem: Problem, choice: Choice) -> Grid:
    model = CoconutModel.from_pretrained(checkpoint, device="cpu")
    return measure(setting_of(model, problem, choice))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", [Kind.HEADS, Kind.LAYERS, Kind.PROMPT])
async def test_what_is_shown_is_what_the_engine_measures(
    checkpoint: Path, kind: Kind, direction: Direction
) -> None:
    async with explorer(checkpoint, question=QUESTION).run_test(size=WIDE) as pilot:
        keys = [str([*Kind].index(kind) + 1), *(["d"] if direction is Direction.DENOISING else [])]
        screen = await grid_of(pilot, *keys)
        app = pilot.app
        assert isinstance(app, Explorer)
        problem = app.require_view().problem
        assert problem is not None
        grid = expected(checkpoint, problem, Choice(kind, direction))
        assert screen._layout == grid.layout
        by_text = screen._by_text
        for place, cell in grid.cells.items():
            assert screen._table.shift(by_text[grid.layout.texts[place]]) == pytest.approx(cell.shift, abs=1e-4)
        assert shown(screen, 0)[0].startswith(signed(grid.cells[0, 0].shift, 2)[:4])


async def test_kinds_direction_donor_and_thought_are_keys(checkpoint: Path) -> None:
    async with explorer(checkpoint, question=QUESTION).run_test(size=WIDE) as pilot:
        screen = await grid_of(pilot, "tab")
        assert str(screen._choice.kind) == "heads"
        kinds = screen.query_one("#grid-kinds", Static)
        assert "d noising · o twin · t all" in str(kinds.render())
        await complete(pilot, screen, "t", "t")
        assert "every head at thought 2" in str(screen.query_one(".dialog").border_title)
        assert next(iter(screen._texts.values())) == "patch-head 0.0 twin@2"
        await complete(pilot, screen, "o", "o", "o")
        assert next(iter(screen._texts.values())) == "patch-head 0.0 zero@2"
        await complete(pilot, screen, "d")
        assert "denoising needs a donor whose run is repaired" in state(screen)
        await complete(pilot, screen, "d", "o", "5")
        assert "knockout thought:1@2" in screen._texts.values()
        await complete(pilot, screen, "shift+tab")
        assert str(screen._choice.kind) == "prompt"
        await pilot.press("m")
        at = screen.query_one(DataTable).cursor_coordinate
        shifts = [abs(screen._table.shift(each) or 0) for each in screen._table.variants]
        here = screen._by_text[screen._texts[at.row, at.column]]
        assert abs(screen._table.shift(here) or 0) == max(shifts)


async def test_a_cell_of_the_prompt_becomes_a_branch_that_is_undone_and_opened_again(checkpoint: Path) -> None:
    async with explorer(checkpoint, question=QUESTION).run_test(size=WIDE) as pilot:
        screen = await grid_of(pilot, "4")
        app = pilot.app
        assert isinstance(app, Explorer)
        before = [step.top for step in app.require_view().steps]
        await pilot.press("m")
        at: Coordinate = screen.query_one(DataTable).cursor_coordinate
        text = screen._texts[at.row, at.column]
        await pilot.press("enter")
        await settled(pilot)
        view = app.require_view()
        assert view.tree.here.done == text
        assert "@prompt:" in text
        after = [step.top for step in view.steps]
        assert after != before
        await press(pilot, "u")
        assert [step.top for step in app.require_view().steps] == before
        await press(pilot, "ctrl+r")
        assert [step.top for step in app.require_view().steps] == after
        await press(pilot, "r", "s")
        assert [step.top for step in app.require_view().steps] == after[:1], "it stays when the run begins anew"


async def test_a_denoising_cell_opens_in_the_twins_run(checkpoint: Path) -> None:
    async with explorer(checkpoint, question=QUESTION).run_test(size=WIDE) as pilot:
        screen = await grid_of(pilot, "3", "d")
        app = pilot.app
        assert isinstance(app, Explorer)
        question = app.require_view().question
        assert screen.run is not None
        assert screen._typed
        other = screen.run.question
        assert "The twin's run, with this question's activations." in state(screen)
        await pilot.press("enter")
        await until(pilot, lambda app: app.view is not None and app.view.question == other)
        await settled(pilot)
        assert app.require_view().question != question
        assert app.require_view().tree.here.done.startswith("patch ")


def test_the_choices() -> None:
    choice = GridChoice(2)
    assert choice.turned().turned() == choice
    assert [choice.next_thought().thought, choice.next_thought().next_thought().next_thought().thought] == [
        1,
        None,
    ]
    assert choice.next_donor().donor == DONORS[1]
    assert choice.next_kind(-1).kind is Kind.PATHS
