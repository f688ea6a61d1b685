"""Themes are chosen by sight, kept, and one's own ones are read from the settings."""

import re
from pathlib import Path

import pytest
from textual.widgets import OptionList

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.saved.keeper import Keeper, saved_theme
from tests.tui.conftest import WIDE, settled, until
from tests.tui.settings_files import assert_named_in_one_line, load_config, written

DOCUMENT = Path(__file__).parents[2] / "docs" / "SETTINGS.md"


def example() -> str:
    """The theme that the document shows."""
    return str(re.findall(r"```toml\n(theme = .*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0])


async def test_the_theme_in_the_document_is_drawn(trace: Trace, tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, example()), environment={})
    again = load_config(written(tmp_path, loaded.to_toml()), environment={})
    assert again.config == loaded.config
    app = Explorer(trace=trace, config=loaded.config)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert (app.theme, app.current_theme.dark) == ("paper", False)
        assert app.screen.styles.background.hex.lower() == "#f7f3e8"
        assert app.colours.styles["coconut.bar"].color.triplet.hex == "#204a87"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("themes = 3", "'themes': write a table for each theme"),
        ('[themes.nord]\nprimary = "#ffffff"', "'nord' is a theme of Textual"),
        ("[themes.paper]\ndark = true", "'paper' has no field 'primary'"),
        ('[themes.paper]\nprimary = "blueish"', "'paper.primary' is no colour: write one as #rrggbb"),
        (
            '[themes.paper]\nprimary = "#ffffff"\nprimry = "#000000"',
            "'paper.primry' is no field of a theme: known are",
        ),
        ('[themes.paper]\nprimary = "#ffffff"\ndark = "yes"', "'paper.dark' is neither true nor false"),
        ('[themes.paper]\nprimary = "#ffffff"\ntext_alpha = 3', "'paper.text_alpha' is no number from 0 to 1"),
        ('[themes.paper]\nprimary = "#ffffff"\nvariables = 3', "'paper.variables' is no table of texts"),
        ('theme = "papre"\n[themes.paper]\nprimary = "#ffffff"', "'theme' is 'papre': known are"),
    ],
)
def test_a_wrong_theme_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert_named_in_one_line(written(tmp_path, text), said)


async def test_a_theme_is_seen_while_it_is_chosen_and_kept_once_it_is(trace: Trace, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "sessions", None)
    app = Explorer(trace=trace, keeper=keeper)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        for last, kept in (("escape", "textual-dark"), ("enter", "textual-light")):
            app.search_themes()
            await pilot.pause()
            await pilot.press("j")
            await until(pilot, lambda app: app.theme == "textual-light")
            assert not app.current_theme.dark
            await pilot.press(last)
            await until(pilot, lambda app: len(app.screen_stack) == 1)
            assert app.theme == kept
            assert saved_theme(tmp_path / "sessions") == kept


def test_an_own_theme_that_was_chosen_counts_while_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    keeper = Keeper(folder, None)
    keeper.note_theme("paper")
    keeper.close(in_order=True)
    assert saved_theme(folder, {"paper": {}}) == "paper"
    assert saved_theme(folder) is None


@pytest.mark.parametrize("theme", ["nord", "ansi-dark", "ansi-light"])
async def test_the_list_begins_with_the_theme_in_use_and_its_line_is_seen(trace: Trace, theme: str) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.theme = theme
        app.search_themes()
        await pilot.pause()
        await pilot.pause()
        themes = app.screen.query_one(OptionList)
        assert themes.highlighted is not None
        assert themes.get_option_at_index(themes.highlighted).prompt == theme
        assert app.theme == theme
        strips = app.screen._compositor.render_strips()
        grounds = {
            piece.text.strip(): piece.style.bgcolor
            for strip in strips
            for piece in strip
            if piece.style is not None
        }
        assert grounds[theme] != grounds["dracula"]
