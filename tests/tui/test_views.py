"""The inspect pane's views: what they draw of plain data, and that the engine's numbers are the core's own."""

import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from textual.pilot import Pilot

from coconut_core.analysis.insight import look_inside
from coconut_core.analysis.lens import Lens, Translators
from coconut_core.analysis.pca import Pca
from coconut_core.analysis.tuned_lens import Calibration, TunedLens, save_tuned_lens
from coconut_core.model import CoconutModel
from coconut_core.readout import Readout, TokenProbability
from coconut_core.trace import UNREADABLE, TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.branches import Branch, Decisions, Said, Tree
from coconut_tui.engine.looks import Looker, as_asked, in_two_dimensions
from coconut_tui.engine.workbench import Workbench
from coconut_tui.looks import (
    REMEMBERED,
    Answers,
    Ask,
    Attention,
    Courses,
    Dials,
    Found,
    Heated,
    LensColumn,
    LensGrid,
    Neighbours,
    Point,
    Trajectory,
)
from coconut_tui.state import ModelFacts, RunView
from coconut_tui.widgets.inspect import InspectPane
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.views import VIEWS, attention, graph, lens, lines, nearest, numbers, top, trajectory
from coconut_tui.widgets.views.numbers import NumbersTable
from coconut_tui.widgets.views.sight import Sight
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.benches import PROBLEM as ASKED
from tests.tui.benches import brief_model, go_on, opened
from tests.tui.conftest import PROBLEM, WIDE, explorer, notes, press, ready, settled, typed, until


def run_of(trace: Trace, moves: str = "tttmwwwwww") -> RunView:
    """The trace's run, as it stood after some steps."""
    tree = Tree(PROBLEM.question, PROBLEM, 1, (Branch(1, "main", Decisions(None, (), moves)),))
    return RunView(tree, trace.steps[: len(moves)], 3, "thinking", Said("", "", None))


def sight_of(trace: Trace, found: Found | None, number: int | None = 1, **more: object) -> Sight:
    """A sight to which the model always answers the same."""
    facts = ModelFacts("by hand", True, None, "###", 0, layers=2, heads=2)
    return Sight(run_of(trace), facts, number, answer=lambda ask: found, **more)  # type: ignore[arg-type]


def records(**shares: float) -> tuple[TokenRecord, ...]:
    return tuple(TokenRecord(token, share) for token, share in shares.items())


GRID = LensGrid(
    tuple(
        LensColumn(step, name, (records(early=0.2, other=0.1), records(**{token: share, "next": 0.05})))
        for step, name, token, share in (
            (0, "1", "Alex", 0.97),
            (1, "2", "lempus", 0.52),
            (2, "3", "gorpus", 0.88),
            (3, "⟨eot⟩", "###", 0.9),
        )
    )
)


# -- drawing -----------------------------------------------------------------------------------------------


def test_the_lens_shows_each_cells_likeliest_token_with_its_number_and_the_cell_under_the_cursor(
    trace: Trace,
) -> None:
    drawn = lens.draw(sight_of(trace, GRID, width=60)).plain
    assert "▾2" in drawn
    for column in GRID.columns:
        assert column.layers[1][0].token in drawn
    rows = drawn.split("\n")
    assert rows[2].startswith(" 2 Alex")
    assert ".97" in rows[2]
    assert rows[3].count("early") == 4
    assert "layer 2 of 2, thought 2" in drawn
    assert drawn.count("next") == 1, "only the cell under the cursor is told in full"
    below = lens.draw(sight_of(trace, GRID, width=60, dials=Dials(lens_layer=1))).plain
    assert "layer 1 of 2, thought 2" in below
    assert "other" in below


def test_the_lens_fits_a_narrow_pane_and_says_what_is_left_out(trace: Trace) -> None:
    drawn = lens.draw(sight_of(trace, GRID, 3, width=24)).plain
    grid = drawn.partition("\nlayer")[0]
    assert max(map(len, grid.split("\n")[1:-1])) <= 24
    assert "1 more column:" in drawn
    assert "▾⟨eo…" in drawn


