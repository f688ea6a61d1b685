"""The drawn graph: its lines lead from box to box, nothing moves, and it has room in every pane."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from coconut_core.problems import example_problem, recognise
from coconut_core.problems.base import Graph, Problem
from coconut_core.records.graph_reading import graph_layers
from coconut_core.records.trace import StepRecord, Trace
from coconut_tui.run.branches import Branch, Decisions, Said, Tree
from coconut_tui.run.lookups import Dials
from coconut_tui.run.state import RunView
from coconut_tui.views import graph
from coconut_tui.views.canvas import Canvas, line_cells
from coconut_tui.views.course import draw_course
from coconut_tui.views.diagram import Form, Forms, plan, short_names
from coconut_tui.views.layered import crossings, layered
from coconut_tui.views.view import Sight
from tests.tui.sights import sight_of

SIZES = [(24, 6), (24, 8), (33, 20), (34, 26), (48, 12), (62, 46), (78, 14), (110, 30), (160, 40), (200, 60)]
FORMS: Forms = (
    ((Form(4, 2, 0, 3), True), (Form(8, 1, 0, 3), False)),
    ((Form(9, 2, 1, 8), True), (Form(13, 1, 0, 8), False)),
    ((Form(11, 4, 1, 8, True), True), (Form(15, 3, 0, 8, True), False)),
)
BRAILLE = range(0x2801, 0x2900)


def random_graph(seed: int) -> Graph:
    """About what ProsQA asks: a few layers, with edges on, back, to the side and over layers."""
    draw = random.Random(seed)
    count = draw.randint(2, 25)
    edges = tuple((draw.randrange(count), draw.randrange(count)) for _ in range(draw.randint(1, 40)))
    names = tuple(f"n{number}pus" for number in range(count))
    root, target, wrong = (draw.randrange(count) for _ in range(3))
    return Graph(names, edges, root, target, wrong)


def run_on(problem: Problem, steps: tuple[StepRecord, ...] = ()) -> RunView:
    tree = Tree(problem.question, problem, 1, (Branch(1, "main", Decisions(None, (), "t" * len(steps))),))
    return RunView(tree, steps, 6, "thinking", Said("", "", None))


def asked(graph_of_it: Graph, steps: tuple[StepRecord, ...] = ()) -> RunView:
    return run_on(Problem("q", (), "a", graph_of_it), steps)


def cells_of(text: Text, row: int) -> dict[int, str]:
    """The letters of a line by their columns."""
    cells, column = {}, 0
    for letter in text.plain.split("\n")[row]:
        cells[column] = letter
        column += cell_len(letter)
    return cells


def spot(drawn: str, name: str) -> tuple[int, int]:
    """Line and column of a name."""
    return next((row, line.find(name)) for row, line in enumerate(drawn.split("\n")) if name in line)


def walked(start: tuple[int, int], cells: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The cells that are come to from neighbour to neighbour."""
    seen: set[tuple[int, int]] = set()
    ahead = [start]
    while ahead:
        x, y = ahead.pop()
        if (x, y) in cells - seen:
            seen.add((x, y))
            ahead += [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    return seen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 120), st.integers(10, 50), st.integers(-1, 2))
def test_every_edge_is_a_line_that_leads_from_box_to_box(seed: int, width: int, height: int, zoom: int) -> None:
    """From the cell beside one box its own cells, neighbours each, lead to a cell beside the other; it passes
    through none, and is there on the canvas, whatever else is drawn on it."""
    problem = random_graph(seed)
    layers = graph_layers(problem).layers
    placed = plan(layers, problem.edges, FORMS, width, height, zoom)
    if placed is None:
        return
    reached = {node for layer in layers for node in layer}
    assert set(placed.ways) == {(a, b) for a, b in problem.edges if a != b and {a, b} <= reached}
    canvas = Canvas(placed.width, placed.height)
    for way in placed.ways.values():
        canvas.line(line_cells(way.dots), "")
    drawn = Text("\n").join(canvas.lines())
    rows = [cells_of(drawn, row) for row in range(placed.height)]
    boxes = {
        node: {
            (x, y) for x in range(left, left + placed.form.width) for y in range(top, top + placed.form.height)
        }
        for node, (left, top) in placed.corners.items()
    }
    for edge, way in placed.ways.items():
        cells = set(line_cells(way.dots))
        first, last = ((x // 2, y // 4) for x, y in (way.dots[0], way.dots[-1]))
        assert last in walked(first, cells)
        for x, y in cells:
            assert ord(rows[y][x]) in BRAILLE
            assert line_cells(way.dots)[x, y] & ~(ord(rows[y][x]) - 0x2800) == 0
            assert not any((x, y) in box for box in boxes.values())
        ends = {first, last}
        for node in edge:
            beside = {(x + dx, y + dy) for x, y in boxes[node] for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))}
            assert beside & ends, (edge, node)


