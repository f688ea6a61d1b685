"""The thoughts as a matrix, and the candidate curve below it."""

from dataclasses import replace
from math import log, nan
from pathlib import Path

import pytest
from rich.text import Text

from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.run.branches import Said
from coconut_tui.run.lookups import LN_P, RANK
from coconut_tui.run.matrix import Matrix, Window, matrix_of
from coconut_tui.saved.keeper import Keeper, saved_form
from coconut_tui.widgets.candidates import candidate_curve
from coconut_tui.widgets.charts import Axes, Series, draw_chart, value_ticks
from coconut_tui.widgets.matrix import Grid, draw_matrix, grid_of
from coconut_tui.widgets.thoughts import ThoughtsPane
from tests.tui.conftest import until
from tests.tui.sights import run_of

WIDTHS = 40, 46, 84, 190


def matrix(trace: Trace, **pins: int) -> Matrix:
    run = replace(run_of(trace), mode="finished", said=Said(trace.text, trace.answer, "end", True))
    return matrix_of(run, pins, 0, 20)


def drawn(
    made: Matrix, width: int = 60, height: int = 30, cursor: int | None = 1, scale: str = ""
) -> list[Text]:
    grid = grid_of(made, width, height, cursor)
    return draw_matrix(made, grid, cursor, [False] * len(made.columns), scale)


def row(lines: list[Text], name: str) -> str:
    return next(line.plain for line in lines if name in line.plain)


def thoughts(count: int, **shares: float) -> tuple[StepRecord, ...]:
    top = tuple(TokenRecord(name, share) for name, share in shares.items())
    return tuple(StepRecord("thought", n, 0, "", top, 1.0, 4.0) for n in range(1, count + 1))


# -- which rows and columns --------------------------------------------------------------------------------


def test_nodes_stand_by_hops_with_their_signs_and_then_what_thoughts_say_besides(trace: Trace) -> None:
    made = matrix(trace)
    rows = [(each.group, each.role, each.name) for each in made.rows]
    assert rows == [
        ("0", "path", "Alex"),
        ("1", "path", "lempus"),
        ("1", "path", "rompus"),
        ("2", "right", "gorpus"),
        ("–", "wrong", "bompus"),
        ("", "", "###"),
    ]
    assert made.hidden == ("Tom", "sterpus")
    assert [column.label for column in made.columns] == ["1", "2", "3", "⟨eot⟩", "»"]
    assert made.columns[4].number == 7, "the word gorpus, which decides"


def test_rows_and_columns_hold_still_while_one_steps(trace: Trace) -> None:
    whole = matrix(trace)
    for taken in range(1, 4):
        part = matrix_of(run_of(trace, "ttt"[:taken]), {}, 0, 20)
        assert [each.name for each in part.rows] == [each.name for each in whole.rows[:5]]
        assert [column.label for column in part.columns] == [column.label for column in whole.columns]
        grids = [grid_of(each, 60, 40, 0) for each in (part, whole)]
        assert grids[0].lines == grids[1].lines
        assert grids[0].edges == grids[1].edges


def test_a_pinned_token_has_a_row_in_its_colour_and_a_candidate_keeps_its_own(trace: Trace) -> None:
    made = matrix(trace, Tom=3, gorpus=1, lempus=2)
    roles = {each.name: each.role for each in made.rows}
    assert (roles["Tom"], roles["gorpus"], roles["lempus"]) == ("pin.3", "right", "pin.2")
    lines = drawn(made)
    assert "■ Tom" in row(lines, "Tom")
    assert any(span.style == "coconut.pin.3" for line in lines if "Tom" in line.plain for span in line.spans)


def test_without_a_graph_the_likeliest_tokens_of_each_thought_are_rows_in_the_order_in_which_they_come(
    trace: Trace,
) -> None:
    steps = (*thoughts(1, one=0.6, two=0.3, three=0.005), *thoughts(1, four=0.9, one=0.05))
    run = replace(run_of(trace), steps=steps, thoughts=2, mode="thinking")
    run = replace(run, tree=replace(run.tree, problem=None))
    made = matrix_of(run, {"two": 1}, 1, 9)
    assert [each.name for each in made.rows] == ["two", "one", "four"]
    assert made.shares == ((0.3, None, None), (0.6, 0.05, None), (None, 0.9, None))


# -- how it is drawn ---------------------------------------------------------------------------------------


