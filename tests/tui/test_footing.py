"""What the screen says of itself: keys by focus and state, all names of the views, sentences that are whole."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea
from textual.widgets._footer import FooterKey

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.saved.keeper import Keeper, saved_theme
from coconut_tui.screens.compare import CompareScreen
from coconut_tui.screens.help import HelpScreen
from coconut_tui.views import VIEWS
from coconut_tui.widgets.keys import KeysLine
from coconut_tui.widgets.view_tabs import ViewTabs
from tests.tui.conftest import WIDE, explorer, notes, press, settled, shown, typed, until
from tests.tui.screens import painted


def words(text: str) -> str:
    """A text without frames and line breaks."""
    return " ".join(text.replace("│", " ").split())


def keys(pilot: Pilot[None]) -> str:
    return str(shown(pilot).query_one(KeysLine).render())


@pytest.mark.drives("step", "continue")
async def test_the_keys_follow_the_run_and_the_focus(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(200, 45)) as pilot:
        await settled(pilot)
        assert "s step" in keys(pilot)
        assert "> layer above" not in keys(pilot)
        await press(pilot, "s", "4")
        await until(pilot, lambda app: "> layer above" in keys(pilot))
        assert "} next head" not in keys(pilot)
        await press(pilot, "5")
        await until(pilot, lambda app: "} next head" in keys(pilot))
        shown(pilot).focus_pane("branches")
        await until(pilot, lambda app: "R rename" in keys(pilot))
        await press(pilot, "c")
        await until(pilot, lambda app: "s step" not in keys(pilot))
        assert "r restart" in keys(pilot)
        count = len(shown(pilot).view.steps)
        await press(pilot, "s")
        assert len(shown(pilot).view.steps) == count
        assert "the run is at its end" in notes(shown(pilot))


@pytest.mark.drives("compare", "zero")
async def test_each_step_of_a_newcomer_is_named(checkpoint: Path) -> None:
    async with explorer(checkpoint, example=1).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        named = keys(pilot)
        assert " s step " in named
        assert " z zero " not in named, "there is no thought yet"
        assert " b back " not in named
        await press(pilot, "c")
        assert " z zero " in keys(pilot)
        assert " C compare " not in keys(pilot), "there is nothing to compare with yet"
        await press(pilot, "z")
        await until(pilot, lambda app: " C compare " in keys(pilot))
        for key in "12456":  # whatever view has the focus
            await press(pilot, key, "l")
            for label in (" C compare ", " z zero ", " Q question ", " q quit ", " ? help "):
                assert label in keys(pilot), (key, label)
        await press(pilot, "C")
        assert isinstance(app.screen, CompareScreen)
        await until(pilot, lambda app: bool(app.screen.query(FooterKey)))
        assert "close" in [key.description for key in app.screen.query(FooterKey)]
        assert "fork" not in painted(app).splitlines()[-1], "these keys do nothing here"


async def test_a_replay_names_no_key_that_it_refuses(trace: Trace) -> None:
    async with Explorer(trace=trace).run_test(size=(200, 45)) as pilot:
        await settled(pilot)
        for label in ("edit", "zero", "what if", "question", "fork"):
            assert f" {label} " not in keys(pilot)
        assert "c continue" in keys(pilot)


async def test_a_key_of_the_line_can_be_clicked(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.click(KeysLine, offset=(2, 0))
        await until(pilot, lambda app: len(app.view.steps) == 1)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_view_is_named_with_its_key(trace: Trace, size: tuple[int, int]) -> None:
    async with Explorer(trace=trace).run_test(size=size) as pilot:
        app = await settled(pilot)
        app.focus_pane("inspect")
        await until(pilot, lambda app: "1 Top-k" in painted(app))
        for number, view in enumerate(VIEWS, start=1):
            assert f"{number} {view.title}" in painted(app)
        tabs = app.query_one("#view-tabs", ViewTabs)
        place = next(
            (1 + sum(len(label) + 2 for _, label in line[: [name for name, _ in line].index("lens")]), y)
            for y, line in enumerate(tabs.lines(tabs.size.width))
            if "lens" in dict(line)
        )
        await pilot.click("#view-tabs", offset=(1 + place[0], place[1]))
        await until(pilot, lambda app: app.shown_view == "lens")


async def test_sentences_are_whole_at_80_columns(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        verdict = str(app.query_one("#verdict").render())
        assert words(verdict) in words(painted(app))
        await typed(pilot, "break blorb > 1")
        await until(pilot, lambda app: bool(app.screen.query("#command-error")))
        error = str(app.screen.query_one("#command-error").render())
        assert "top changes" in error
        await until(pilot, lambda app: words(error) in words(painted(app)))
        assert app.screen.query_one(Input).value == "break blorb > 1"


async def test_a_theme_that_is_chosen_is_kept(trace: Trace, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    assert saved_theme(folder) is None
    app = Explorer(trace=trace, keeper=Keeper(folder), config=Config(theme="nord"))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert saved_theme(folder) is None, "only what is chosen is kept"
        app.theme = "dracula"
        await until(pilot, lambda app: saved_theme(folder) == "dracula")
    (folder.parent / "theme").write_text("no such theme")
    assert saved_theme(folder) is None


@pytest.mark.drives("tour")
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_notes_cover_none_of_the_lines_at_the_bottom(trace: Trace, size: tuple[int, int]) -> None:
    async with Explorer(trace=trace).run_test(size=size, notifications=True) as pilot:
        app = await settled(pilot)
        await press(pilot, "H", "X", "X")
        await until(pilot, lambda app: len(app.screen.query("Toast")) == 2)
        await until(pilot, lambda app: app.screen.query("Toast").last().region.height > 0)
        bottom = max(toast.region.bottom for toast in app.screen.query("Toast"))
        for line in ("#tour", "#verdict", "#keys"):
            assert bottom <= app.query_one(line).region.y
        assert bottom < app.query_one("#panes").region.bottom, (
            "in the last line are what panes say at their foot"
        )


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_help_is_named_however_little_room_there_is(checkpoint: Path, width: int) -> None:
    async with explorer(checkpoint).run_test(size=(width, 24)) as pilot:
        await settled(pilot)
        assert keys(pilot).rstrip().endswith("^p palette")
        assert "? help" in keys(pilot)
        x = keys(pilot).index("? help")
        await pilot.click(KeysLine, offset=(x, 0))
        await until(pilot, lambda app: isinstance(app.screen, HelpScreen))


async def test_why_a_question_is_refused_can_be_read_whole(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        await press(pilot, "Q")
        unknown = [f"blorb{letter}s" for letter in "abcdef"]
        app.screen.query_one(TextArea).text = f"Is {' '.join(unknown)}?"
        await press(pilot, "ctrl+s")
        refused = app.screen.query_one("#refused", Static)
        await until(pilot, lambda app: unknown[0] in str(refused.render()))
        x, right, y, bottom = refused.region.x, refused.region.right, refused.region.y, refused.region.bottom
        lines = [line[x:right] for line in painted(app).splitlines()[y:bottom]]
        assert words(" ".join(lines)) == words(str(refused.render()))