def test_the_tuned_lens_is_never_shown_without_its_calibration(trace: Trace) -> None:
    tuned = replace(GRID, calibration=((1.1, 0.3),))
    drawn = lens.draw(sight_of(trace, tuned, width=60, dials=Dials(lens_layer=1))).plain
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
    assert ".38 in all behind the prompt" in drawn
    one = attention.draw(sight_of(trace, found, dials=Dials(layer=1, head=2))).plain
    assert "layer 1 of 2, head 2 of 2" in one
    assert "¹ ?            " in one


def test_lines_have_a_sign_each_and_ask_only_for_what_is_not_recorded(trace: Trace) -> None:
    plain = sight_of(trace, None, width=40)
    assert lines.pinned(plain) == ("gorpus", "bompus")
    assert lines.ask(plain) is None
    drawn = lines.draw(plain).plain
    assert "o gorpus ✓   x bompus ✗" in drawn
    assert "entropy 1.25  (1.25 to 1.25)" in drawn
    pinned = replace(plain, dials=Dials(pins=("⏎", "rompus")), answer=lambda ask: None)
    wanted = lines.ask(pinned)
    assert wanted is not None
    assert (wanted.tokens, wanted.decisions.moves) == (("⏎",), "tttm"), "words change nothing in the lines"
    assert "reading the model" in lines.draw(pinned).plain
    known = replace(pinned, answer=lambda ask: Courses({"⏎": (0.1, 0.2, 0.3, 0.4)}))
    assert "+ ⏎" in lines.draw(known).plain
    strange = replace(pinned, answer=lambda ask: Courses({}, ("⏎",)))
    assert "no single token of this model: ⏎" in lines.draw(strange).plain


def test_a_sparkline_goes_from_the_least_to_the_largest(trace: Trace) -> None:
    steps = tuple(
        replace(step, entropy=value) for step, value in zip(trace.steps, (0.0, 2.0, 1.0), strict=False)
    )
    run = replace(run_of(trace, "ttt"), steps=steps[:3])
    drawn = lines.draw(replace(sight_of(trace, None, width=9), run=run)).plain
    assert "entropy 2.00  (0.00 to 2.00)\n▁▁▁███▅▅▅" in drawn


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
    assert wide.split() == ["3", "gorpus", ".88", "bompus", ".06", "1.25", "16.0", "0.30", ".88", "✎", "zero"]


def test_the_graph_tells_each_thoughts_mass_on_its_own_frontier(trace: Trace) -> None:
    assert " 1 .97 ▸2 .93  3 .88" in graph.draw(sight_of(trace, None)).plain


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
    sight = replace(sight_of(trace, None, dials=Dials(temperature=2.0, pins=("no name",))), facts=facts)
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


# -- the engine's numbers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return brief_model()


def bench_with(model: CoconutModel, steps: int = 7) -> Workbench:
    """A run with an edited thought that has begun to speak."""
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 2, go_on)
    bench.edit("scale 2@2", 0, go_on)
    bench.take(lambda run: len(run.moves) == steps, go_on)
    return bench


def asked(bench: Workbench, kind: str, steps: int, **more: object) -> Ask:
    return Ask(kind, bench.tree.question, as_asked(bench.decisions, steps), **more)  # type: ignore[arg-type]


def same(found: tuple[TokenRecord, ...], wanted: Sequence[TokenProbability]) -> None:
    assert [item.token for item in found] == [item.token for item in wanted]
    assert [item.probability for item in found] == pytest.approx(
        [item.probability for item in wanted], abs=1e-5
    )


def test_lens_columns_are_those_of_look_inside(model: CoconutModel) -> None:
    bench = bench_with(model)
    looker, before = Looker(bench), bench.view()
    inside = look_inside(bench.run.session)
    for _ in ("computed", "remembered"):
        found = looker.find(asked(bench, "lens", 5), go_on)
        assert isinstance(found, LensGrid)
        assert [column.name for column in found.columns] == ["1", "2", "3", "4", "⟨eot⟩"]
        for column in found.columns:
            for layer, readout in zip(column.layers, inside.places[column.step].lens, strict=True):
                same(layer, readout.top(10))
    part = looker.find(asked(bench, "lens", 4, first=2), go_on)
    assert isinstance(part, LensGrid)
    assert part.columns == found.columns[2:4]
    assert bench.view() == before


