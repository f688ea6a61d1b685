"""Which panes are on screen, where, and what they say there."""

from dataclasses import replace
from pathlib import Path

import pytest

from coconut_core.evaluation.significance import Share
from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.run.layouts import BUILT_IN, PANES, Columns, Slot, fitting, names, places, read_layout
from coconut_tui.saved.keeper import Keeper, saved_layout
from coconut_tui.views import all_views, names_of_views
from coconut_tui.widgets.status import verdict_bars
from coconut_tui.widgets.text import TextView
from tests.tui.conftest import PROBLEM, explorer, notes, press, settled, typed, until
from tests.tui.screens import FACTS, opened, painted, with_branches

SMALL, MIDDLE, WIDE, HUGE = (80, 24), (120, 40), (160, 45), (200, 60)
SHARES = {
    "right with them": Share(192, 200),
    "without them": Share(38, 200),
    "with another question's": Share(48, 200),
}


def in_sight(app: Explorer) -> set[str]:
    """The panes that have room on screen; the inspect pane by its name, views beside by theirs."""
    ids = {pane.id for pane in app.query(".pane") if pane.display and pane.region}
    shown = {name for name in (*PANES, *all_views()) if app.pane(name).id in ids}
    return shown - {app.inspected}


@pytest.mark.parametrize(
    ("size", "beside"),
    [
        ((110, 40), {"answer"}),  # below the prompt, which is short
        ((120, 29), set()),
        (MIDDLE, {"graph", "answer"}),
        (WIDE, {"graph", "lens", "answer"}),
        (HUGE, {"graph", "lens", "attention", "lines", "answer"}),
    ],
)
async def test_a_wide_terminal_shows_several_views(
    trace: Trace, size: tuple[int, int], beside: set[str]
) -> None:
    async with opened(trace).run_test(size=size) as pilot:
        app = await settled(pilot)
        assert in_sight(app) == {*PANES, *beside}
        assert app.inspected == ("attention" if size == WIDE else "top")
        regions = [pane.region for pane in app.query(".pane") if pane.display]
        whole = app.query_one("#panes").region
        assert sum(region.area for region in regions) == whole.area, "nothing is left out"
        assert all(whole.contains_region(region) for region in regions)
        for name in all_views():
            assert all_views()[name].title in painted(app)


async def test_a_small_terminal_shows_a_strip_of_thoughts_above_a_view(trace: Trace) -> None:
    async with opened(trace).run_test(size=SMALL) as pilot:
        app = await with_branches(pilot, trace)
        assert in_sight(app) == {"thoughts"}
        await pilot.press("2")
        await pilot.pause()
        assert (in_sight(app), app.inspected) == ({"thoughts", "inspect"}, "graph")
        assert app.pane("thoughts").region.height == 5
        assert app.pane("inspect").region.y == app.pane("thoughts").region.bottom
        assert app.focused_pane == "thoughts", "its cursor goes on moving the view"
        await pilot.press("G")
        assert app.selected == 4, "the first word"
        await pilot.press("l")
        assert app.focused_pane == "inspect"
        await pilot.resize_terminal(80, 16)
        await pilot.pause()
        await pilot.pause()
        assert in_sight(app) == {"inspect"}, "there is no room for both"


async def test_the_key_of_a_view_beside_gives_it_the_focus(trace: Trace) -> None:
    async with opened(trace).run_test(size=HUGE) as pilot:
        app = await with_branches(pilot, trace)
        for key, name in (("4", "lens"), ("2", "graph"), ("3", "answer")):
            await pilot.press(key)
            assert (app.focused_pane, app.shown_view, app.inspected) == (name, name, "top")
        await pilot.press("8")
        await pilot.pause()
        assert (app.focused_pane, app.inspected) == ("inspect", "trajectory")
        assert in_sight(app) == {*PANES, "graph", "lens", "attention", "lines", "answer"}
        tabs = str(app.query_one("#view-tabs").render())
        assert " 1 Top-k •2 Graph •3 Answer •4 Lens •5 Attention •6 Lines  7 Nearest" in tabs


async def test_the_focus_stays_on_a_view_when_the_terminal_shrinks_and_grows(trace: Trace) -> None:
    async with opened(trace).run_test(size=HUGE) as pilot:
        app = await with_branches(pilot, trace)
        await pilot.press("4")
        focused = app.focused
        for size in (MIDDLE, SMALL, WIDE, HUGE):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            await pilot.pause()
            assert app.focused is focused
            assert app.pane("lens").display
            assert app.focused_view == "lens"
        assert app.inspected == "top"


