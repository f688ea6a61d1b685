"""In every theme of Textual letters stand out from what lies under them, and frames and dialogs are seen."""

from collections.abc import Awaitable, Callable

import pytest
from rich.color import Color
from rich.segment import Segment
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES
from textual.widget import Widget

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.run.collection import Collection
from coconut_tui.run.layouts import PANES
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.what_if import WhatIfScreen
from coconut_tui.views import VIEWS
from coconut_tui.widgets.colours import contrast
from coconut_tui.widgets.palettes import CONTRAST, SHADES
from coconut_tui.widgets.rows import RowsView
from tests.tui.conftest import PROBLEM, WIDE, settled, shown
from tests.tui.screens import ANSWERS, PLACE, RIGHT, WRONG, opened, said, with_branches

DRAWN = set(" ─│╭╮╰╯━┃┏┓┗┛┌┐└┘╶╴╸╺▁▂▃▄▅▆▇█▔▕▏▎▍▌▋▊▉▐")

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


def unreadable(app: Explorer, under: Widget) -> list[object]:
    """What is painted in a widget and stands out too little from its ground: letters, and what is no text."""
    wrong: list[object] = []
    region = under.region
    for y, line in enumerate(painted(app)):
        x = 0
        for piece in line:
            start, x = x, x + piece.cell_length
            colours = piece.style and (parts(piece.style.color), parts(piece.style.bgcolor))
            if not piece.text.strip() or not region.contains(start, y) or not colours or None in colours:
                continue
            least = 3.0 if set(piece.text) <= DRAWN else CONTRAST
            if contrast(*colours) < least:  # type: ignore[arg-type]
                wrong.append((piece.text, str(piece.style), y, round(contrast(*colours), 2)))  # type: ignore[arg-type]
    return wrong


Show = Callable[[Pilot[None], Trace], Awaitable[Widget]]


async def _panes(pilot: Pilot[None], trace: Trace) -> Widget:
    app = shown(pilot)
    app.show_view("graph")
    app.tell("a note")
    app.tell_error("no such thing")
    return app.screen


async def _cells(pilot: Pilot[None], trace: Trace) -> Widget:
    """The lens's cells can be clicked, and Textual has a colour of its own for links."""
    shown(pilot).show_view("lens")
    return shown(pilot).screen


async def _words(pilot: Pilot[None], trace: Trace) -> Widget:
    shown(pilot).show_view("attention")
    return shown(pilot).screen


async def _problems(pilot: Pilot[None], trace: Trace) -> Widget:
    problems = Collection([PROBLEM] * 3, None)
    problems.note({1: said(RIGHT), 2: said(WRONG)})
    await shown(pilot).push_screen(ProblemsScreen(problems, 1, lambda chosen: None, lambda chosen: None))
    return shown(pilot).screen.query_one(".dialog")


async def _what_if(pilot: Pilot[None], trace: Trace) -> Widget:
    dialog = WhatIfScreen("thought 2")
    await shown(pilot).push_screen(dialog)
    rows = (Variant("zero@2", said(RIGHT), probabilities=(0.9, 0.1)), Variant("noise@2", error="none"))
    dialog.show(WhatIf("thought 2", rows, complete=True, place=PLACE))
    return dialog.query_one(".dialog")


async def _command(pilot: Pilot[None], trace: Trace) -> Widget:
    await pilot.press("colon", "s", "t")
    return shown(pilot).screen.query_one("#command")


async def _help(pilot: Pilot[None], trace: Trace) -> Widget:
    await pilot.press("question_mark")
    return shown(pilot).screen.query_one(".dialog")


SHOWS = (_panes, _cells, _words, _problems, _what_if, _command, _help)


@pytest.mark.parametrize("theme", BUILTIN_THEMES)
async def test_all_that_is_painted_can_be_read_in_every_theme(trace: Trace, theme: str) -> None:
    """Cell by cell as the terminal is told of it. In a theme of its own colours only heat has numbers."""
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        for name in ("lens", "attention"):
            ask = next(view for view in VIEWS if view.name == name).ask(app.sight)
            assert ask is not None
            app.take_answer(ask, ANSWERS[name])
        app.theme = theme
        await pilot.pause()
        for show in SHOWS:
            under = await show(pilot, trace)
            await pilot.pause()
            await pilot.pause()
            assert not unreadable(app, under), show.__name__
            if show in (_cells, _words):
                shades = {app.console.get_style(f"coconut.shade.{level}").bgcolor for level in range(1, SHADES)}
                styles = [piece.style for line in painted(app) for piece in line if piece.style]
                assert sum(style.bgcolor in shades for style in styles) > 2, f"{show.__name__} has shaded cells"
            app.clear_notifications()
            while len(app.screen_stack) > 1:
                app.pop_screen()


async def test_right_and_wrong_have_their_colours_wherever_they_are_marked(trace: Trace) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        roles = ("✓", "right"), ("✗", "wrong")
        wanted = {mark: app.console.get_style(f"coconut.{role}").color for mark, role in roles}
        for show, count in ((_panes, 4), (_problems, 4), (_what_if, 3)):
            await show(pilot, trace)
            await pilot.pause()
            pieces = [piece for line in painted(app) for piece in line if piece.text.strip() in wanted]
            assert len(pieces) >= count
            for piece in pieces:
                assert piece.style is not None
                assert parts(piece.style.color) == parts(wanted[piece.text.strip()]), (show.__name__, piece)
            while len(app.screen_stack) > 1:
                app.pop_screen()


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "textual-dark"])
async def test_the_row_of_the_cursor_can_be_told_from_the_others(trace: Trace, theme: str) -> None:
    async with opened(trace, theme).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        rows = app.query_one("#branch-tree", RowsView)
        grounds = []
        for y in (0, 1, 2):
            strip = painted(app)[rows.content_region.y + y]
            cells = [style for piece, style, _ in strip for _ in piece]
            style = cells[rows.content_region.right - 1]
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
        for title in ("Prompt", "Thoughts"):
            assert title in text_of(app)


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