def test_the_tuned_lens_is_used_where_the_checkpoint_has_one(checkpoint: Path, tmp_path: Path) -> None:
    CoconutModel.from_pretrained(checkpoint, device="cpu").save_pretrained(tmp_path)
    model = CoconutModel.from_pretrained(tmp_path, device="cpu")
    torch.manual_seed(0)
    layers, hidden = model.base_lm.config.num_hidden_layers, model.base_lm.config.hidden_size
    translators = Translators(layers, hidden).requires_grad_(False)
    translators.weight.normal_()
    distances = tuple(float(number) for number in range(1, layers))
    save_tuned_lens(TunedLens(translators, Calibration(distances, distances, 9, 9, 4)), tmp_path)
    bench = bench_with(model)
    found = Looker(bench).find(asked(bench, "lens", 4), go_on)
    assert isinstance(found, LensGrid)
    assert found.calibration == tuple(zip(distances, distances, strict=True))
    inside = look_inside(bench.run.session, lens=Lens(model, translators))
    for column in found.columns:
        for layer, readout in zip(column.layers, inside.places[column.step].lens, strict=True):
            same(layer, readout.top(10))


def test_attention_is_that_of_look_inside_and_adds_up_to_one(model: CoconutModel) -> None:
    bench = bench_with(model)
    looker, inside = Looker(bench), look_inside(bench.run.session, attention=True)
    for place in (0, 1, 3, 4, 6):
        found = looker.find(asked(bench, "attention", place + 1), go_on)
        assert isinstance(found, Attention)
        wanted = inside.attention_to_words(place)
        assert found.entries[: found.words] == tuple(word.text for word in inside.words)
        assert len(found.entries) == found.words + place
        for layer in range(found.layers):
            for head in range(found.heads):
                row = found.row(layer + 1, head + 1)
                assert sum(row) == pytest.approx(1, abs=1e-5)
                assert row[: found.words] == pytest.approx(wanted[layer, head].tolist(), abs=1e-5)
        assert found.row(None, 1)[: found.words] == pytest.approx(wanted[:, 0].mean(0).tolist(), abs=1e-5)
        assert found.row(1, None)[: found.words] == pytest.approx(wanted[0].mean(0).tolist(), abs=1e-5)
        assert sum(found.row(None, None)) == pytest.approx(1, abs=1e-5)
        assert found.gives == inside.places[place].gives.replace("<eot>", "⟨eot⟩")


def test_attention_shows_the_template_apart_and_the_words_as_they_are_spaced(
    trace: Trace, tmp_path: Path
) -> None:
    folder = ordinary_folder(tmp_path, "qwen2", template=CHATML, max_position_embeddings=2048)
    bench = bench_with(CoconutModel.from_pretrained(folder, device="cpu", feedback="mixture"))
    found = Looker(bench).find(asked(bench, "attention", 2), go_on)
    assert isinstance(found, Attention)
    assert sum(found.row(1, 1)) == pytest.approx(1, abs=1e-5)
    unranked = replace(found, weights=array("f", [0.0] * len(found.weights)))
    drawn = attention.draw(sight_of(trace, unranked))
    turns = f"<|im_start|>user⏎{ASKED.question}<|im_end|>⏎<|im_start|>assistant⏎"
    assert turns in drawn.plain
    italic = "".join(drawn.plain[span.start : span.end] for span in drawn.spans if span.style == "italic")
    assert italic.endswith("<|im_start|>user⏎<|im_end|>⏎<|im_start|>assistant⏎")


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_temperature_is_of_the_whole_distribution(model: CoconutModel, temperature: float) -> None:
    bench = bench_with(model)
    found = Looker(bench).find(asked(bench, "top", 2, temperature=temperature), go_on)
    assert isinstance(found, Heated)
    readout = Readout(model, bench.run.session.steps[1].hidden)
    shares = readout.probabilities.double() ** (1 / temperature)
    shares /= shares.sum()
    best = shares.topk(len(found.top))
    assert [item.probability for item in found.top] == pytest.approx(best.values.tolist(), rel=1e-4)
    assert found.entropy == pytest.approx(float(-(shares * shares.log()).sum()), rel=1e-4)
    assert found.top[0].token == model.token_text(int(best.indices[0]))