async def test_panes_are_gone_through_from_left_to_right(trace: Trace) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        app = await with_branches(pilot, trace)
        app.focus_pane("prompt")
        seen = [app.focused_pane]
        for _ in range(7):
            await pilot.press("l")
            seen.append(app.focused_pane)
        assert seen == ["prompt", "branches", "answer", "thoughts", "lens", "graph", "inspect", "inspect"]


async def test_all_views_on_screen_are_answered(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=HUGE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "s", "7")

        def answered(app: Explorer) -> bool:
            texts = [
                app.query_one(f"#view-{name}", TextView).text.plain for name in ("lens", "attention", "nearest")
            ]
            return not any("reading the model" in text for text in texts) and not app.engine.busy

        await until(pilot, answered)
        kinds = {ask.kind for ask in app._answers._by_ask if len(ask.decisions.moves) == 2}
        assert {"lens", "attention", "nearest"} <= kinds
        assert "layer 2 of 2, thought 2" in app.query_one("#view-lens", TextView).text.plain
        assert "makes thought 2" in app.query_one("#view-attention", TextView).text.plain
        await pilot.press("comma")
        await until(
            pilot, lambda app: "makes thought 1" in app.query_one("#view-attention", TextView).text.plain
        )


async def test_a_problem_without_a_graph_has_another_view_in_its_place(trace: Trace) -> None:
    plain = replace(trace, problem=None)
    async with opened(plain).run_test(size=MIDDLE) as pilot:
        app = await settled(pilot)
        assert in_sight(app) == {*PANES, "lens", "answer"}


@pytest.mark.drives("layout")
async def test_a_layout_is_chosen_by_key_or_name_and_kept(trace: Trace, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    own = {"mine": [["thoughts", "branches"], "prompt", ["lens 2", "top-k"]]}
    app = Explorer(trace=trace, keeper=Keeper(folder), config=Config(layouts=own))
    async with app.run_test(size=MIDDLE) as pilot:
        await settled(pilot)
        assert saved_layout(folder) == ""
        await pilot.press("vertical_line")
        await pilot.pause()
        assert (app.layout_name, saved_layout(folder)) == ("wide", "wide")
        assert in_sight(app) == {*PANES, "lens", "graph"}
        await typed(pilot, "layout reading")
        await pilot.pause()
        assert in_sight(app) == {"thoughts", "inspect"}
        assert app.pane("inspect").region.height > 2 * app.pane("thoughts").region.height
        app.focus_pane("prompt")
        assert app.focused is not None, "a pane that is not there cannot have the focus"
        assert app.pane(app.focused_pane).display
        await typed(pilot, "layout mine")
        await pilot.pause()
        assert in_sight(app) == {"prompt", "branches", "thoughts", "lens", "inspect"}
        assert saved_layout(folder) == "mine"
        await typed(pilot, "layout yours")
        error = str(app.screen.query_one("#command-error").render())
        assert error == "✗ there is no layout 'yours': known are auto, wide, reading, classic, mine"


@pytest.mark.drives("zoom")
async def test_a_view_beside_can_take_the_whole_screen(trace: Trace) -> None:
    async with opened(trace).run_test(size=HUGE) as pilot:
        app = await with_branches(pilot, trace)
        await pilot.press("5", "O")
        await pilot.pause()
        assert in_sight(app) == {"inspect"}
        assert (app.inspected, app.pane("attention").region.width) == ("attention", 200)
        await pilot.press("O")
        await pilot.pause()
        assert (app.focused_pane, app.inspected) == ("attention", "top")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("graph", "write 'mine' as columns"),
        ([], "write 'mine' as columns"),
        ([[]], "each column of 'mine' is a list of names"),
        ([["graph", 3]], "each column of 'mine' is a list of names"),
        ([["grahp"]], "'mine' names 'grahp': known are thoughts, inspect, branches, prompt, top-k, graph"),
        ([["graph"], ["graph"]], "'mine' has 'graph' twice"),
        ([["prompt", "thoughts"]], "'mine' shows no view"),
        ([["graph x"]], "the share in 'graph x' is a whole number from 1 to 100"),
        ([["graph 0"]], "the share in 'graph 0' is a whole number from 1 to 100"),
    ],
)
def test_what_is_no_layout_is_said_in_a_line(value: object, error: str) -> None:
    with pytest.raises(ValueError, match=r"mine|share") as caught:
        read_layout("mine", value, names_of_views())
    assert str(caught.value).startswith(error)
    assert "\n" not in str(caught.value)


