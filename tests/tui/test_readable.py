"""What views and screens say is right, and holds still while the run goes on."""

from dataclasses import replace

import pytest
from rich.console import Console
from textual.containers import VerticalScroll
from textual.widgets import DataTable, OptionList, Static

from coconut_core.common.plots import Line, draw_lines
from coconut_core.problems import example_problem
from coconut_core.problems.base import Graph, Problem
from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.explorer.titles import thoughts_title, view_facts, view_title
from coconut_tui.run.branches import Branch, Said, Tree
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.run.controlled import Swaps
from coconut_tui.run.state import ComparedStep, Comparison, DecidingPlace, RunView, Variant, WhatIf
from coconut_tui.screens.compare import CompareScreen, draw_comparison
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.what_if import WhatIfScreen
from coconut_tui.views import all_views, graph, graph_list, numbers, top
from coconut_tui.views.view import Sight
from coconut_tui.widgets.prompt import question_line
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.token_marks import TokenMarks
from coconut_tui.widgets.tokens import verdict_mark
from tests.tui.conftest import GRAPH, PROBLEM, shown, until
from tests.tui.screens import RIGHT, WRONG, opened, said, with_branches
from tests.tui.sights import sight_of


@pytest.mark.parametrize(("count", "width"), [(8, 34), (13, 40), (60, 38), (6, 120)])
def test_there_are_no_thoughts_between_thoughts(count: int, width: int) -> None:
    places = list(range(1, count + 1))
    drawn = draw_lines([Line("a", places, [0.5] * count)], "t", "thought", "p", (), (0.0, 1.0)).to_text(
        width, 12
    )
    axis = next(line for line in drawn.split("\n")[::-1] if line.split() and line.split()[0].isdigit())
    ticks = axis.split()
    assert all(tick.isdigit() for tick in ticks)
    assert len(ticks) > 1
    assert set(map(int, ticks)) <= set(places)
    levels = [line.split("┤")[0].strip() for line in drawn.split("\n") if "┤" in line]
    assert levels == ["1", "0.75", "0.5", "0.25", "0"]


def places(drawn: str) -> list[str]:
    """Where each node of the graph stands."""
    return [f"{name} at {drawn.find(name)}" for name in GRAPH.names if name in drawn]


def test_the_nodes_of_the_graph_keep_their_places(trace: Trace) -> None:
    """Which of two nodes at one hop is likelier changes from thought to thought."""
    lempus, rompus = {"lempus": 0.9, "rompus": 0.1}, {"lempus": 0.1, "rompus": 0.9}
    steps = [replace(trace.steps[1], watched=shares) for shares in (lempus, rompus)]
    run = RunView(
        Tree(PROBLEM.question, PROBLEM, 1, (Branch(1, "main"),)), tuple(steps), 2, "thinking", said(RIGHT)
    )
    first, second = (graph.draw(Sight(run, number=number)).plain for number in (0, 1))
    assert places(first) == places(second)
    assert first != second


def test_the_graph_at_a_word_is_that_of_the_last_thought(trace: Trace) -> None:
    thought, word = (graph.draw(sight_of(trace, None, number)).plain for number in (2, 6))
    assert word.startswith("as of thought 3, the last one ")
    assert word.split("\n")[1:] == thought.split("\n")[1:], "and nothing has moved"
    assert ".88" in word


def test_the_wrong_candidate_is_seen_where_it_is_out_of_reach(trace: Trace) -> None:
    drawn = graph.draw(sight_of(trace, None, 2)).plain
    reached, _, beyond = drawn.partition("out of reach")
    assert "bompus" not in reached
    assert "✗ bompus" in beyond


def test_one_node_is_one_node(trace: Trace) -> None:
    lonely = replace(
        GRAPH, names=("Alex", "lempus", "gorpus", "bompus"), edges=((0, 1), (1, 2)), target=2, wrong=3
    )
    sight = sight_of(trace, None, 2, width=60)
    assert sight.run is not None
    tree = replace(sight.run.tree, problem=replace(PROBLEM, graph=lonely))
    drawn = graph.draw(replace(sight, run=replace(sight.run, tree=tree))).plain
    assert "1 node out of reach" in drawn


