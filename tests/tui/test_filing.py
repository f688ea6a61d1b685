"""What leaves the explorer: exports, pictures, the clipboard; and the colours that they are drawn in."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.text import Text
from textual.theme import BUILTIN_THEMES

from coconut_core.records.trace import Trace
from coconut_tui.actions.pictures import pane_text, picture
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.widgets.colours import written
from coconut_tui.widgets.palettes import palette_theme, role_colours
from coconut_tui.widgets.theme_colours import ground_of
from tests.tui.conftest import WIDE, explorer, notes, press, settled, typed

ENDINGS = (".html", ".md", ".txt", ".json")


@pytest.mark.drives("export")
async def test_a_run_is_exported_in_the_form_that_the_name_asks_for(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        for ending in ENDINGS:
            await typed(pilot, f"export {tmp_path / 'run'}{ending}")
            await settled(pilot)
        question = app.require_view().question
        assert Trace.load(tmp_path / "run.json").question == question
        for ending in ENDINGS[:3]:
            assert question.split(".")[0] in (tmp_path / f"run{ending}").read_text(encoding="utf-8")
        assert f"exported to file://{tmp_path}/run.html" in notes(app)
        before = (tmp_path / "run.md").read_text(encoding="utf-8")
        await typed(pilot, f"export {tmp_path / 'run.md'}")
        assert "exists already" in str(app.screen.query_one("#command-error").render())
        await pilot.press("escape")
        await typed(pilot, f"export {tmp_path / 'run.xyz'}")
        assert "does not say what to write" in str(app.screen.query_one("#command-error").render())
        assert (tmp_path / "run.md").read_text(encoding="utf-8") == before


async def test_a_saved_run_is_exported_without_a_model(trace: Trace, tmp_path: Path) -> None:
    async with Explorer(trace=trace).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await typed(pilot, f"export {tmp_path / 'run.json'}")
        await settled(pilot)
        assert Trace.load(tmp_path / "run.json") == trace


@pytest.mark.drives("picture", "screenshot")
async def test_a_view_and_the_screen_as_pictures(trace: Trace, tmp_path: Path) -> None:
    async with Explorer(trace=trace).run_test(size=(100, 20)) as pilot:
        app = await settled(pilot)
        await press(pilot, "c", "g")
        await typed(pilot, f"picture {tmp_path / 'thoughts.txt'}")
        await typed(pilot, f"picture {tmp_path / 'thoughts.svg'}")
        await typed(pilot, f"screenshot {tmp_path / 'screen.svg'}")
        text = (tmp_path / "thoughts.txt").read_text(encoding="utf-8")
        assert "lempus" in text
        assert "right" in text
        view, screen = (
            (tmp_path / name).read_text(encoding="utf-8") for name in ("thoughts.svg", "screen.svg")
        )
        assert view.startswith("<svg")
        assert "lempus" in view
        assert "Branches" not in view  # another pane
        assert screen.startswith("<svg")
        assert "Branches" in screen
        await typed(pilot, f"picture {tmp_path / 'thoughts.png'}")
        assert "end it in .svg or .txt" in str(app.screen.query_one("#command-error").render())
        await pilot.press("escape")
        await typed(pilot, f"picture {tmp_path / 'none' / 'x.svg'}")
        assert "cannot write" in str(app.screen.query_one("#command-error").render())


async def test_a_screen_takes_no_others_place_where_its_second_comes_again(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = [datetime.now() + timedelta(seconds=number) for number in range(120)]
    taken = [Path(f"coconut-{second:%Y%m%d-%H%M%S}.svg") for second in seconds]  # before the clock was set back
    for path in taken:
        path.touch()
    async with Explorer(trace=trace).run_test(size=(100, 20)) as pilot:
        await settled(pilot)
        await press(pilot, "f9", "f9")
    assert not any(path.stat().st_size for path in taken)
    new = [path for path in tmp_path.iterdir() if path.stat().st_size]
    assert len(new) == 2
    assert all(path.stem.rpartition("-")[2] in ("2", "3") for path in new)


@pytest.mark.drives("copy")
async def test_anything_can_be_copied(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c")
        await press(pilot, "y")
        assert app.clipboard == pane_text(app.query_one("#thoughts")).plain
        view = app.require_view()
        await typed(pilot, "copy question")
        assert app.clipboard == view.question
        await typed(pilot, "copy answer")
        assert app.clipboard == view.text
        await typed(pilot, "copy run")
        await settled(pilot)
        (tmp_path / "copied.json").write_text(app.clipboard, encoding="utf-8")
        assert Trace.load(tmp_path / "copied.json").steps == view.steps
        await typed(pilot, "copy nothing")
        assert "view, question, answer or run" in str(app.screen.query_one("#command-error").render())


async def test_the_palette_is_drawn_and_follows_the_theme(trace: Trace) -> None:
    app = Explorer(trace=trace, config=Config(palette="high-contrast"))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        dark, light = (bar_of("high-contrast", theme) for theme in ("textual-dark", "textual-light"))
        assert bar_of("standard", "textual-dark") != dark != light
        assert dark in app.export_screenshot().lower()
        await press(pilot, "d")
        await pilot.pause()
        picture_now = app.export_screenshot().lower()
        assert light in picture_now
        assert dark not in picture_now


def test_a_picture_has_the_palettes_colours() -> None:
    colours = palette_theme("standard", ground_of(BUILTIN_THEMES["textual-dark"]))
    drawn = picture(Text("x", "bold").append("y", "coconut.bar"), "bars", colours, dark=True)
    assert bar_of("standard", "textual-dark") in drawn.lower()


def bar_of(palette: str, theme: str) -> str:
    """The colour of bars, as #rrggbb."""
    return written(role_colours(palette, ground_of(BUILTIN_THEMES[theme]))["bar"])
