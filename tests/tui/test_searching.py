"""Searching with / in whatever has lines: panes, help, lists."""

from pathlib import Path

import pytest
from textual.widgets import DataTable, Input, Label, Static

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.search import SearchScreen
from tests.tui.conftest import WIDE, explorer, notes, press, settled, until
from tests.tui.screens import painted


def counted(app: Explorer) -> str:
    return str(app.screen.query_one("#search-count", Static).render())


@pytest.mark.drives("search")
async def test_a_thought_is_found_by_what_it_says(trace: Trace) -> None:
    async with Explorer(trace=trace).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        await press(pilot, "g", "0")  # as rows, which are the lines that are searched
        assert app.selected == 0
        await pilot.press("slash", *"ROMPUS")
        await until(pilot, lambda app: app.selected == 1)
        assert "1 of 1" in counted(app)
        await pilot.press("escape")
        await until(pilot, lambda app: app.selected == 0)
        await pilot.press("slash", *"gorpus", "enter")
        await until(pilot, lambda app: app.selected == 2)
        assert not isinstance(app.screen, SearchScreen)
        await pilot.press("slash", *"nowhere")
        await until(pilot, lambda app: "no line has it" in counted(app))
        assert app.selected == 2


async def test_help_is_searched_and_goes_on(trace: Trace) -> None:
    async with Explorer(trace=trace).run_test(size=(100, 16)) as pilot:
        app = await settled(pilot)
        await press(pilot, "question_mark")
        screen = app.screen
        assert isinstance(screen, HelpScreen)
        await pilot.press("slash", *"Breakpoint")
        await until(pilot, lambda app: "1 of" in counted(app))
        mark = app.screen.query_one("#search-mark", Label)
        await until(pilot, lambda app: str(mark.render()) == "breakpoint")
        line = painted(app).splitlines()[mark.region.y]
        assert line[mark.region.x : mark.region.right] == "breakpoint", "it lies over itself"
        await pilot.press("down")
        await until(pilot, lambda app: "2 of" in counted(app))
        await pilot.press("enter")
        assert app.screen is screen
        top = screen.query_one(".dialog").scroll_offset.y
        assert top > 0
        await pilot.press("slash", *"zzz", "enter", "n")
        await until(pilot, lambda app: "no line has 'zzz'" in notes(app))
        assert screen.query_one(".dialog").scroll_offset.y == top


async def test_lists_in_dialogs_are_searched(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "i")
        table = app.screen.query_one(DataTable)
        wanted = str(table.get_row_at(3)[0])
        await pilot.press("slash")
        app.screen.query_one(Input).value = wanted
        await until(pilot, lambda app: table.cursor_row == 3)
        app.screen.query_one(Input).value = "@1"
        await until(pilot, lambda app: table.cursor_row == 1)
        await pilot.press("enter", "n")
        await until(pilot, lambda app: table.cursor_row == 2)
        await pilot.press("N", "N")
        await until(pilot, lambda app: table.cursor_row == table.row_count - 1)
        await pilot.press("escape", "e")
        await pilot.press("slash", *"noise")
        await pilot.press("enter")
        await until(pilot, lambda app: app.screen.query_one(Input).value.startswith("noise"))


async def test_before_a_search_n_says_so(trace: Trace) -> None:
    async with Explorer(trace=trace).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "question_mark", "n")
        assert "nothing has been searched yet" in notes(app)
