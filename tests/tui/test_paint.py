"""What a key costs until its paint: counted, as a clock would tell another tale on each machine."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import RenderableType
from textual import events
from textual._compositor import Compositor, CompositorUpdate
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Footer

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.engine import ModelChoice, RunChanged
from coconut_tui.engine.garbage import MOST, OFTEN, Sweeper, set_aside
from coconut_tui.explorer.pace import Pace
from coconut_tui.run.lookups import MATRIX, ROWS
from coconut_tui.views.pane import ViewPane
from coconut_tui.views.view import Sight
from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.thoughts import ThoughtsPane
from tests.tui.conftest import WIDE, ready, steps_taken, until


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the screen was laid out and painted as a whole, widgets styled, the keys put together, and rows
    drawn."""
    counts: Counter[str] = Counter()

    def count(kind: type, name: str) -> None:
        method: Callable[..., Any] = getattr(kind, name)

        def noted(*arguments: Any, **more: Any) -> Any:
            counts[name] += 1
            return method(*arguments, **more)

        monkeypatch.setattr(kind, name, noted)

    for kind, name in (
        (Compositor, "reflow"),
        (Compositor, "render_full_update"),
        (Stylesheet, "apply"),
        (Footer, "compose"),
        (RowsView, "render_line"),
    ):
        count(kind, name)
    return counts


@pytest.mark.parametrize("form", [ROWS, MATRIX])
async def test_the_cursor_moves_by_drawing_what_has_changed(
    trace: Trace, counted: Counter[str], form: str
) -> None:
    explorer = Explorer(trace=replace(trace, steps=trace.steps[1:2] * 30))
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        explorer.set_dials(replace(explorer.dials, form=form))
        await pilot.press("t")
        await until(pilot, steps_taken(30))
        counted.clear()
        await pilot.press("k")
        await pilot.pause()
        assert explorer.selected == 28
        lines = explorer.query_one(ThoughtsPane).size.height if form == MATRIX else 2
        assert 0 < counted["render_line"] <= lines
        assert not counted["reflow"] + counted["render_full_update"] + counted["apply"]


async def test_the_focus_moves_without_a_paint_of_the_whole_screen(trace: Trace, counted: Counter[str]) -> None:
    explorer = Explorer(trace=trace)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        counted.clear()
        await pilot.press("l")
        await pilot.pause()
        assert explorer.focused_pane == "graph"
        assert not counted["render_full_update"] + counted["reflow"] + counted["compose"]
        assert counted["apply"] <= 12  # and not all that is in the two panes
        await pilot.press("h")
        await pilot.pause()
        assert not explorer.query(".pane.-focused")  # thoughts have :focus


async def test_a_row_is_drawn_anew_when_its_step_is_another_one(checkpoint: Path) -> None:
    explorer = Explorer(ModelChoice(str(checkpoint), "cpu"), example=1)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, ready)
        await pilot.press("s", "s")
        await until(pilot, steps_taken(2))
        pane = explorer.query_one(ThoughtsPane)
        before = _lines(pane)
        explorer.engine.edit("zero@1", 0)
        await until(pilot, lambda app: ready(app) and len(app.require_view().tree.branches) == 2)
        after = _lines(pane)
        assert before != after
        pane.draw_again()
        await pilot.pause()
        assert _lines(pane) == after


def _lines(pane: ThoughtsPane) -> list[str]:
    """What was painted of a pane."""
    strips: list[Strip] = pane.render_lines(pane.size.region)
    return [strip.text for strip in strips]


@pytest.mark.parametrize("form", [ROWS, MATRIX])
async def test_a_run_that_grows_lays_nothing_out(trace: Trace, counted: Counter[str], form: str) -> None:
    long = replace(trace, steps=trace.steps[1:2] * 60, settings={**trace.settings, "thoughts": 500})
    explorer = Explorer(trace=long)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        explorer.set_dials(replace(explorer.dials, form=form))
        for _ in range(50):
            await pilot.press("s")
        await until(pilot, steps_taken(50))
        counted.clear()
        await pilot.press("s")
        await until(pilot, steps_taken(51))
        assert not counted["reflow"]
        if form == ROWS:
            rows = explorer.query_one(ThoughtsPane)
            assert rows.virtual_size.height == rows.vertical_scrollbar.window_virtual_size == len(rows.texts())


# -- garbage -----------------------------------------------------------------------------------------------


@pytest.fixture
def sweeper() -> Iterator[Sweeper]:
    sweeper = Sweeper()
    sweeper.start()
    yield sweeper
    sweeper.stop()


def test_nothing_is_collected_between_a_key_and_its_paint(sweeper: Sweeper) -> None:
    assert gc.isenabled()
    sweeper.note_key()
    assert not gc.isenabled()
    sweeper.painted()
    assert gc.isenabled()


