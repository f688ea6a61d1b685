"""The numbers that views ask of the engine are the core's own."""

from array import array
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coconut_core.analysis.insight import look_inside
from coconut_core.analysis.lens import Lens, Translators
from coconut_core.analysis.pca import Pca
from coconut_core.analysis.tuned_lens import Calibration, TunedLens, save_tuned_lens
from coconut_core.coconut import CoconutModel
from coconut_core.latent.readout import Readout
from coconut_core.records.trace import Trace
from coconut_tui.engine.lookups import Looker, as_asked, in_two_dimensions
from coconut_tui.engine.workbench import Workbench
from coconut_tui.run.branches import Decisions
from coconut_tui.run.lookups import (
    Ask,
    Attention,
    Courses,
    Heated,
    LensColumn,
    LensGrid,
    Neighbours,
    Trajectory,
)
from coconut_tui.views import attention
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.benches import PROBLEM as ASKED
from tests.tui.benches import brief_model, go_on, opened
from tests.tui.sights import same, sight_of


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


def steps_of(grid: LensGrid) -> list[LensColumn]:
    """The columns of steps; in front of them stand the prompt's last places."""
    return [column for column in grid.columns if column.step >= 0]


def test_lens_columns_are_those_of_look_inside(model: CoconutModel) -> None:
    bench = bench_with(model)
    looker, before = Looker(bench), bench.view()
    inside = look_inside(bench.run.session)
    for _ in ("computed", "remembered"):
        found = looker.find(asked(bench, "lens", 5), go_on)
        assert isinstance(found, LensGrid)
        assert [column.name for column in steps_of(found)] == ["1", "2", "3", "4", "⟨eot⟩"]
        for column in steps_of(found):
            for layer, readout in zip(column.layers[1:], inside.places[column.step].lens, strict=True):
                same(layer, readout.top(10))
    part = looker.find(asked(bench, "lens", 4, first=2), go_on)
    assert isinstance(found, LensGrid)
    assert isinstance(part, LensGrid)
    assert steps_of(part) == steps_of(found)[2:4]
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
    for column in steps_of(found):
        for layer, readout in zip(column.layers[1:], inside.places[column.step].lens, strict=True):
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