def test_the_search_is_a_diagonal_of_percent_with_the_frontier_marked(trace: Trace) -> None:
    lines = drawn(matrix(trace))
    assert lines[0].plain.split()[3:] == ["1", "2", "✎3", "⟨eot⟩", "»"]
    assert row(lines, "Alex").split() == ["0", "★", "Alex", "▸", "97", "│", "│"]
    assert row(lines, "lempus").split() == ["1", "★", "lempus", "▸", "52", "│"]
    assert row(lines, "rompus").split() == ["★", "rompus", "▸", "41", "│"]
    assert row(lines, "gorpus").split() == ["2", "✓", "gorpus", "│", "▸", "88", "5", "98"]
    assert row(lines, "2 beyond").split() == ["2", "beyond", "2", "│", "3", "│", "1"]
    assert row(lines, "frontier").split() == ["▸", "frontier", "97", "93", "88"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [8, 20, 60])
def test_it_keeps_to_its_room_and_fills_it(trace: Trace, width: int, height: int) -> None:
    made = matrix(trace)
    lines = drawn(made, width, height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    grid = grid_of(made, width, height, 1)
    assert width - grid.edges[-1] <= len(made.columns) + 1, "cells grow until nothing is left over"
    if height == 60:
        assert grid.lines == 4
    shaded = [line for line in lines if any(str(span.style).startswith("coconut.shade") for span in line.spans)]
    assert len(shaded) >= grid.lines * min(4, grid.rows)


def test_a_cell_under_the_cursor_keeps_its_shade(trace: Trace) -> None:
    made = matrix(trace)
    for cursor in (0, 1):
        line = next(line for line in drawn(made, cursor=cursor) if "lempus" in line.plain)
        place = line.plain.index("52")
        styles = [str(span.style) for span in line.spans if span.start <= place < span.end]
        assert any(style.startswith("coconut.shade.") for style in styles), styles
        assert ("bold" in styles) == (cursor == 1)


def test_ln_p_and_ranks_tell_the_tail_apart(trace: Trace) -> None:
    made = matrix(trace)
    narrow, wide = (row(drawn(made, width, scale=LN_P), "rompus").split() for width in (36, 90))
    assert wide[2:] == [f"{log(0.001):.1f}", "▸", f"{log(0.41):.1f}", "│", "-6.9", "-6.9", "-6.9"]
    assert "-7" in narrow
    assert not any("." in word for word in narrow), "one precision, the one there is room for"
    assert not any("…" in word for word in narrow)
    ranks = row(drawn(made, scale=RANK), "rompus").split()
    assert ranks[2:] == [">2", "▸", "2", "│", ">2", ">2", ">2"]


def test_what_is_flat_or_no_number_is_said_to_be(trace: Trace) -> None:
    alike = tuple(TokenRecord(name, 0.1) for name in ("one", "two", "three"))
    flat = replace(trace.steps[0], top=alike, watched={})
    broken = replace(trace.steps[1], entropy=nan, top=(), watched={})
    run = replace(run_of(trace), steps=(flat, broken, *trace.steps[2:]))
    lines = drawn(matrix_of(run, {}, 0, 20))
    assert row(lines, "flat") == row(lines, "NaN"), "on the first row of the matrix"
    assert row(lines, "frontier").split()[2:] == ["0", "88"], "and nothing for what is no number"


def test_many_thoughts_scroll_around_the_cursor(trace: Trace) -> None:
    run = replace(run_of(trace), steps=thoughts(100, Alex=0.9), thoughts=100, mode="thinking")
    for cursor, first, last in ((0, "1", "9"), (50, "47", "55"), (99, "94", "»")):
        made = matrix_of(run, {}, 1, 20, Window(cursor, 20))
        assert len(made.columns) == 20, "however many thoughts there are"
        lines = drawn(made, 48, 20, made.column_of(cursor, "thought"))
        labels = [word for word in lines[0].plain.split()[3:] if word not in "‹›"]
        assert (labels[0], labels[-1].rstrip("›")) == (first, last), labels
        assert ("‹" in lines[0].plain, "›" in lines[0].plain) == (cursor > 0, cursor < 99)


def test_a_click_finds_its_column() -> None:
    grid = Grid(10, (10, 14, 18, 22), 5, 0, 3, 1)
    assert [grid.column_at(x) for x in (9, 10, 13, 14, 21, 22)] == [None, 5, 5, 6, 7, None]


# -- the curve ---------------------------------------------------------------------------------------------


def test_the_curve_is_the_difference_of_the_logits_with_a_sign_for_who_is_ahead(trace: Trace) -> None:
    made = matrix(trace)
    text = candidate_curve(made, range(5), 16, 60, 12, 1)
    assert text is not None
    lines = text.plain.split("\n")
    assert len(lines) == 12
    assert lines[0] == "✓ gorpus − ✗ bompus, difference of the logits"
    assert lines[-1].split() == ["1", "2", "3", "⟨eot⟩", "»"]
    points = [line for line in lines[1:] if "✓" in line or "✗" in line]
    assert sum(line.count("✓") for line in points) >= 3, "ahead at 3, ⟨eot⟩ and the word"
    worse = replace(trace, steps=(replace(trace.steps[0], watched={"gorpus": 0.01, "bompus": 0.5}),))
    other = candidate_curve(matrix_of(run_of(worse, "t"), {}, 0, 20), range(5), 16, 60, 12, 0)
    assert other is not None
    assert "✗" in "".join(other.plain.split("\n")[1:])


def test_a_chart_has_whole_places_round_values_and_each_line_its_own_style() -> None:
    lines = [
        Series([0.0, 0.5, None, 1.0], "✓", "coconut.right"),
        Series([1.0, 0.5, 0.2, nan], "✗", "coconut.wrong"),
    ]
    chart = draw_chart(lines, Axes({}, 1, 4, 0.0, 1.0), 50, 12)
    rows = chart.plain.split("\n")
    assert rows[-1].split() == ["1", "2", "3", "4"]
    assert [line.split("┤")[0].strip() for line in rows if "┤" in line] == ["1.0", "0.5", "0.0"]
    styles = {str(span.style) for span in chart.spans}
    assert {"coconut.right", "coconut.wrong"} <= styles
    assert chart.plain.count("✓") == 3
    many = draw_chart([Series([0.5] * 300, "o", "")], Axes({}, 1, 300, 0.0, 1.0), 50, 12)
    assert many.plain.split("\n")[-1].split() == ["50", "100", "150", "200", "250", "300"]


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0.0, 1.0, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-3.2, 8.1, 4, ["-5", "0", "5", "10"]),
        (0.0, 0.03, 3, ["0.00", "0.01", "0.02", "0.03"]),
    ],
)
def test_ticks_are_round_and_have_one_precision(low: float, high: float, most: int, texts: list[str]) -> None:
    assert value_ticks(low, high, most)[1] == texts


