"""Tokens by their names wherever the explorer shows or offers them, in columns of cells."""

from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from coconut_core.coconut import CoconutModel
from coconut_core.common.plots import draw_grid
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_core.runs.recording import trace_session
from coconut_core.terminal.show import print_trace
from coconut_tui.engine.facts import facts_of
from coconut_tui.run.branches import Branch, Decisions, Said, Tree
from coconut_tui.run.breakpoints import Moment, read_breakpoint
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.lookups import LensColumn, LensGrid
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.views import answer, lens, numbers
from coconut_tui.views.view import Sight
from coconut_tui.widgets.tokens import fitted, shortened, token_bar
from tests.core.byte_level_model import byte_level_model

QUESTION = "The capital of France is (Paris)"
NAMES = ("·Paris", "Paris", "東京都", "<E6>", "·東", "\\n", "<|endoftext|>")


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return byte_level_model(*NAMES[:5])


@pytest.fixture(scope="module")
def trace(model: CoconutModel) -> Trace:
    run = model.start(QUESTION, 2, max_new_tokens=3)
    run.finish()
    return trace_session(run, 10)


def view_of(trace: Trace) -> RunView:
    moves = "".join({"thought": "t", "marker": "m", "token": "w"}[step.kind] for step in trace.steps)
    tree = Tree(trace.question, None, None, (Branch(1, "main", Decisions(None, (), moves)),))
    return RunView(tree, trace.steps, 2, "speaking", Said("", "", None))


def sight_of(trace: Trace, width: int, **more: object) -> Sight:
    return Sight(view_of(trace), ModelFacts("m", True, None, "###", layers=1), 0, width=width, **more)  # type: ignore[arg-type]


def starts(lines: list[str], mark: Callable[[str], bool]) -> set[int]:
    """The cells at which a mark begins in lines."""
    places = [next((n for n, char in enumerate(line) if mark(char)), None) for line in lines]
    return {cell_len(line[:place]) for line, place in zip(lines, places, strict=True) if place is not None}


def test_what_the_dials_offer_is_the_token_that_was_shown(model: CoconutModel, trace: Trace) -> None:
    facts = facts_of(model)
    workshop = Workshop(facts, view_of(trace), trace.steps[0])
    steer = workshop.form("steer")
    assert steer is not None
    sources = Sources(model, QUESTION)
    for (offered, _), item in zip(workshop.choice(steer, "TOKEN").options, trace.steps[0].top, strict=False):
        draft = workshop.read(f"steer {offered} 1@1")
        assert draft is not None
        assert dict(draft.arguments)["TOKEN"] == offered
        plan = parse_plan(str(draft), sources)
        assert plan.notes == ()
        assert model.vocabulary.find(offered) == item.id
    assert [text for text, _ in workshop.choice(steer, "TOKEN").options[:2]] == ["·Paris", "'Paris'"]


def test_a_breakpoint_waits_for_a_token_by_any_of_its_names(trace: Trace) -> None:
    step = trace.steps[0]
    for typed in ("Paris", "·Paris", "' Paris'", '" Paris"'):
        assert read_breakpoint(f"token {typed}", 10).hit(Moment(step)), typed
    assert not read_breakpoint("token 'Paris'", 10).hit(Moment(step))
    assert read_breakpoint("token 'Paris' in top 2", 10).hit(Moment(step))


def test_a_said_words_probability_is_its_own(trace: Trace) -> None:
    """Two tokens have the text �; the first of them is not the one that was said."""
    top = (TokenRecord("�", 0.6, 300, "<E6>"), TokenRecord("�", 0.3, 301, "<E7>"))
    said = StepRecord("token", 1, 0, "�", top, 1.0, 1.0, token_id=301, name="<E7>")
    run = view_of(trace)
    drawn = answer.draw(Sight(RunView(run.tree, (said,), 1, "speaking", run.said), width=60, height=1)).plain
    assert drawn.split() == ["<E7>", ".30", "<E6>", ".60"]


@pytest.mark.parametrize("width", [28, 38, 60, 100])
def test_the_words_said_take_a_line_each_with_their_numbers_in_columns(trace: Trace, width: int) -> None:
    lines = answer.draw(sight_of(trace, width, height=5)).plain.split("\n")
    assert len(lines) == 3
    assert all(cell_len(line) <= width for line in lines)
    assert len(starts(lines, lambda char: char == ".")) == 1


def test_wide_letters_shift_no_bar(trace: Trace) -> None:
    console = Console(width=100, record=True, file=None, color_system=None)
    with console.capture() as printed:
        print_trace(trace, console)
    bars = [line for line in printed.get().splitlines() if "█" in line]
    assert len(bars) > 3
    assert any("東京都" in line for line in bars)
    assert len(starts(bars, lambda char: char == "█")) == 1


def test_nor_one_in_the_explorer() -> None:
    bars = [token_bar(name, 0.5, 8, 10).plain for name in NAMES]
    assert starts(bars, lambda char: char == "█") == {9}
    assert {cell_len(bar) for bar in bars} == {cell_len(bars[0])}
    assert [cell_len(fitted(name, 5)) for name in NAMES] == [5] * len(NAMES)
    assert (shortened("東京都", 5), shortened("東京都", 4), shortened("東京都", 6)) == (
        "東京…",
        "東…",
        "東京都",
    )


def test_nor_a_column_of_the_lens_or_of_the_table(trace: Trace) -> None:
    cells = tuple((TokenRecord(name, 0.5, number, name),) for number, name in enumerate(NAMES))
    grid = LensGrid((LensColumn(0, "1", cells), LensColumn(1, "2", tuple(reversed(cells)))))
    rows = lens.draw(sight_of(trace, 60, answer=lambda ask: grid)).plain.split("\n")[3:]
    rows = [row for row in rows[: len(NAMES)] if "." in row]
    assert len(rows) == len(NAMES)
    assert len(starts(rows, lambda char: char == ".")) == 1
    lines = [numbers.step_line(sight_of(trace, 80), step).plain for step in trace.steps if step.top]
    assert {cell_len(line[: line.index(".")]) for line in lines} == {22}


def test_nor_a_cell_of_a_map_in_text() -> None:
    drawn = draw_grid([[0.5, 0.25]], ["東京"], ["a", "東京都"], "t", "x", "y").to_text(60, 10)
    heads, row = drawn.splitlines()[-2:]
    assert cell_len(heads) == cell_len(row)


def test_a_text_is_never_cut_within_a_wide_letter() -> None:
    assert Text(shortened("東京都東京都", 7)).cell_len <= 7