def test_lines_are_the_readouts_probabilities_and_grow_with_the_run(model: CoconutModel) -> None:
    bench = bench_with(model, 3)
    looker = Looker(bench)
    tokens = ("Alex", "no such token")

    def check() -> None:
        steps = [step for step in bench.run.session.steps if step.kind != "token"]
        found = looker.find(asked(bench, "lines", len(steps), tokens=tokens), go_on)
        assert isinstance(found, Courses)
        assert found.unknown == ("no such token",)
        wanted = [Readout(model, step.hidden).probability("Alex") for step in steps]
        assert found.probabilities["Alex"] == pytest.approx(wanted, abs=1e-6)

    check()
    bench.take(lambda run: len(run.moves) == 7, go_on)
    check()
    bench.edit("zero@3", 0, go_on)
    check()


def test_the_nearest_embeddings_are_the_readouts(model: CoconutModel) -> None:
    bench = bench_with(model)
    found = Looker(bench).find(asked(bench, "nearest", 2), go_on)
    assert isinstance(found, Neighbours)
    same(found.top, Readout(model, bench.run.session.steps[1].hidden).nearest(len(found.top)))


def test_the_trajectory_is_that_of_the_principal_components_of_all_branches_thoughts(
    model: CoconutModel,
) -> None:
    bench = bench_with(model)
    bench.move(1)
    bench.take(lambda run: len(run.moves) == 4, go_on)
    bench.live.drop(2)  # its numbers are computed again, and it stays where it was
    branches = tuple((b.number, as_asked(b.decisions, 4)) for b in bench.tree.branches)
    found = Looker(bench).find(Ask("trajectory", bench.tree.question, branches=branches), go_on)
    assert isinstance(found, Trajectory)
    assert bench.live.numbers == {1}
    first, second = bench.run_of(1).session.steps[:4], bench.run_of(2).session.steps[:4]
    states = torch.stack([step.hidden for step in (*first, *second[1:])]).float()
    assert found.ways == {1: (0, 1, 2, 3), 2: (0, 4, 5, 6)}
    assert [(point.branch, point.name) for point in found.points[3:5]] == [(1, "4"), (2, "2")]
    pca = Pca.fit(states, components=2)
    assert found.explained == pytest.approx(tuple(pca.explained.tolist()), abs=1e-4)
    wanted = pca.project(states)
    for axis, mine in enumerate(([p.x for p in found.points], [p.y for p in found.points])):
        sign = 1 if wanted[0, axis] < 0 else -1
        assert mine == pytest.approx((sign * wanted[:, axis]).tolist(), abs=1e-3)
    assert found.points[0].x < 0


def test_many_points_and_few_give_the_same_plane() -> None:
    torch.manual_seed(0)
    few = torch.randn(5, 12)
    coordinates, explained = in_two_dimensions(few)
    pca = Pca.fit(few, components=2)
    assert explained == pytest.approx(tuple(pca.explained.tolist()), abs=1e-5)
    assert coordinates.abs().tolist() == [
        pytest.approx(row, abs=1e-4) for row in pca.project(few).abs().tolist()
    ]
    assert in_two_dimensions(torch.randn(20, 12))[0].shape == (20, 2)


def test_a_run_that_has_changed_and_a_stopped_question_get_no_answer(model: CoconutModel) -> None:
    bench = bench_with(model)
    looker = Looker(bench)
    kinds = ("top", "lens", "attention", "lines", "nearest")
    wanted = [asked(bench, kind, 5, tokens=("Alex",)) for kind in kinds]
    assert looker.find(wanted[1], lambda: True) is None
    assert looker.find(wanted[2], lambda: True) is None
    bench.rewind(3)
    assert [looker.find(each, go_on) for each in wanted] == [None] * len(kinds)
    bench.ask("Bob is a sterpus.", None, None, None)
    assert looker.find(Ask("trajectory", ASKED.question, branches=((1, Decisions()),)), go_on) is None