def test_the_frames_say_where_the_run_is_and_what_the_step_is_like(trace: Trace) -> None:
    top = all_views()["top"]
    sight = sight_of(trace, None, 2)
    assert thoughts_title(sight) == "Thoughts 3/3 · frontier .88 · H 1.25"
    assert view_title(sight, top, inspected=True) == "Inspect 1 Top-k · thought 3/3 ✎ zero"
    assert view_title(sight, top, inspected=False) == "1 Top-k · thought 3/3 ✎ zero"
    assert view_facts(sight, top, inspected=True) == "H 1.25 nats · norm 16.0 · cos 0.30"
    assert thoughts_title(sight_of(trace, None, 3)) == "Thoughts 3/3 · frontier .88 · H 1.25 · ⟨eot⟩"
    assert thoughts_title(Sight()) == "Thoughts"


def flat_step(step: StepRecord) -> StepRecord:
    alike = tuple(TokenRecord(name, 1 / 80) for name in ("Alex", "jelpus", "is"))
    return replace(step, top=alike, edit="zero")


async def test_a_readout_that_prefers_nothing_is_said_to_be_flat(trace: Trace) -> None:
    """Its likeliest token is the first of the vocabulary, which the thought does not say."""
    sight = sight_of(trace, None)
    assert sight.run is not None
    steps = (sight.run.steps[0], flat_step(sight.run.steps[1]), *sight.run.steps[2:])
    run = replace(sight.run, steps=steps)
    assert "(flat)" in top.draw(replace(sight, run=run)).plain
    assert "(flat)" not in top.draw(sight).plain
    assert "(flat)" in numbers.step_line(replace(sight, run=run, width=34), steps[1]).plain
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        app = await with_branches(pilot, trace)
        pane = app.query_one(ThoughtsPane)
        pane.show(run, 1)
        drawn = pane.text_of(1).plain
        assert "(flat)" in drawn
        assert "Alex" not in drawn


def test_a_comparison_says_flat_too(trace: Trace) -> None:
    step = flat_step(trace.steps[1])
    comparison = Comparison("main", "zero@2", 1, (compared_step(step, 2, 0.0),), said(RIGHT), said(WRONG))
    console = Console(width=80)
    with console.capture() as written:
        console.print(draw_comparison(comparison))
    assert written.get().count("(flat)") == 2
    assert "jelpus" not in written.get()


def test_the_tail_of_a_readout_is_told_apart(trace: Trace) -> None:
    shares = {"Alex": 0.9995, "Tom": 0.0004, "Eva": 0.00002}
    step = replace(trace.steps[0], top=tuple(TokenRecord(name, share) for name, share in shares.items()))
    sight = sight_of(trace, None, 0)
    assert sight.run is not None
    lines = top.draw(replace(sight, run=replace(sight.run, steps=(step,)))).plain.split("\n")
    assert [line.split()[-1] for line in lines[1:4]] == ["0.00", "-7.82", "-10.82"]
    assert max(map(len, lines)) <= sight.width


def test_the_right_name_in_other_words_is_no_other_name() -> None:
    problem = Problem("Is Polly a worpus or jelpus?", ("a",), "Polly is a worpus.")
    marks = {
        text: verdict_mark(Said.judged(f"### {text}", "###", problem, "end")).plain
        for text in (
            "Polly is a worpus.",
            "Polly is a worpus...",
            "Polly is a jelpus.",
            "Sally is a worpus.",
            "",
        )
    }
    assert list(marks.values()) == [" ✓", " ≈", " ✗", " ✗", " ✗"]
    assert verdict_mark(Said.judged("### Polly", "###", problem, None)).plain == ""


async def test_a_finished_run_that_said_nothing_says_so(trace: Trace) -> None:
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        app = await with_branches(pilot, trace)
        pane = app.query_one(ThoughtsPane)
        assert app.view is not None
        pane.show(replace(app.view, said=Said("", "", "end", False)), 1)
        assert any(row.plain.startswith("» nothing") for row in pane.texts())