# -- in the pane -------------------------------------------------------------------------------------------


@pytest.mark.drives("matrix", "units")
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
async def test_a_graph_problem_begins_with_the_matrix_and_a_key_switches(
    trace: Trace, size: tuple[int, int]
) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda app: app.view is not None)
        await pilot.press("c")
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) == 10)
        pane = app.query_one(ThoughtsPane)
        lines = [text.plain for text in pane.texts()]
        assert lines[0].startswith("p in %")
        assert any("✓ gorpus" in line for line in lines)
        assert any(line.startswith("» Alex is a gorpus.") for line in lines)
        assert any("gorpus − ✗ bompus" in line for line in lines)
        assert len(lines) <= pane.size.height, "nothing has to be scrolled"
        await pilot.press("dollar_sign")
        assert pane.texts()[0].plain.startswith("ln p")
        await pilot.press("0")
        assert not pane.is_matrix
        assert pane.texts()[1].plain.startswith("● 1")
        await pilot.press("0")
        assert pane.is_matrix


async def test_the_form_that_was_chosen_is_kept(trace: Trace, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    assert saved_form(folder) is None
    app = Explorer(trace=trace, keeper=Keeper(folder))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda app: app.view is not None)
        await pilot.press("0")
        await until(pilot, lambda app: saved_form(folder) == "rows")
    again = Explorer(trace=trace, config=Config(form="rows"))
    async with again.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda app: app.view is not None)
        assert not again.query_one(ThoughtsPane).is_matrix


async def test_rows_open_to_several_lines_of_bars_where_there_is_height(trace: Trace) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda app: app.view is not None)
        await pilot.press("c", "0")
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) == 10)
        pane = app.query_one(ThoughtsPane)
        lines = [text.plain for text in pane.texts()]
        first, second = (next(n for n, line in enumerate(lines) if line[2:3] == mark) for mark in "23")
        assert second - first >= 3, "a thought has several lines"
        numbers = [
            line.split()[-1] for line in lines[first:second] if line.strip() and line.split()[-1][0] == "."
        ]
        assert numbers == [".52", ".41", ".03"]
        width = pane.scrollable_content_region.width
        assert lines[first].count("█") >= 0.5 * (width - 26), "bars grow with the pane"
        await pilot.press("g", "j")
        assert app.selected == 1, "by thoughts, not by lines"
