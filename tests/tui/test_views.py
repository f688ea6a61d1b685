"""What the inspect pane's views draw of plain data."""

from array import array
from dataclasses import replace
from math import log

import pytest
import torch
from rich.text import Text

from coconut_core.problems import Problem, recognise
from coconut_core.records.trace import TokenRecord, Trace
from coconut_tui.run.branches import Branch, Decisions, Said, Tree
from coconut_tui.run.lookups import (
    REMEMBERED,
    Answers,
    Attention,
    Courses,
    Dials,
    Heated,
    LensColumn,
    LensGrid,
    Neighbours,
    Point,
    Trajectory,
)
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.views import VIEWS, answer, attention, graph, lens, lines, nearest, numbers, top, trajectory
from coconut_tui.views.view import Sight
from tests.tui.sights import run_of, sight_of


def records(**shares: float) -> tuple[TokenRecord, ...]:
    return tuple(TokenRecord(token, share) for token, share in shares.items())


GRID = LensGrid(
    tuple(
        LensColumn(
            step,
            name,
            (
                records(fed=0.3, noise=0.1),
                records(early=0.2, other=0.1),
                records(**{token: share, "next": 0.05}),
            ),
            reads,
        )
        for step, reads, name, token, share in (
            (-1, "?", "", "yes", 0.61),
            (0, "⟨bot⟩", "1", "Alex", 0.97),
            (1, "1", "2", "lempus", 0.52),
            (2, "2", "3", "gorpus", 0.88),
            (3, "3", "⟨eot⟩", "###", 0.9),
        )
    )
)


def test_the_lens_shows_each_cells_likeliest_token_with_its_number_and_the_cell_under_the_cursor(
    trace: Trace,
) -> None:
    drawn = lens.draw(sight_of(trace, GRID, width=66, height=10)).plain
    assert "▾2" in drawn
    for column in GRID.columns:
        assert column.layers[2][0].token in drawn
    rows = drawn.split("\n")
    assert rows[1].split() == ["in", "?", "⟨bot⟩", "1", "2", "3"]
    assert rows[2].split() == ["▸", "1", "▾2", "3", "⟨eot⟩"]
    assert rows[3].startswith(" 2 yes")
    assert ".97" in rows[3]
    assert rows[4].count("early") == 5
    assert rows[5].count("fed") == 5
    assert "layer 2 of 2, thought 2" in drawn
    assert drawn.count("next") == 1, "only the cell under the cursor is told in full"
    below = lens.draw(sight_of(trace, GRID, width=66, height=10, dials=Dials(lens_layer=1))).plain
    assert "layer 1 of 2, thought 2" in below
    assert "other" in below
    fed = lens.draw(sight_of(trace, GRID, width=66, height=10, dials=Dials(lens_layer=0))).plain
    assert "layer 0 of 2, thought 2, what is fed" in fed


def test_a_cell_of_the_lens_has_as_many_tokens_as_there_is_room_for(trace: Trace) -> None:
    drawn = lens.draw(sight_of(trace, GRID, width=66, height=40)).plain
    assert drawn.count("other") == 5
    assert drawn.count("next") == 5 + 1


def test_a_place_of_the_prompt_is_told_where_it_was_clicked(trace: Trace) -> None:
    dials = Dials(lens_prompt=(1, -1), lens_layer=2)
    drawn = lens.draw(sight_of(trace, GRID, width=66, dials=dials)).plain
    assert "layer 2 of 2, the prompt's ?" in drawn
    assert "▾?" in drawn
    moved = lens.draw(sight_of(trace, GRID, 2, width=66, dials=dials)).plain
    assert "layer 2 of 2, thought 3" in moved, "another step has been selected since"


def test_the_lens_fits_a_narrow_pane_and_says_what_is_left_out(trace: Trace) -> None:
    drawn = lens.draw(sight_of(trace, GRID, 3, width=24)).plain
    grid = drawn.partition("\nlayer")[0]
    assert max(map(len, grid.split("\n")[1:-1])) <= 24
    assert "3 more c" in drawn
    assert "▾⟨eot⟩" in drawn