@pytest.mark.parametrize(
    ("shared", "told"), [(0, "No step is the same"), (1, "The first step is the"), (2, "The first 2 steps are")]
)
def test_a_comparison_counts_the_steps_that_are_the_same(shared: int, told: str) -> None:
    console = Console(width=100)
    with console.capture() as written:
        console.print(draw_comparison(Comparison("main", "zero@2", shared, (), said(RIGHT), said(WRONG))))
    assert told in written.get()


def compared_step(step: StepRecord, thought: int, divergence: float) -> ComparedStep:
    return ComparedStep(0, thought, step, step, divergence, 1.0)


async def test_a_comparison_begins_at_the_first_difference_with_the_answers_on_top(trace: Trace) -> None:
    steps = tuple(compared_step(trace.steps[1], thought, 0.5 * (thought > 12)) for thought in range(1, 30))
    comparison = Comparison("main", "zero@13", 12, steps, said(RIGHT), Said("### x", "x", "end", False))
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        app = await with_branches(pilot, trace)
        screen = CompareScreen(comparison)
        app.push_screen(screen)
        await until(
            pilot, lambda app: screen.is_mounted and screen.query_one(VerticalScroll).scroll_offset.y > 0
        )
        lines = ["".join(piece.text for piece in line) for line in app.screen._compositor.render_strips()]
        answers = next(number for number, line in enumerate(lines) if "≠ answer" in line)
        first = next(number for number, line in enumerate(lines) if "≠ thought" in line)
        assert "≠ thought 13" in lines[first]
        assert answers < first
        assert not any("= thought" in line for line in lines)
        assert screen.query(Static)


def test_where_edges_have_no_room_the_graph_is_a_list_in_order_of_names() -> None:
    problem = example_problem("prosqa", 1)
    assert isinstance(problem.graph, Graph)
    layers: list[list[str]] = []
    for line in (line.plain for line in graph_list.lines(problem.graph, {}, None, 34)):
        if "hop" in line:
            layers.append([])
        elif line.strip():
            layers[-1].append(line.split()[-1])
    assert all(layer == sorted(layer) for layer in layers)
    assert sum(map(len, layers)) > 5


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_is_asked_stands_on_screen_at_every_size(trace: Trace, size: tuple[int, int]) -> None:
    """It is the last of forty sentences, which the prompt pane, where it is shown at all, has no room for."""
    problem = example_problem("prosqa", 1)
    async with opened(replace(trace, question=problem.question, problem=problem)).run_test(size=size) as pilot:
        await until(pilot, lambda app: app.view is not None)
        for pane in ("prompt", "thoughts", "inspect", "branches"):
            app = shown(pilot)
            app.focus_pane(pane)
            await pilot.pause()
            lines = ["".join(piece.text for piece in line) for line in app.screen._compositor.render_strips()]
            assert lines[1].strip() == "Is Polly a worpus or jelpus?"


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Alex is a lempus. Is Alex a bompus or gorpus?", "Is Alex a bompus or gorpus?"),
        ("Janet has 3 ducks. How many eggs? Write a number.", "How many eggs?"),
        ("<eos> 3 7 | 7 12 [Q] 3 12 9", "[Q] 3 12 9"),
        ("Two lines.\nWhat is the capital of France?\n", "What is the capital of France?"),
        ("Say hello", "Say hello"),
    ],
)
def test_what_a_question_asks(trace: Trace, question: str, asked: str) -> None:
    run = RunView(Tree(question, None, None, (Branch(1, "main"),)), (), 6, "thinking", said(""))
    assert question_line(run, TokenMarks()).plain == asked