def test_no_two_boxes_share_a_cell_and_none_is_outside() -> None:
    for seed in range(40):
        problem = random_graph(seed)
        placed = plan(graph_layers(problem).layers, problem.edges, FORMS, 100, 40)
        assert placed is not None
        taken = [
            (x, y)
            for left, top in placed.corners.values()
            for x in range(left, left + placed.form.width)
            for y in range(top, top + placed.form.height)
        ]
        assert len(taken) == len(set(taken))
        assert all(0 <= x < placed.width and 0 <= y < placed.height for x, y in taken)


def test_layers_are_in_an_order_in_which_few_edges_cross() -> None:
    """Two ladders whose rungs are told crosswise can be laid out without a crossing; official graphs cross
    less than in the order in which they are told."""
    tangled = layered(((0,), (1, 2), (3, 4), (5, 6)), ((0, 1), (0, 2), (1, 4), (2, 3), (4, 5), (3, 6)))
    links = [link for chain in tangled.chains.values() for link in pairwise(chain)]
    assert crossings(tangled.layers, links) == 0
    assert crossings(((0,), (1, 2), (3, 4), (5, 6)), links) == 2


def test_an_edge_over_layers_has_a_place_of_its_own_in_each() -> None:
    long = layered(((0,), (1,), (2,), (3,)), ((0, 1), (1, 2), (2, 3), (3, 0)))
    assert long.nodes == 4
    assert long.chains[3, 0] == (0, 4, 5, 3)
    assert [set(layer) for layer in long.layers] == [{0}, {1, 4}, {2, 5}, {3}]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("family", ["prosqa", "prontoqa"])
def test_the_graph_has_room_in_every_pane(family: str, width: int, height: int, trace: Trace) -> None:
    """Each node that can be reached is there once, no line is wider than the pane, and its places are the same
    whatever the thought says, or before there is one."""
    for example in (1, 2, 36):
        problem = example_problem(family, example)
        assert problem.graph is not None
        names = problem.graph.names
        weights = random.Random(example)
        shares = [{name: weights.random() / 3 for name in names} for _ in range(3)]
        steps = tuple(replace(trace.steps[n], watched=shares[n], edit="") for n in range(3))
        sight = Sight(run_on(problem, steps), number=1, width=width, height=height)
        drawn = [graph.draw(replace(sight, number=number)) for number in (None, 0, 1, 2)]
        for text in drawn:
            lines = text.plain.split("\n")
            assert max(map(cell_len, lines)) <= width
            assert len(lines) == len(drawn[0].plain.split("\n"))
        layers = graph_layers(problem.graph).layers
        reached = [node for layer in layers for node in layer]
        shortest = short_names([names[node] for node in reached], 3)
        whole = drawn[0].plain.partition("\n\n")[2].partition(" out of reach")[0] or drawn[0].plain
        starts = [cut if cut in whole else names[node][:5] for node, cut in zip(reached, shortest, strict=True)]
        for name in starts:
            assert name in whole
        where = [[spot(text.plain, name) for name in starts] for text in drawn]
        assert where[1] == where[2] == where[3]


