"""Which thought an edit is about, and values that are typed into its dials."""

from functools import partial
from pathlib import Path

import pytest
from textual.screen import Screen
from textual.widgets import Input, OptionList

from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.run.controlled import Controlled
from coconut_tui.run.state import Preview, WhatIf
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.widgets.dials import Dial
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.conftest import WIDE, explorer, notes, press, settled, shown, typed, until
from tests.tui.screens import preview, previewed


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a problem family, so that its questions have no graph."""
    return ordinary_folder(tmp_path_factory.mktemp("ordinary"), "qwen2", template=CHATML)


def title(screen: Screen[object]) -> str:
    return str(screen.query_one("#edit").border_title)


def has_title(told: str, app: Explorer) -> bool:
    return told in title(app.screen)


def has_begun(name: str, app: Explorer) -> bool:
    return app.screen.query_one(Input).value.startswith(name)


@pytest.mark.drives("continue", "edit", "zero", "what-if")
async def test_after_a_run_the_last_thought_is_meant_or_the_one_looked_at(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        assert app.view.over
        await press(pilot, "e")
        assert "thought 4," in title(app.screen)
        assert app.screen.query_one(Input).value == "zero@4"
        await until(pilot, lambda app: previewed(app.screen))
        assert "✗" not in preview(app.screen)
        await press(pilot, "escape", "z")
        assert app.view.tree.here.done == "zero@4"
        await typed(pilot, "run-to 2")
        await settled(pilot)
        await press(pilot, "up", "down", "c")
        assert app.view.over
        await press(pilot, "z")
        assert app.view.tree.here.done == "zero@2", "the thought that was last looked at"
        await press(pilot, "i")
        assert "thought 2" in str(app.screen.query_one(".dialog").border_title)
        assert "select a thought" not in notes(app)


async def test_before_the_first_step_there_is_none(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "z")
        assert "there is no thought to change yet: s takes one" in notes(app)
        await press(pilot, "e")
        assert app.screen.query_one(Input).value == "zero@1"


async def test_the_title_follows_the_text(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        await typed(pilot, "zero@2")
        assert "thought 2," in title(app.screen)
        for text, told in (
            ("zero@all", "all thoughts"),
            ("zero@1-3", "thought 1-3"),
            ("shuffle 1", "the thoughts"),
        ):
            app.screen.query_one(Input).value = text
            await until(pilot, partial(has_title, told))


@pytest.mark.parametrize("taken", ["nothing", "all thoughts", "words"])
async def test_a_question_without_a_graph_can_be_steered(ordinary: Path, taken: str) -> None:
    """There is no token at hand where there is neither a graph nor a thought: it is typed."""
    app = Explorer(ModelChoice(str(ordinary), "cpu"), question="Is 7 a prime?", thoughts=2)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, *{"nothing": [], "all thoughts": ["t"], "words": ["t", "s"]}[taken])
        await typed(pilot, "steer Paris 4@2")
        screen = app.screen
        await until(pilot, lambda app: len(screen.query(Dial)) == 3)
        await press(pilot, "escape", "e")
        screen = app.screen
        menu = screen.query_one(OptionList)
        for place, option in enumerate(menu.options):  # as a person goes down the menu
            menu.highlighted = place
            begun = str(option.id)
            await until(pilot, partial(has_begun, begun))
        assert isinstance(app.screen, EditScreen)


async def test_a_value_is_typed_into_its_dial(ordinary: Path) -> None:
    app = Explorer(ModelChoice(str(ordinary), "cpu"), question="Is 7 a prime?", thoughts=2)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "e")
        screen = app.screen
        menu = screen.query_one(OptionList)
        menu.highlighted = menu.get_option_index("steer")
        await until(pilot, lambda app: len(screen.query(Dial)) == 3)
        line = screen.query_one(Input)
        assert line.value == "steer TOKEN 4@1"
        assert "type TOKEN" in preview(screen)
        await pilot.press("ctrl+s")
        assert app.screen is screen, "there is nothing to apply yet"
        dials = {dial.name: dial for dial in screen.query(Dial)}
        dials["TOKEN"].focus()
        await pilot.press(*"hello")
        await until(pilot, lambda app: line.value == "steer hello 4@1")
        await pilot.press("backspace")
        await until(pilot, lambda app: line.value == "steer hell 4@1")
        dials["FACTOR"].focus()
        await pilot.press(*"-1.5")
        await until(pilot, lambda app: line.value == "steer hell -1.5@1")
        await pilot.press("right")
        await until(pilot, lambda app: line.value == "steer hell -1@1")


@pytest.mark.parametrize("factor", ["inf", "-inf", "nan", "1e308", "1e999"])
async def test_a_factor_off_the_scale_is_told_and_not_a_crash(checkpoint: Path, factor: str) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s")
        await typed(pilot, f"scale {factor}@1")
        screen = shown(pilot).screen
        await until(pilot, lambda app: len(screen.query(Dial)) == 2)
        await until(pilot, lambda app: "✗" in preview(screen))
        screen.query(Dial).first().focus()
        await pilot.press("right", "left")
        assert shown(pilot).screen is screen


@pytest.mark.parametrize("key", ["²", "①", "４", "9" * 5000])
async def test_any_digit_in_the_filter_of_the_problems(checkpoint: Path, key: str) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "P")
        screen = app.screen
        assert isinstance(screen, ProblemsScreen)
        await until(pilot, lambda app: screen.query_one(OptionList).option_count > 1)
        screen.query_one(Input).value = key
        await until(pilot, lambda app: "Problems: 50," not in str(screen.query_one(".dialog").border_title))


async def test_what_comes_in_after_a_screen_was_left_is_not_shown(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        for key, late in (
            ("e", lambda screen: screen.show(Preview("zero@1"))),
            ("i", lambda screen: screen.show(WhatIf("thought 1", ()))),
            ("V", lambda screen: screen.show(Controlled())),
            ("P", lambda screen: screen.show()),
        ):
            await pilot.press(key)
            await until(pilot, lambda app: len(app.screen_stack) == 2)
            screen = app.screen
            await pilot.press("escape")
            await until(pilot, lambda app: len(app.screen_stack) == 1)
            app.engine.tell(late, screen)
        await settled(pilot)
        await press(pilot, "s")
        assert len(app.view.steps) == 2