async def test_breakpoints_are_marked_where_they_stop(trace: Trace) -> None:
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda app: app.view is not None)
        app = shown(pilot)
        app.set_breakpoints(
            (Breakpoint(thought=3), Breakpoint(measure="p", limit=0.5, above=True, token="Alex"))
        )
        await pilot.press("s", "s")
        await until(pilot, lambda app: app.view is not None and len(app.view.steps) == 2)
        heading = app.query_one(ThoughtsPane).texts()[0].plain
        assert heading.split()[3:6] == ["1*", "2", "3*"], "of the matrix"
        await pilot.press("0")
        rows = [row.plain for row in app.query_one(ThoughtsPane).texts() if row.plain]
        assert [row[:4].split()[1] for row in rows if row[:1] in "●◉○"] == ["1*", "2", "3*"]
        app.set_breakpoints(())
        assert not any("*" in row.plain[:5] for row in app.query_one(ThoughtsPane).texts())


def browser(count: int = 3) -> tuple[Collection, ProblemsScreen]:
    problems = Collection([PROBLEM] * count, None)
    problems.note({1: said(RIGHT), 2: said(WRONG), 3: said("### Alex is a gorpus...")})
    return problems, ProblemsScreen(problems, 1, lambda chosen: None, lambda chosen: None)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_problem_browser_says_what_was_said_and_what_was_expected(
    trace: Trace, size: tuple[int, int]
) -> None:
    async with opened(trace).run_test(size=size) as pilot:
        app = await with_branches(pilot, trace)
        app.push_screen(browser()[1])
        await until(pilot, lambda app: app.screen.query_one(OptionList).option_count == 3)
        lines = ["".join(piece.text for piece in line) for line in app.screen._compositor.render_strips()]
        heads = next(line for line in lines if "expected" in line and "said" in line)
        wrong = next(line for line in lines if "✗" in line and "bompus" in line)
        expected = heads.index("expected")
        assert "bompus" in wrong[heads.index("said") : expected]
        assert "gorpus" in wrong[expected : heads.index("question")]
        assert "≈ right name" in "".join(lines), "the marks are explained"
        dialog = app.screen.query_one(".dialog")
        assert dialog.size.width >= 0.9 * size[0]
        before = dialog.region
        for key in "zz":
            await pilot.press(key)
            await pilot.pause()
            assert app.screen.query_one(OptionList).option_count == 0
            assert dialog.region == before, "the box stays as it is while one types"


def test_what_was_answered_is_kept_where_the_problem_is_still_the_same() -> None:
    problems, _ = browser()
    problems.note_swaps({2: Swaps(4, 6)})
    later = Collection([PROBLEM, PROBLEM], None)
    later.take_up(problems.answered)  # the third problem has gone
    assert {number: later.verdict(number) for number in (1, 2)} == {1: True, 2: False}
    assert later.answers[2].answer == "Alex is a bompus."
    assert later.swaps == {2: Swaps(4, 6)}
    others = Collection([replace(PROBLEM, question="Is it?")] * 3, None)
    others.take_up(problems.answered)
    assert (others.answers, others.swaps, others.answered) == ({}, {}, ())


@pytest.mark.parametrize("width", [80, 120, 200])
async def test_the_what_if_table_fits_whatever_the_words_are(trace: Trace, width: int) -> None:
    """One letter stands over a probability of five cells; an answer is as long as a language model says."""
    long = Said("la France, " * 30, "la France, " * 30, None)
    rows = tuple(Variant(f"zero@{n}", long, changed=True, probabilities=(0.25, 4e-05)) for n in range(3))
    table = WhatIf("thought 3", rows, DecidingPlace("", ("é", ","), judged=False), complete=True)
    async with opened(trace).run_test(size=(width, 24)) as pilot:
        app = await with_branches(pilot, trace)
        screen = WhatIfScreen("thought 3")
        app.push_screen(screen)
        await until(pilot, lambda app: screen.is_mounted and bool(screen.query(DataTable)))
        screen.show(table)
        await pilot.pause()
        drawn = screen.query_one(DataTable)
        assert drawn.virtual_size.width <= drawn.size.width
        lines = ["".join(piece.text for piece in line) for line in screen._compositor.render_strips()]
        drawn_rows = [line for line in lines if "p(é)" not in line]  # the row under the cursor in words
        assert sum("0.250" in line and "4e-05" in line and "la France" in line for line in drawn_rows) == 3
        assert any("p(é)" in line and "p(,)" in line for line in lines)