def test_marks_frontier_and_edits_are_signs_as_well_as_colours(trace: Trace) -> None:
    sight = sight_of(trace, None, 1, width=60, height=30)
    drawn = graph.draw(sight)
    assert "★lempus" in drawn.plain
    assert "✓gorpus" in drawn.plain
    assert "✗ bompus" in drawn.plain
    assert "▸1 hop" in drawn.plain
    assert "2 hops✎" in drawn.plain, "the third thought, which stands for two hops, was edited"
    styles = {str(span.style) for span in drawn.spans}
    assert {"coconut.frontier.bold", "coconut.path.bold", "coconut.right.bold"} <= styles
    thin = graph.draw(replace(sight, number=0)).plain
    assert sum(map(ord, drawn.plain)) != sum(map(ord, thin)), "lit lines are thicker"


def test_zoom_draws_larger_nodes_than_fit_and_smaller_ones() -> None:
    problem = example_problem("prosqa", 36)
    sight = Sight(run_on(problem), width=34, height=26)
    sizes = []
    for zoom in (-2, 0, 1, 2):
        lines = graph.draw(replace(sight, dials=Dials(graph_zoom=zoom))).plain.split("\n")
        sizes.append((max(map(cell_len, lines)), len(lines)))
    assert sizes[0] <= sizes[1] < sizes[2] < sizes[3]
    assert sizes[1][0] <= 34 < sizes[2][0]


def test_names_are_cut_to_what_tells_them_apart() -> None:
    assert short_names(["gorpus", "gerpus", "Alex"], 3) == ["gor", "ger", "Ale"]
    assert short_names(["gorpus", "gorpet", "Alex"], 3) == ["gorpu", "gorpe", "Alex"]
    assert short_names(["not fruity", "fruity"], 3) == ["n.f", "fru"]
    assert short_names(["ab", "ab"], 3) == ["ab", "ab"]


def test_lines_that_meet_in_a_cell_are_joined_and_words_lie_on_top() -> None:
    canvas = Canvas(4, 1)
    canvas.line(line_cells(((0, 0), (7, 0))), "dim")
    canvas.line(line_cells(((2, 0), (2, 3))), "bold")
    canvas.write(3, 0, "東", "bold")  # has no room
    (line,) = canvas.lines()
    assert line.plain == "⠉⡏⠉⠉"
    assert [str(span.style) for span in line.spans] == ["dim", "bold", "dim"]
    canvas.write(2, 0, "東", "bold")
    assert canvas.lines()[0].plain == "⠉⡏東"


def test_courses_are_columns_of_as_many_lines_as_there_is_room() -> None:
    canvas = Canvas(9, 2)
    draw_course(canvas, (0, 0), (9, 2), [0.0, 0.5, 1.0], [("",)] * 3)
    assert [line.plain for line in canvas.lines()] == ["      ██", "▁▁ ██ ██"]
    canvas = Canvas(3, 1)
    draw_course(canvas, (0, 0), (3, 1), [1.0, 0.01, 0.9, 0.75], [("",)] * 4)
    assert canvas.lines()[0].plain == "▁▇▆", "the last ones"


def test_the_tree_of_sums_leads_from_what_is_used_to_what_it_makes(trace: Trace) -> None:
    problem = recognise(
        "Ann has 8 pens. On Monday Ann buys 5 more pens. On Tuesday Ben has twice as many pens as Ann. "
        "How many pens does Ben have?"
    )
    assert problem is not None
    watched = [{"13": 0.92, "26": 0.01}, {"13": 0.02, "26": 0.9}, {"13": 0.0, "26": 0.75}]
    steps = tuple(replace(trace.steps[n], watched=watched[n], edit="") for n in range(3))
    for width, height in SIZES:
        texts = [
            graph.draw(Sight(run_on(problem, steps), number=number, width=width, height=height)).plain
            for number in range(3)
        ]
        tree = texts[1].partition("\n\nresults")[0]
        assert max(map(cell_len, texts[1].split("\n"))) <= width
        assert "✓26" in tree
        assert ".90" in tree
        if width >= 33:
            assert "13 = 8+5" in tree
            assert "▁▇▆" in tree or "╭" in tree, "the course of 26 over the thoughts"
        assert len({spot(text, "✓26") for text in texts}) == 1