def test_a_built_in_layout_keeps_its_name() -> None:
    with pytest.raises(ValueError, match="comes along"):
        read_layout("auto", [["inspect"]], names_of_views())


def _needs(name: str, width: int) -> int | None:
    return {"prompt": 12, "branches": 9}.get(name)


@pytest.mark.parametrize(
    "columns", [*list(BUILT_IN.values())[1:], *(fitting(*size) for size in (MIDDLE, WIDE, HUGE))]
)
@pytest.mark.parametrize("size", [(110, 10), (120, 35), (200, 55), (311, 97)])
def test_panes_fill_the_room_and_none_lies_over_another(columns: Columns, size: tuple[int, int]) -> None:
    found = places(columns, *size, _needs)
    assert found.keys() == names(columns)
    assert sum(place.width * place.height for place in found.values()) == size[0] * size[1]
    assert all(place.width >= 19 and place.height >= 2 for place in found.values())
    cells = {
        (x, y)
        for place in found.values()
        for x in range(place.x, place.x + place.width)
        for y in range(place.y, place.y + place.height)
    }
    assert len(cells) == size[0] * size[1]


def test_a_pane_gets_no_more_lines_than_it_fills_where_another_can_grow() -> None:
    column: Columns = ((Slot("prompt"), Slot("branches"), Slot("answer")),)
    found = places(column, 40, 50, _needs)
    assert [found[name].height for name in ("prompt", "branches", "answer")] == [12, 9, 29]


# -- the question and the verdict --------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120, 160, 200])
def test_the_verdict_is_whole_in_one_line_at_every_width(width: int) -> None:
    line = verdict_bars(FACTS.verdict, SHARES, width - 2).plain
    assert "\n" not in line
    assert len(line) <= width
    assert line.startswith("thoughts USED")
    for share in ("96 %", "19 %", "24 %"):
        assert share in line
    assert ("n=200" in line) is (width > 60)
    assert ("[92–98]" in line) is (width >= 160)
    bars = [line.count("█", *span) for span in _between(line)]
    assert bars == sorted(bars, reverse=True)[:1] + bars[1:], "the first is the longest"


def _between(line: str) -> list[tuple[int, int]]:
    ends = [place for place, char in enumerate(line) if char == "%"]
    return list(zip([0, *ends[:-1]], ends, strict=True))


@pytest.mark.parametrize("size", [SMALL, MIDDLE, HUGE])
async def test_question_and_verdict_are_on_screen_whole(trace: Trace, size: tuple[int, int]) -> None:
    asked = "Is " + "Alex, of whom it was said that every lempus is a gorpus, " * 3 + "a bompus or gorpus?"
    problem = replace(PROBLEM, question=PROBLEM.question.replace("Is Alex a bompus or gorpus?", asked))
    long = replace(trace, question=problem.question, problem=problem)
    async with opened(long).run_test(size=size) as pilot:
        app = await settled(pilot)
        app.facts = replace(FACTS, shares=SHARES)
        app._draw()
        await pilot.pause()
        await pilot.pause()
        lines = painted(app).split("\n")
        assert " ".join(" ".join(lines[1:5]).split()).startswith(asked)
        assert app.query_one("#verdict").region.height == 1
        assert "thoughts USED" in lines[-2]


async def test_a_saved_run_has_the_bars_of_its_model(checkpoint: Path, trace: Trace) -> None:
    known = {
        "verdict": FACTS.verdict,
        "verdict_shares": {words: [s.right, s.count] for words, s in SHARES.items()},
    }
    async with opened(replace(trace, settings={**trace.settings, **known})).run_test(size=MIDDLE) as pilot:
        app = await settled(pilot)
        assert app.facts is not None
        assert app.facts.shares == SHARES
        assert "96 % right with them" in painted(app).split("\n")[-2]
    async with opened(
        replace(trace, settings={**trace.settings, **known, "verdict_shares": [3]})
    ).run_test() as pilot:
        app = await settled(pilot)
        assert "USED: 96 % right with them" in painted(app), "the sentence, where the numbers are not there"


@pytest.mark.drives("cache")
async def test_memory_is_told_where_it_is_asked_for(trace: Trace) -> None:
    async with opened(trace).run_test(size=MIDDLE) as pilot:
        app = await with_branches(pilot, trace)
        assert "held" not in painted(app)
        await typed(pilot, "cache")
        assert "3 of 4 branches held in memory: 3.2 of 512 MB" in notes(app)
