"""Views of plugins in the explorer: the worked example's drawn and explained, and what does not work told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coconut_tui.screens.help import HelpScreen
from coconut_tui.widgets.text import TextView
from tests.core.plugin_sites import install_example, seen, write_package
from tests.tui.conftest import WIDE, explorer, notes, press, settled, shown, typed, until

WRONG = """
from coconut_tui.views.view import View
FAILS = View("fails", "Fails", lambda sight: 1 / 0, lambda sight: 1 / 0)
TABLE = View("table", "Table")
"""
TOLD = (
    "[coconut_tui.views]\nfails = wrong_views:FAILS\ntable = wrong_views:TABLE\nabsent = wrong_views:ABSENT\n"
)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[None]:
    """The worked example is installed."""
    with seen(install_example(tmp_path)):
        yield


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[None]:
    """A package is installed with a view that fails, one that has nothing to draw with, and one not there."""
    write_package(tmp_path, "wrong-views", WRONG, TOLD)
    with seen(tmp_path):
        yield


@pytest.mark.usefixtures("example")
async def test_a_plugins_view_is_a_tab_that_is_drawn_typed_and_explained(checkpoint: Path) -> None:
    async with explorer(checkpoint, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s")
        await typed(pilot, "plugin-norms")
        assert app.shown_view == "plugin-norms"
        await until(pilot, lambda app: "█" in app.query_one("#view-plugin-norms", TextView).text.plain)
        drawn = app.query_one("#view-plugin-norms", TextView).text.plain
        assert app.view is not None
        assert [line.split()[-1] for line in drawn.splitlines()] == [
            f"{step.norm:.1f}" for step in app.view.steps
        ]
        await press(pilot, "s")
        await until(
            pilot, lambda app: len(app.query_one("#view-plugin-norms", TextView).text.plain.split("\n")) == 3
        )
        app.focus_pane("inspect")
        await pilot.press("question_mark")
        screen = shown(pilot).screen
        assert isinstance(screen, HelpScreen)
        assert screen._guide.reading.startswith("A bar for the length")
        await pilot.press("escape")
        assert "Norms" in [command.title for command in app.get_system_commands(app.screen)]


@pytest.mark.usefixtures("wrong")
async def test_views_that_do_not_work_are_told_and_the_others_go_on(checkpoint: Path) -> None:
    async with explorer(checkpoint, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert "the view 'absent' of the package wrong-views 1.0 cannot be imported (AttributeError" in notes(
            app
        )
        assert [action.name for action in app.actions if action.group == "Plugins"] == [
            "plugin-fails",
            "plugin-table",
        ]
        await press(pilot, "s")
        for name, said in (
            ("fails", "ZeroDivisionError: division by zero"),
            ("table", "no function that draws"),
        ):
            await typed(pilot, f"plugin-{name}")
            await settled(pilot)
            assert app.shown_view == f"plugin-{name}"
            assert said in app.query_one(f"#view-plugin-{name}", TextView).text.plain
        await press(pilot, "1")
        assert app.inspected == "top"