def test_all_is_collected_while_no_key_is_pressed(sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    young = OFTEN
    monkeypatch.setattr("coconut_tui.engine.garbage.gc.get_count", lambda: (0, 0, young))
    monkeypatch.setattr("coconut_tui.engine.garbage.gc.collect", lambda: swept.append(young))
    sweeper.sweep()
    sweeper.note_key()
    sweeper.sweep()
    young = MOST
    sweeper.sweep()
    assert swept == [OFTEN, MOST]


async def test_nothing_is_collected_before_the_first_paint(trace: Trace) -> None:
    events: list[str] = []

    def collected(phase: str, info: dict[str, int]) -> None:
        events.append("collected")

    explorer = Explorer(trace=trace)
    display = explorer._display

    def painted(screen: Screen[object], renderable: RenderableType | None) -> None:
        display(screen, renderable)
        if isinstance(renderable, CompositorUpdate):
            events.append("painted")

    explorer._display = painted  # type: ignore[method-assign]
    gc.disable()
    gc.callbacks.append(collected)
    try:
        async with explorer.run_test(size=WIDE) as pilot:
            await until(pilot, lambda app: "collected" in events)
            assert events[0] == "painted"
    finally:
        gc.callbacks.remove(collected)
        gc.enable()


async def test_python_collects_as_before_once_the_explorer_has_ended(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, frozen = gc.get_threshold(), []

    def noted(*, others: bool) -> None:  # as another engine may take it back
        set_aside(others=others)
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr("coconut_tui.engine.engine.set_aside", noted)
    explorer = Explorer(ModelChoice(str(checkpoint), "cpu"), example=1)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, ready)
        assert gc.get_threshold() != before
        assert frozen[-1] > 0
        await pilot.press("j")
    explorer.engine._worker.wait()
    assert gc.get_threshold() == before
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_a_key_comes_before_views_that_are_still_to_be_drawn(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coconut_tui.explorer.inspecting._AT_ONCE", 0.0)
    explorer, drawn = Explorer(trace=trace), list[str]()
    draw = ViewPane.show

    def noted(pane: ViewPane, sight: Sight) -> None:
        draw(pane, sight)
        drawn.append(pane.view.name)
        if len(drawn) == 3:  # one in front, two beside
            explorer.post_message(events.Key("j", "j"))

    async with explorer.run_test(size=(200, 60)) as pilot:
        await until(pilot, ready)
        await pilot.press("t")
        await until(pilot, lambda app: app.selected == 3)
        first, *beside = (pane.view.name for pane in explorer.views_in_sight)
        assert len(beside) > 2
        monkeypatch.setattr(ViewPane, "show", noted)
        await pilot.press("k")
        await until(pilot, lambda app: drawn.count(first) == 2)
        here = drawn.index(first, 3)
        assert set(drawn[:here]) < {first, *beside}  # some were still to be drawn
        late = [name for name in beside if name not in drawn[:here]]
        assert drawn[here + 1 : here + 1 + len(late)] == late
        assert all(pane.sight.number == 3 for pane in explorer.views_in_sight)


async def test_what_the_run_has_to_draw_waits_for_the_last_key_that_was_pressed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coconut_tui.explorer.keys_first.LONGEST_WAIT", 3600)
    explorer, drawn = Explorer(trace=trace), Counter[str]()
    draw = ViewPane.show

    def noted(pane: ViewPane, sight: Sight) -> None:
        draw(pane, sight)
        drawn[pane.view.name] += 1
        if drawn.total() == 1:
            explorer.post_message(events.Key("f19", None))  # before the first key has had its paint

    async with explorer.run_test(size=(200, 60)) as pilot:
        await until(pilot, ready)
        await pilot.press("t")
        await until(pilot, lambda app: app.selected == 3 and not app.key_is_awaited)
        monkeypatch.setattr(ViewPane, "show", noted)
        await pilot.press("k")
        explorer.post_message(RunChanged(explorer.require_view, replayed=True))
        await pilot.pause(0.3)
        assert explorer.key_is_awaited
        assert drawn.total() == 1
        await pilot.press("k")
        await until(pilot, lambda app: not app.key_is_awaited)
        assert len(drawn) > 3


async def test_a_key_that_does_nothing_is_awaited_for_a_moment(trace: Trace) -> None:
    explorer = Explorer(trace=trace)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, ready)
        explorer.post_message(events.Key("f19", None))
        assert explorer.key_is_awaited
        await until(pilot, lambda app: not app.key_is_awaited)


def test_what_a_key_had_drawn_holds_no_drawing_of_the_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Any = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("coconut_tui.explorer.pace.time", clock)
    pace = Pace()
    pace.begin()
    clock.now += 0.02
    pace.painted()
    assert pace.wait == pytest.approx(0.06)
    clock.now += 10
    pace.painted()  # a view that a key has brought to the front
    assert pace.wait < 0


# -- the run gives way -------------------------------------------------------------------------------------


async def test_a_run_takes_no_step_while_a_paint_is_waited_for(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coconut_tui.engine.engine.LONGEST_WAIT", 60)
    explorer = Explorer(ModelChoice(str(checkpoint), "cpu"), example=1, thoughts=1000)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, ready)
        explorer.engine.give_way()
        explorer.engine.think_all()
        await until(pilot, steps_taken(1))
        await pilot.pause(0.3)
        assert len(explorer.require_view().steps) == 1
        explorer.engine.go_on()
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) > 20, drawn=False)
        await pilot.press("escape")


async def test_a_run_goes_on_after_a_moment_whatever_became_of_the_paint(checkpoint: Path) -> None:
    explorer = Explorer(ModelChoice(str(checkpoint), "cpu"), example=1, thoughts=1000)
    async with explorer.run_test(size=WIDE) as pilot:
        await until(pilot, ready)
        explorer.engine.give_way()
        explorer.engine.think_all()
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) > 3, drawn=False)
        await pilot.press("escape")


def test_only_keys_that_were_moved_are_looked_up_at_every_key(trace: Trace) -> None:
    """Textual goes through all of them ten times a key, each beside every binding."""
    assert Explorer(trace=trace)._keymap == {}
    moved = Explorer(trace=trace, config=Config(keys={"question": "q"}))._keymap
    assert moved["question"] == "q"
    assert len(moved) == 2, "the other is the action that had the key"