# -- in the app --------------------------------------------------------------------------------------------


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
        assert "Take a step" in await view_of(pilot, "4", "lens")
        await press(pilot, "t")
        await until(pilot, told("lens"))
        assert "layer 2 of 2, ⟨eot⟩" in front(app)
        session = CoconutModel.from_pretrained(checkpoint, device="cpu").start(app.view.question)
        for _ in app.view.steps:
            session.step()
        inside = look_inside(session, attention=True)
        found = lens.cell(app.query_one(InspectPane).sight)
        assert found is not None
        same(found[2], inside.places[4].lens[1].top(10))
        await pilot.press("less_than_sign", "less_than_sign")
        assert "layer 1 of 2" in front(app)
        asked_before = app._answers._kept.copy()
        await pilot.press("comma", "comma")
        await until(pilot, told("lens"))
        assert "layer 1 of 2, thought 3" in front(app)
        found = lens.cell(app.query_one(InspectPane).sight)
        assert found is not None
        same(found[2], inside.places[2].lens[0].top(10))
        assert app._answers._kept == asked_before, "another cell of what is known asks nothing"
        await pilot.press("greater_than_sign")
        assert "layer 2 of 2" in front(app)
        await pilot.click("#view-lens", offset=(5, 4))
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


def weights_in(app: Explorer) -> Attention:
    sight = app.query_one(InspectPane).sight
    wanted = attention.ask(sight)
    found = None if wanted is None else sight.answer(wanted)
    assert isinstance(found, Attention)
    return found


@pytest.mark.drives("lines", "pin", "nearest", "trajectory", "numbers")
async def test_pins_neighbours_trajectory_and_numbers(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "t")
        graph_of_it = app.view.graph
        assert graph_of_it is not None
        assert f"o {graph_of_it.names[graph_of_it.target]} ✓" in await view_of(pilot, "6", "lines")
        likeliest = app.view.steps[4].top[0].token.strip()
        await pilot.press("x")
        await until(pilot, told("lines"))
        assert app.dials.pins == (likeliest,)
        await pilot.press("x")
        assert not app.dials.pins
        await typed(pilot, "pin every")
        await typed(pilot, "pin or")
        await until(pilot, told("lines"))
        assert "no single token of this model: every" in front(app)
        assert "+ or" in front(app)
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
        assert len(table.texts()) == 1 + len(app.view.steps)
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
        assert "any key stops" in str(app.query_one(InspectPane).border_subtitle)
        taken = len(app.view.steps)
        await press(pilot, "space")
        assert not app.playing
        assert len(app.view.steps) == taken, "the key stops, and does nothing else"
        await press(pilot, "A")
        await until(pilot, lambda app: not app.playing)
        assert app.selected == 3
        assert app.query_one(InspectPane).border_subtitle == ""


@pytest.mark.drives("zoom")
async def test_a_pane_takes_the_whole_screen_and_gives_it_back(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "5")
        app.focus_pane("inspect")
        await press(pilot, "O")
        pane = app.query_one(InspectPane)
        assert pane.size.width > 130
        assert pane.sight.width > 120
        assert not app.query_one("#thoughts").display
        await press(pilot, "h")
        assert app.query_one("#thoughts").size.width > 130, "what has the focus is shown"
        await press(pilot, "O")
        assert all(app.query_one(f"#{name}").display for name in ("prompt", "branches", "thoughts", "inspect"))


async def test_nothing_is_asked_for_a_view_that_is_not_seen(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        await press(pilot, "4", "v")
        assert not app.query_one(InspectPane).display
        await press(pilot, "s", "s")
        await pilot.pause(0.3)
        assert not app._answers._kept
        await view_of(pilot, "4", "lens")
        assert len(app._answers._kept) == 1


async def test_a_view_that_was_stopped_says_so_and_begins_again(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        stopped = threading.Event()

        def wait(trace: Trace) -> None:
            stopped.wait(240)

        app.engine.use_trace("waiting", wait)
        await pilot.press("7")
        await until(pilot, lambda app: app._asked is not None)
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
                app.query_one(InspectPane).view_tab(view.name)
                await settled(pilot)
                if view.draw is None:
                    drawn = "\n".join(map(str, app.query_one(NumbersTable).texts()))
                else:
                    drawn = app.query_one(f"#view-{view.name}", TextView).text.plain
                assert "nan" not in drawn, view.name
                assert (UNREADABLE in " ".join(drawn.split())) == (
                    (view.reads_one and number == 1) or view.name == "numbers"
                ), view.name
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
        for keys in (("l",), ("3",), ("9",), ("h", "l", "2")):  # the last as fast as somebody types
            await pilot.press(*keys)
            await pilot.pause()
            assert (app.focused_pane, app.focused) == ("inspect", app.query_one(InspectPane).body), keys
        assert app.shown_view == "graph"