@pytest.mark.parametrize("room", [(34, 12), (36, 22), (56, 18), (98, 27), (110, 40), (198, 56)])
@pytest.mark.parametrize("count", [3, 13, 31])
@pytest.mark.parametrize("every", [False, True])
def test_the_lens_fits_every_room(trace: Trace, room: tuple[int, int], count: int, every: bool) -> None:
    layers = tuple(records(**{f"of{n}": 0.9, **{f"t{k}": 0.01 for k in range(9)}}) for n in range(count))
    grid = LensGrid(tuple(LensColumn(n, str(n + 1), layers, "?") for n in range(-16, 10)))
    for layer in (0, 1, count // 2, count - 1):
        dials = Dials(lens_layer=layer, every_layer=every)
        sight = sight_of(trace, grid, width=room[0], height=room[1], dials=dials)
        drawn = lens.draw(sight).plain.split("\n")
        assert len(drawn) <= max(room[1], 15)
        assert len(drawn) >= min(room[1], 40) - 6, "the room is used"
        assert max(Text(line).cell_len for line in drawn) <= room[0]
        shown = [int(line.split()[0]) for line in drawn[3:] if line[:3].strip().isdigit()]
        assert layer in shown
        assert shown == sorted(set(shown), reverse=True)
        if not every:
            assert {0, count - 1} <= set(shown)
        elif len(shown) < count:
            assert shown[0] - shown[-1] == len(shown) - 1


def test_the_tuned_lens_is_never_shown_without_its_calibration(trace: Trace) -> None:
    tuned = replace(GRID, calibration=((1.1, 0.3),))
    drawn = lens.draw(sight_of(trace, tuned, width=66, dials=Dials(lens_layer=1))).plain
    assert "tuned lens" in drawn
    assert "held out: 0.30 nats from the last layer (plain 1.10)" in drawn


def weights() -> Attention:
    """Two layers with two heads each, over two words and a thought."""
    heads = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], [[0.0, 0.5, 0.5], [0.1, 0.1, 0.8]]])
    sums = torch.cat([heads.mean(1, keepdim=True), heads], 1)
    flat = torch.cat([sums.mean(0, keepdim=True), sums]).flatten().tolist()
    return Attention("thought 1", "thought 2", ("Alex", "?", "thought 1"), 2, 2, 2, array("f", flat))


def test_attention_is_told_for_a_head_a_layer_and_all(trace: Trace) -> None:
    found = weights()
    assert found.row(1, 2) == pytest.approx([0.2, 0.7, 0.1])
    assert found.row(1, None) == pytest.approx([0.4, 0.5, 0.1])
    assert found.row(None, 1) == pytest.approx([0.3, 0.4, 0.3])
    assert found.row(None, None) == pytest.approx([0.225, 0.4, 0.375])
    drawn = attention.draw(sight_of(trace, found)).plain
    assert "mean of 2 layers, mean of 2 heads" in drawn
    assert "reads thought 1, makes thought 2" in drawn
    assert "Alex³?¹\nthought 1²" in drawn
    assert ".38 behind the prompt · full 1.0" in drawn
    one = attention.draw(sight_of(trace, found, dials=Dials(layer=1, head=2))).plain
    assert "layer 1 of 2, head 2 of 2" in one
    assert one.split("¹")[1].split()[:2] == ["Alex", "?"]


def test_lines_have_a_sign_each_and_ask_only_for_what_is_not_recorded(trace: Trace) -> None:
    plain = sight_of(trace, None, width=40)
    assert lines.pinned(plain) == ("gorpus", "bompus")
    assert lines.ask(plain) is None
    drawn = lines.draw(plain).plain
    step = trace.steps[1]
    values = (f"{step.watched[name]:.2f}"[1:] for name in ("gorpus", "bompus"))
    assert "✓ gorpus {}   ✗ bompus {}".format(*values) in drawn
    assert ["1", "2", "3", "⟨eot⟩"] in [line.split() for line in drawn.split("\n")], "whole thoughts"
    assert "entropy 1.25  (1.25 to 1.25)" in drawn
    pinned = replace(plain, dials=Dials(pins={"⏎": 1, "rompus": 2}), answer=lambda ask: None)
    wanted = lines.ask(pinned)
    assert wanted is not None
    assert (wanted.tokens, wanted.decisions.moves) == (("⏎",), "tttm"), "words change nothing in the lines"
    assert "reading the model" in lines.draw(pinned).plain
    known = replace(pinned, answer=lambda ask: Courses({"⏎": (0.1, 0.2, 0.3, 0.4)}))
    assert "◆ ⏎ .20" in lines.draw(known).plain
    strange = replace(pinned, answer=lambda ask: Courses({}, ("⏎",)))
    assert "no single token of this model: ⏎" in lines.draw(strange).plain


