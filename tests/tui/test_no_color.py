"""With NO_COLOR nothing on screen is coloured, and what colours tell otherwise is still told."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.segment import Segment
from textual.pilot import Pilot
from textual.screen import Screen

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.screens.breakpoints import BreakpointsScreen
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.what_if import WhatIfScreen
from coconut_tui.widgets.rows import RowsView
from tests.tui.conftest import PROBLEM, WIDE, shown, until
from tests.tui.screens import FACTS, LOOKED_AT, RIGHT, look_at, opened, said, view, with_branches

pytestmark = pytest.mark.usefixtures("no_color")
THEMES = ("textual-dark", "textual-light", "ansi-dark")
ATTRIBUTES = ("bold", "italic", "underline", "reverse")


@pytest.fixture
def no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def segments(app: Explorer) -> list[list[Segment]]:
    """The screen as the terminal is told of it, line by line."""
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def shape(app: Explorer) -> list[list[tuple[str, ...]]]:
    """Every character on screen with what is told of it besides colours."""
    return [
        [
            (char, *(name for name in ATTRIBUTES if piece.style and getattr(piece.style, name)))
            for piece in line
            for char in piece.text
        ]
        for line in segments(app)
    ]


def marked(app: Explorer, text: str, attribute: str) -> bool:
    """Whether a text stands somewhere on screen with an attribute throughout."""
    lines = ["".join(char if attribute in how else "\0" for char, *how in line) for line in shape(app)]
    return any(text in line for line in lines)


def assert_no_colours(app: Explorer) -> None:
    styles = {piece.style for line in segments(app) for piece in line if piece.style}
    colours = {colour for style in styles for colour in (style.color, style.bgcolor) if colour is not None}
    assert all(colour.is_default for colour in colours), colours


@pytest.mark.parametrize("name", LOOKED_AT)
async def test_no_view_is_coloured(trace: Trace, name: str) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        await look_at(pilot, trace, name)
        assert_no_colours(shown(pilot))


@pytest.mark.parametrize("theme", THEMES)
async def test_no_theme_colours(trace: Trace, theme: str) -> None:
    async with opened(trace, theme).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        for name in ("graph", "answer"):
            app.show_view(name)
            await pilot.pause()
            assert_no_colours(app)


@pytest.mark.parametrize("keys", [["question_mark"], ["colon", "s", "t"], ["ctrl+o"], ["ctrl+p"]])
async def test_no_screen_is_coloured(trace: Trace, keys: list[str]) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        before = shape(app)
        await pilot.press(*keys)
        await pilot.pause()
        assert shape(app) != before
        assert_no_colours(app)


def test_colours_are_there_otherwise(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What assert_no_colours looks at has colours where it should."""
    monkeypatch.delenv("NO_COLOR")

    async def look() -> None:
        async with opened(trace).run_test(size=WIDE) as pilot:
            await with_branches(pilot, trace)
            with pytest.raises(AssertionError):
                assert_no_colours(shown(pilot))

    import asyncio

    asyncio.run(look())


def _cursor_is_marked(app: Explorer, rows: RowsView) -> bool:
    assert rows.key is not None
    return marked(app, rows.text_of(rows.key).plain.strip()[-8:], "reverse")


@pytest.mark.parametrize("pane", ["thoughts", "branches"])
async def test_a_cursor_is_seen(trace: Trace, pane: str) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        app.focus_pane(pane)
        if pane == "thoughts":
            await pilot.press("0")  # as rows
        await pilot.press("down")
        rows = app.query_one("#branch-tree" if pane == "branches" else "#thoughts", RowsView)
        await until(pilot, lambda app: rows.key is not None and _cursor_is_marked(app, rows))


async def test_the_pane_with_the_focus_and_the_view_in_front_are_seen(trace: Trace) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        for pane in ("prompt", "branches", "thoughts", "inspect"):
            app.focus_pane(pane)
            await pilot.pause()
            assert [line for line in shape(app) if ("┏",) in line], "a heavy border"
            assert marked(app, f" {pane.capitalize()} ", "bold")
        for name, tab in (("attention", "Attention"), ("lens", "Lens")):
            app.show_view(name)
            await until(pilot, lambda app, tab=tab: marked(app, tab, "reverse"))  # type: ignore[misc]


Opened = Callable[[Pilot[None], Trace], Screen[Any]]


def _problems(pilot: Pilot[None], trace: Trace) -> Screen[Any]:
    return ProblemsScreen(Collection([PROBLEM] * 3, None), 1, lambda chosen: None, lambda chosen: None)


def _breakpoints(pilot: Pilot[None], trace: Trace) -> Screen[Any]:
    return BreakpointsScreen(
        (Breakpoint(thought=3), Breakpoint(measure="entropy", limit=0.5)), lambda breakpoints: None
    )


def _edit(pilot: Pilot[None], trace: Trace) -> Screen[Any]:
    return EditScreen(Workshop(FACTS, view(trace), trace.steps[1]), "", lambda draft: None)


def _what_if(pilot: Pilot[None], trace: Trace) -> Screen[Any]:
    return WhatIfScreen("thought 2")


@pytest.mark.parametrize("screen", [_problems, _breakpoints, _edit, _what_if])
async def test_the_line_that_enter_takes_is_seen(trace: Trace, screen: Opened) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        pushed = screen(pilot, trace)
        app.push_screen(pushed)
        await pilot.pause()
        if isinstance(pushed, WhatIfScreen):
            rows = (Variant("zero@2", said(RIGHT), probabilities=(0.9,)), Variant("noise@2"))
            pushed.show(WhatIf("thought 2", rows, complete=True))
            await pilot.pause()
        assert_no_colours(app)
        before = shape(app)
        await pilot.press("down")
        await pilot.pause()
        after = shape(app)
        assert before != after
