"""In every theme of Textual letters stand out from what lies under them, and frames and dialogs are seen."""

import pytest
from rich.color import Color
from rich.segment import Segment
from textual.theme import BUILTIN_THEMES

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.run.layouts import PANES
from coconut_tui.widgets.palettes import CONTRAST, PALETTES, SHADES, contrast, palette_theme
from tests.tui.conftest import WIDE, settled, shown
from tests.tui.screens import look_at, opened, with_branches

_RGB = tuple[float, float, float]


def painted(app: Explorer) -> list[list[Segment]]:
    """The screen as the terminal is told of it, line by line."""
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def text_of(app: Explorer) -> str:
    return "\n".join("".join(piece.text for piece in line) for line in painted(app))


def parts(colour: Color | None) -> _RGB | None:
    """None for a colour that is the terminal's own."""
    if colour is None or colour.is_default or colour.triplet is None:
        return None
    return tuple(map(float, colour.triplet))  # type: ignore[return-value]


@pytest.mark.parametrize("theme", BUILTIN_THEMES)
@pytest.mark.parametrize("view", ["lens", "attention"])
async def test_shaded_cells_can_be_read_in_every_theme(trace: Trace, theme: str, view: str) -> None:
    """As they are painted: the lens's cells can be clicked, and Textual has a colour of its own for links."""
    async with opened(trace, theme).run_test(size=WIDE) as pilot:
        await look_at(pilot, trace, view)
        app = shown(pilot)
        shades = {app.console.get_style(f"coconut.shade.{level}").bgcolor for level in range(1, SHADES)}
        seen = 0
        for piece in (piece for line in painted(app) for piece in line):
            if piece.style is None or piece.style.bgcolor not in shades or not piece.text.strip():
                continue
            letters, ground = parts(piece.style.color), parts(piece.style.bgcolor)
            assert letters is not None
            assert ground is not None
            assert contrast(letters, ground) >= CONTRAST, (piece.text, piece.style)
            seen += 1
        assert seen > 2, "there are shaded cells"


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("theme", [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi])
def test_bars_and_marks_stand_out_from_every_theme(palette: str, theme: str) -> None:
    ground = BUILTIN_THEMES[theme].to_color_system().generate()["background"]
    styles = palette_theme(palette, BUILTIN_THEMES[theme].dark, ground).styles
    below = parts(Color.parse(ground))
    for name in ("coconut.bar", "coconut.edit"):
        colour = parts(styles[name].color)
        assert colour is not None
        assert below is not None
        assert contrast(colour, below) >= CONTRAST - 0.05  # colours are whole numbers


async def test_frames_are_seen_on_a_light_ground(trace: Trace) -> None:
    async with opened(trace, "textual-light").run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        frames = [piece.style for line in painted(app) for piece in line if piece.text.startswith("╭")]
        assert frames
        for style in frames:
            assert style is not None
            line, ground = parts(style.color), parts(style.bgcolor)
            assert line is not None
            assert ground is not None
            assert contrast(line, ground) >= 3.0  # asked of what is no text


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "textual-dark"])
async def test_the_row_of_the_cursor_can_be_told_from_the_others(trace: Trace, theme: str) -> None:
    async with opened(trace, theme).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        thoughts = app.query_one("#thoughts")
        await pilot.press("g")
        await pilot.pause()
        grounds = []
        for y in (1, 2):
            strip = painted(app)[thoughts.content_region.y + y]
            cells = [style for piece, style, _ in strip for _ in piece]
            style = cells[thoughts.content_region.right - 1]
            assert style is not None
            grounds.append((style.bgcolor, style.reverse))
        assert len(set(grounds)) == 2


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "textual-dark"])
@pytest.mark.parametrize("key", ["colon", "question_mark"])
async def test_a_dialog_leaves_what_it_does_not_cover(trace: Trace, theme: str, key: str) -> None:
    async with opened(trace, theme).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        await pilot.press(key)
        await pilot.pause()
        assert len(app.screen_stack) == 2
        for title in ("Prompt", "Thoughts", "Inspect"):
            assert f" {title} " in text_of(app)


async def test_the_focus_survives_a_terminal_that_shrinks_and_grows(trace: Trace) -> None:
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        for pane in PANES:
            app.focus_pane(pane)
            app.show_view("lens")
            await pilot.pause()
            for size in ((80, 24), (120, 40)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
                await pilot.pause()
                assert app.focused is not None
                assert (app.focused_pane, app.focused.display) == (pane, True)


async def test_a_click_on_a_tab_gives_the_pane_the_focus_and_keys_go_on(trace: Trace) -> None:
    async with opened(trace).run_test(size=(80, 24)) as pilot:
        app = await with_branches(pilot, trace)
        await pilot.click("#pane-tabs", offset=(12, 0))
        assert app.focused_pane == "inspect"
        await pilot.click("#pane-tabs", offset=(2, 0))
        assert app.focused_pane == "thoughts"
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        await pilot.pause()
        before = app.selected
        await pilot.press("k")
        assert app.selected != before