def test_a_sparkline_goes_from_the_least_to_the_largest(trace: Trace) -> None:
    steps = tuple(
        replace(step, entropy=value) for step, value in zip(trace.steps, (0.0, 2.0, 1.0), strict=False)
    )
    run = replace(run_of(trace, "ttt"), steps=steps[:3])
    drawn = lines.draw(replace(sight_of(trace, None, width=9), run=run)).plain
    figure = drawn[drawn.index("entropy 2.00  (0.00 to 2.00)") :].split("\n")
    assert figure[1] == "▁▁▁███▅▅▅"


def test_the_trajectory_marks_thoughts_by_number_and_branches_by_letter(trace: Trace) -> None:
    points = (Point(1, "1", -1, -1), Point(1, "2", 0, 2), Point(1, "3", 1, -1), Point(2, "3", 3, 0))
    found = Trajectory(points, {1: (0, 1, 2), 2: (0, 1, 3)}, (0.61, 0.22))
    sight = sight_of(trace, found, width=34, height=20)
    assert sight.run is not None
    other = Branch(2, "zero@3", Decisions(None, (), "ttt"), 1, 2)
    tree = replace(sight.run.tree, branches=(*sight.run.tree.branches, other))
    drawn = trajectory.draw(replace(sight, run=replace(sight.run, tree=tree)))
    rows = drawn.plain.split("\n")
    assert "4 thoughts; of their variance\n→ 61%, ↑ 22%" in drawn.plain
    for mark in ("a1", "a2", "a3", "b3"):
        assert sum(mark in row for row in rows) == 1
    row = {mark: next(n for n, row in enumerate(rows) if mark in row) for mark in ("a1", "a2", "a3", "b3")}
    assert row["a2"] < row["b3"] < row["a1"] == row["a3"]
    assert rows[row["a1"]].index("a1") < rows[row["a3"]].index("a3")
    assert "a main" in drawn.plain
    assert "b zero@3" in drawn.plain
    assert max(map(len, rows)) <= 34


def test_a_step_is_a_row_of_numbers(trace: Trace) -> None:
    sight = sight_of(trace, None, width=34)
    line = numbers.step_line(sight, trace.steps[1]).plain
    assert line.split() == ["2", "lempus", ".52", "1.25", "16.0", "0.12", ".93"]
    assert numbers.step_line(sight, trace.steps[4]).plain.startswith("w1")
    wide = numbers.step_line(replace(sight, width=80), trace.steps[2]).plain
    figures = ["1.25", "16.0", "0.30", ".88", f"{log(0.88 / 0.06):+.1f}"]
    assert wide.split() == ["3", "gorpus", ".88", "bompus", ".06", *figures, "✎", "zero"]


def test_the_graph_tells_each_thoughts_mass_on_its_own_frontier(trace: Trace) -> None:
    wide = graph.draw(sight_of(trace, None, width=60)).plain
    assert "frontier  1█.97 ▸2█.93 ✎3▇.88" in wide
    assert "frontier ██▇ ▸2 .93" in graph.draw(sight_of(trace, None, width=26)).plain


def test_another_temperature_is_marked_and_never_made_of_what_is_recorded(trace: Trace) -> None:
    assert top.ask(sight_of(trace, None)) is None
    hot = sight_of(trace, None, dials=Dials(temperature=2.0))
    assert "lempus" not in top.draw(hot).plain
    drawn = top.draw(replace(hot, answer=lambda ask: Heated(records(lempus=0.3, rompus=0.25), 1.9))).plain
    assert "≠ temperature 2, not 1: entropy 1.90" in drawn
    assert ".25" in drawn


@pytest.mark.parametrize("name", ["top", "lens", "attention", "lines", "nearest", "trajectory"])
def test_a_saved_run_says_which_views_need_the_model(trace: Trace, name: str) -> None:
    facts = ModelFacts("by hand", True, None, "###", 0, replayed=True)
    sight = replace(sight_of(trace, None, dials=Dials(temperature=2.0, pins={"no name": 1})), facts=facts)
    view = next(view for view in VIEWS if view.name == name)
    assert view.draw is not None
    assert "This needs the model" in view.draw(sight).plain


@pytest.mark.parametrize("view", [view for view in VIEWS if view.draw is not None], ids=lambda view: view.name)
def test_every_view_has_something_to_say_where_there_is_nothing(view: object, trace: Trace) -> None:
    for run in (None, replace(run_of(trace, ""), steps=())):
        assert view.draw(Sight(run=run)).plain  # type: ignore[attr-defined]
        assert view.ask(Sight(run=run)) is None  # type: ignore[attr-defined]


