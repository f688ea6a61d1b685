"""The inspect pane's views in the app, driven by keys."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from coconut_core.analysis.insight import look_inside
from coconut_core.coconut import CoconutModel
from coconut_core.records.trace import UNREADABLE, Trace
from coconut_tui.app import Explorer
from coconut_tui.run.layouts import PANES
from coconut_tui.run.lookups import Ask, Attention
from coconut_tui.views import VIEWS, attention, graph, lens, numbers
from coconut_tui.views.numbers import NumbersTable
from coconut_tui.views.pane import ViewPane
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.token_marks import PIN_SIGNS
from tests.tui.conftest import WIDE, explorer, notes, press, ready, settled, typed, until
from tests.tui.sights import same


def front(app: Explorer) -> str:
    """What the view in front shows."""
    return app.query_one(f"#view-{app.shown_view}", TextView).text.plain


def told(name: str) -> Callable[[Explorer], bool]:
    """A view is in front, and the model has said all that it asked."""
    return lambda app: app.shown_view == name and "reading the model" not in front(app) and not app.engine.busy


async def view_of(pilot: Pilot[None], key: str, name: str) -> str:
    await pilot.press(key)
    await until(pilot, told(name))
    app = pilot.app
    assert isinstance(app, Explorer)
    return front(app)


@pytest.mark.drives("lens", "attention", "lower-layer", "higher-layer", "previous-head", "next-head")
async def test_layers_and_heads_are_looked_into_by_keys(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        app.choose_layout("classic")  # there is room for all columns
        assert "Take a step" in await view_of(pilot, "4", "lens")
        await press(pilot, "t")
        await until(pilot, told("lens"))
        assert "layer 2 of 2, ⟨eot⟩" in front(app)
        session = CoconutModel.from_pretrained(checkpoint, device="cpu").start(app.view.question)
        for _ in app.view.steps:
            session.step()
        inside = look_inside(session, attention=True)
        found = lens.cell(app.sight)
        assert found is not None
        same(found[2], inside.places[4].lens[1].top(10))
        await pilot.press(*["less_than_sign"] * 4)
        assert "layer 0 of 2" in front(app)
        await pilot.press("greater_than_sign")
        assert "layer 1 of 2" in front(app)
        asked_before = asked(app, "lens")
        await pilot.press("comma", "comma")
        await until(pilot, told("lens"))
        assert "layer 1 of 2, thought 3" in front(app)
        found = lens.cell(app.sight)
        assert found is not None
        same(found[2], inside.places[2].lens[0].top(10))
        assert asked(app, "lens") == asked_before, "another cell of what is known asks nothing"
        await pilot.press("greater_than_sign")
        assert "layer 2 of 2" in front(app)
        lines = front(app).split("\n")
        first, layer = lines[2].index(" 1 ") + 1, next(n for n, line in enumerate(lines) if line[:3] == " 1 ")
        await pilot.click("#view-lens", offset=(first + 1, layer))
        await until(pilot, lambda app: "layer 1 of 2, thought 1" in front(app))
        await pilot.press("full_stop", "full_stop")
        text = await view_of(pilot, "5", "attention")
        assert "reads thought 2, makes thought 3" in text
        assert "mean of 2 layers, mean of 2 heads" in text
        await pilot.press("greater_than_sign", "right_curly_bracket", "right_curly_bracket")
        assert "layer 1 of 2, head 2 of 2" in front(app)
        row = weights_in(app).row(1, 2)
        wanted = inside.attention_to_words(2)[0, 1].tolist()
        assert row[: len(wanted)] == pytest.approx(wanted, abs=1e-5)
        await pilot.press("right_curly_bracket", "less_than_sign")
        assert "mean of 2 layers, mean of 2 heads" in front(app), "behind the last come all together"
        await pilot.press("left_curly_bracket")
        assert "head 2 of 2" in front(app)


def asked(app: Explorer, kind: str) -> list[Ask]:
    """The questions of a kind that have been answered, which ones first."""
    return [ask for ask in app._answers._by_ask if ask.kind == kind]


def weights_in(app: Explorer) -> Attention:
    sight = app.sight
    wanted = attention.ask(sight)
    found = None if wanted is None else sight.answer(wanted)
    assert isinstance(found, Attention)
    return found


@pytest.mark.drives("lines", "pin", "nearest", "trajectory", "numbers")
async def test_pins_neighbours_trajectory_and_numbers(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        app.choose_layout("classic")  # there is room for all columns
        await press(pilot, "t")
        graph_of_it = app.view.graph
        assert graph_of_it is not None
        assert f"✓ {graph_of_it.names[graph_of_it.target]}" in await view_of(pilot, "6", "lines")
        likeliest = app.view.steps[4].top[0].token.strip()
        await pilot.press("x")
        await until(pilot, told("lines"))
        assert dict(app.dials.pins) == {likeliest: 1}
        await pilot.press("x")
        assert not app.dials.pins
        await typed(pilot, "pin every")
        await typed(pilot, "pin or")
        await until(pilot, told("lines"))
        assert "no single token of this model: every" in front(app)
        assert f"{PIN_SIGNS[1]} or" in front(app), "behind every, which is no token"
        await typed(pilot, f"pin {graph_of_it.names[graph_of_it.wrong]}")
        assert "is a candidate" in str(app.screen.query_one("#command-error").render())
        await pilot.press("escape")
        assert "cosine to the token embedding" in await view_of(pilot, "7", "nearest")
        assert "4 thoughts; of their variance" in await view_of(pilot, "8", "trajectory")
        await press(pilot, "up", "z")
        await until(pilot, told("trajectory"))
        assert "5 thoughts; of their variance" in front(app)
        assert "b zero@4" in front(app)
        await press(pilot, "9")
        table = app.query_one(numbers.NumbersTable)
        assert sum(row.key is not None for row in table._rows) == len(app.view.steps)
        app.focus_pane("inspect")
        await pilot.press("g", "j")
        await until(pilot, lambda app: (app.selected, app.query_one(ThoughtsPane).key) == (1, 1))


@pytest.mark.drives("warmer", "cooler")
async def test_a_temperature_comes_from_the_engine_and_is_marked(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "1")
        plain = front(app)
        await pilot.press("right_parenthesis", "right_parenthesis")
        await until(pilot, lambda app: told("top")(app) and "entropy" in front(app))
        assert "≠ temperature 2, not 1" in front(app)
        await pilot.press("left_parenthesis", "left_parenthesis")
        assert front(app) == plain
        await pilot.press(*["left_parenthesis"] * 20)
        assert app.dials.temperature == 0.1


@pytest.mark.drives("play")
async def test_the_thoughts_are_played_one_after_the_other_until_a_key_is_pressed(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "A")
        assert "no thought to play" in notes(app)
        await press(pilot, "t", "A")
        assert (app.shown_view, app.playing) == ("graph", True)
        await until(pilot, lambda app: app.selected == 1)
        assert "any key stops" in str(app.pane("graph").border_subtitle)
        taken = len(app.view.steps)
        await press(pilot, "space")
        assert not app.playing
        assert len(app.view.steps) == taken, "the key stops, and does nothing else"
        await press(pilot, "A")
        await until(pilot, lambda app: not app.playing)
        assert app.selected == 3
        assert app.pane("graph").border_subtitle is None


@pytest.mark.drives("zoom")
async def test_a_pane_takes_the_whole_screen_and_gives_it_back(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "5")
        app.focus_pane("inspect")
        await press(pilot, "O")
        pane = app.query_one("#pane-attention", ViewPane)
        assert pane.size.width > 130
        assert pane.sight.width > 120
        assert not app.query_one("#thoughts").display
        await press(pilot, "h")
        assert app.query_one("#thoughts").size.width > 130, "what has the focus is shown"
        await press(pilot, "O")
        assert all(app.pane(name).display for name in PANES)


@pytest.mark.drives("more-tokens", "fewer-tokens")
async def test_the_graph_is_enlarged_where_it_has_the_focus() -> None:
    async with explorer(Path("models/prosqa"), example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "2")
        app.focus_pane("graph")
        pane, tokens = app.query_one("#pane-graph", ViewPane), app.token_count

        drawn, sizes = graph.draw(pane.sight).plain, []
        for key in ("plus", "plus", "minus", "minus", "minus"):
            await press(pilot, key)
            sizes.append(app.dials.graph_zoom)
        assert sizes == [1, 2, 1, 0, -1]
        assert graph.draw(pane.sight).plain != drawn
        assert app.token_count == tokens, "the same keys would change it in another view"
        await press(pilot, "plus")
        assert graph.draw(pane.sight).plain == drawn


async def test_nothing_is_asked_for_a_view_that_is_not_seen(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        await press(pilot, "4", "v")
        assert not app.pane("inspect").display
        await press(pilot, "s", "s")
        await pilot.pause(0.3)
        assert not app._answers._by_ask
        await view_of(pilot, "4", "lens")
        assert len(app._answers._by_ask) == 1


async def test_a_view_that_was_stopped_says_so_and_begins_again(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        stopped = threading.Event()

        def wait(trace: Trace) -> None:
            stopped.wait(240)

        app.engine.use_trace("waiting", wait)
        await pilot.press("7")
        await until(pilot, lambda app: app._questions.open)
        await pilot.press("escape")
        stopped.set()
        await settled(pilot)
        assert "Stopped" in front(app)
        assert "cosine to the token embedding" in await view_of(pilot, "7", "nearest")


async def test_a_thought_that_is_no_number_is_said_to_be_none_in_every_view(checkpoint: Path) -> None:
    app = explorer(checkpoint, example=1, thoughts=4)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s", "s")
        app.engine.edit("scale 3e38@2", 0)
        await until(pilot, lambda app: ready(app) and len(app.require_view().tree.branches) == 2)
        assert [step.readable for step in app.require_view().steps] == [True, False, False]
        for number in (1, 0):  # the cursor on the thought, and on the one in front of it
            app.selected = number
            app._draw_selected()
            for view in VIEWS:
                app.show_view(view.name)
                await settled(pilot)
                if view.draw is None:
                    drawn = "\n".join(map(str, app.query_one(NumbersTable).texts()))
                else:
                    drawn = app.query_one(f"#view-{view.name}", TextView).text.plain
                assert "nan" not in drawn, view.name
                assert (UNREADABLE in " ".join(drawn.split())) == (
                    (view.reads_one and number == 1) or view.name == "numbers"
                ), view.name
        matrix = "\n".join(map(str, app.query_one(ThoughtsPane).texts()))
        assert matrix.count("NaN") == 2
        await pilot.press("0")
        rows = "\n".join(map(str, app.query_one(ThoughtsPane).texts()))
        assert rows.count(UNREADABLE) == 2
        app.action_act("compare")
        await settled(pilot)
        await pilot.press("escape")
        await press(pilot, "c")
        assert "thought 2 as it was changed" in notes(app)
        await press(pilot, "b", "b", "b")
        assert len(app.require_view().steps) == 0


async def test_the_focus_stays_in_the_inspect_pane_when_another_view_comes_to_the_front(trace: Trace) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        for keys in (("l", "l"), ("5",), ("9",), ("h", "l", "4")):  # the last as fast as somebody types
            await pilot.press(*keys)
            await pilot.pause()
            assert app.focused_pane == "inspect", keys
            assert app.focused is not None
            assert app.focused.parent is app.pane("inspect"), keys
        assert app.shown_view == "lens"