def test_answers_belong_to_decisions_and_are_few(trace: Trace) -> None:
    answers, sight = Answers(), sight_of(trace, None)
    first, second = nearest.ask(sight), nearest.ask(replace(sight, number=2))
    assert first is not None
    assert second is not None
    answers.keep(first, Neighbours(records(rompus=0.4)))
    assert "rompus" in nearest.draw(replace(sight, answer=answers.get)).plain
    assert "reading the model" in nearest.draw(replace(sight, number=2, answer=answers.get)).plain
    for temperature in range(REMEMBERED):
        answers.keep(replace(second, temperature=temperature), Neighbours(()))
    assert answers.get(first) is None


def test_sums_are_drawn_as_the_tree_of_the_expression_with_each_thought_beside_each_result(
    trace: Trace,
) -> None:
    question = (
        "Ann has 8 pens. On Monday Ann buys 5 more pens. On Tuesday Ben has twice as many pens as Ann. "
        "How many pens does Ben have?"
    )
    problem = recognise(question)
    watched = [{"13": 0.92, "26": 0.01}, {"13": 0.02, "26": 0.9}, {"13": 0.0, "26": 0.75}]
    steps = tuple(replace(step, watched=shares) for step, shares in zip(trace.steps, watched, strict=False))
    tree = Tree(question, problem, 1, (Branch(1, "main", Decisions(None, (), "ttt")),))
    run = RunView(tree, steps, 3, "thinking", Said("", "", None))
    assert run.sums == [("8+5", "13"), ("13*2", "26")]
    drawn = graph.draw(Sight(run, None, 1, width=34)).plain.splitlines()
    assert [line.rstrip() for line in drawn][-6:] == [
        "",
        "results, thought by thought",
        "       13   26",
        " 1    .92  .01",
        "▸2    .02  .90",
        "✎3    .00  .75",
    ]


def test_a_sum_that_is_wrong_and_a_result_that_nothing_was_made_of_are_shown(trace: Trace) -> None:
    problem = Problem("q", ("<<2+2=5>>", "<<7*2=14>>"), "14")
    tree = Tree("q", problem, 1, (Branch(1, "main", Decisions(None, (), "")),))
    drawn = graph.draw(Sight(RunView(tree, (), 3, "thinking", Said("", "", None)), None, None, width=34)).plain
    assert "✗5 = 2+2" in drawn
    assert "✓14 = 7*2" in drawn
    assert drawn.split("\n")[-1] == "✗ 2+2 is 4, not 5"


def test_the_words_of_an_answer_have_bars_where_there_is_height(trace: Trace) -> None:
    others = records(a=0.02, b=0.01, c=0.01, d=0.005, e=0.005)
    run = run_of(trace)
    run = replace(run, steps=tuple(replace(step, top=(*step.top, *others)) for step in run.steps))
    words = run.words()
    low = answer.draw(Sight(run, width=40, height=len(words))).plain.splitlines()
    assert len(low) == len(words)
    high = answer.draw(Sight(run, width=40, height=5 * len(words))).plain
    blocks = [block.splitlines() for block in high.split("\n\n")]
    assert [len(block) for block in blocks] == [4] * len(words)
    for block, word in zip(blocks, words, strict=True):
        assert block[0].startswith(f"▸ {word.name[:12]}")
        assert all(line.startswith("  ") for line in block[1:])
        chance = next(item.probability for item in word.top if item.key == word.key)
        assert block[0].count("█") == pytest.approx(chance * (40 - len(block[0].split("█")[0]) - 5), abs=1)


def test_a_word_that_was_not_recorded_has_a_dash_for_its_probability(trace: Trace) -> None:
    run = run_of(trace)
    word = replace(run.words()[-1], token_id=10**6, name="unlikely", token="unlikely")
    rare = replace(run, steps=(*run.steps[:-1], word))
    for height in (1, 60):
        line = next(
            line for line in answer.draw(Sight(rare, height=height)).plain.splitlines() if "unlikely" in line
        )
        assert "–" in line


def test_of_many_thoughts_those_around_the_cursor_are_drawn_as_many_as_there_are_dots_for(trace: Trace) -> None:
    run = run_of(trace)
    many = [replace(run.steps[1], index=number, norm=float(number)) for number in range(1, 301)]
    run = replace(run, steps=tuple(many))
    for selected, first, last in ((299, 221, 300), (250, 221, 300), (0, 1, 80), (79, 1, 80), (85, 81, 160)):
        drawn = lines.draw(Sight(run, number=selected, width=40, height=40)).plain
        assert f"({first}.00 to {last}.00)" in drawn, selected
        assert f"{selected + 1}.00  ({first}.00" in drawn
