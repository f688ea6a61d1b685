"""The lens over the run's places: the prompt's last words, thoughts, words said, and what is fed."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from coconut_core.analysis.lens import Lens
from coconut_core.coconut import CoconutModel
from coconut_core.latent.layers import watching, watching_stream
from coconut_core.latent.readout import readouts
from coconut_core.runs.session import Session
from coconut_tui.app import Explorer
from coconut_tui.run.lookups import Attention, LensGrid
from coconut_tui.views import attention, lens
from coconut_tui.widgets.prompt import PromptPane
from coconut_tui.widgets.text import TextView
from tests.tui.conftest import WIDE, explorer, press, settled, typed, until
from tests.tui.sights import same

PROSQA = Path("models/prosqa")


def grid_of(app: Explorer) -> LensGrid:
    sight = app.sight
    request = lens.ask(sight)
    found = None if request is None else sight.answer(request)
    assert isinstance(found, LensGrid)
    return found


def known(app: Explorer) -> bool:
    """The lens is in front, and the model has said all that it asked."""
    text = app.query_one("#view-lens", TextView).text.plain
    return "reading the model" not in text and not app.engine.busy and not app.activity


def whole_stream(session: Session) -> Tensor:
    """(positions, layers + 1, hidden) of the prompt and of every step, from one pass each."""
    with torch.inference_mode(), watching_stream(session.model, 10_000) as passes:
        from coconut_core.runs.steps import read_again

        read_again(session.model, session.prompt_ids, session.steps)
    return torch.cat([read[0] for read in passes])


def test_the_stream_begins_with_what_is_fed_and_ends_with_the_last_layer() -> None:
    session = Session(CoconutModel.from_pretrained(PROSQA, device="cpu"), "Alex is a lempus. Is Alex a lempus?")
    session.finish()
    model, stream = session.model, whole_stream(session)
    length = len(session.prompt_ids)
    assert stream.shape == (
        length + len(session.steps),
        model.shape.num_hidden_layers + 1,
        model.shape.hidden_size,
    )
    with torch.inference_mode():
        embedded = model.embed(torch.tensor([session.prompt_ids]))[0]
    assert torch.equal(stream[:length, 0], embedded), "this model adds no positions to what it is fed"
    thoughts = [n for n, step in enumerate(session.steps) if step.kind == "thought"]
    for number in thoughts:
        torch.testing.assert_close(stream[length + number, 0], session.steps[number].hidden)
    with torch.inference_mode(), watching(model) as watch:
        model.start_context(torch.tensor([session.prompt_ids]))
    torch.testing.assert_close(stream[length - 1, 1:], watch.passes[0].layers[0])
    states = Lens(model).stream_states(stream[length - 1])
    torch.testing.assert_close(states[-1], session.steps[0].state)


@pytest.mark.drives("layers")
async def test_the_prompt_the_thoughts_and_the_words_are_columns() -> None:
    app = explorer(PROSQA, example=1)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        await until(pilot, lambda app: app.view is not None and app.view.over)
        await press(pilot, "4")
        await until(pilot, known)
        grid, view = grid_of(app), app.require_view()
        session = CoconutModel.from_pretrained(PROSQA, device="cpu").start(view.question)
        session.finish()
        assert [column.step for column in grid.columns] == [*range(-16, 0), *range(len(view.steps))]
        stream, length = whole_stream(session), len(session.prompt_ids)
        model, reader = session.model, Lens(session.model)
        for column in grid.columns:
            with torch.inference_mode():
                states = reader.stream_states(stream[length - 1 + column.step])
            for tokens, readout in zip(column.layers, readouts(model, states), strict=True):
                same(tokens, readout.top(10))
        reads = [column.reads for column in grid.columns]
        assert reads[15:18] == ["\\n", "⟨bot⟩", "1"]
        assert reads[:15] == [model.vocabulary.name(number) for number in session.prompt_ids[-17:-2]]
        assert grid.columns[-1].name == view.steps[-1].name
        told = app.query_one("#view-lens", TextView)
        assert f"layer 2 of 2, {view.steps[-1].name}" in told.text.plain
        app.action_look_at(-2, 1)
        assert "layer 1 of 2, the prompt's ?" in told.text.plain
        assert app.selected == len(view.steps) - 1
        await press(pilot, "comma")
        assert "the prompt's" not in told.text.plain
        await press(pilot, "underscore")
        assert app.dials.every_layer


@pytest.mark.smollm2
async def test_a_real_model_of_thirty_layers_is_painted_and_looked_into(smollm2_folder: Path) -> None:
    """No graph, a chat template, 49,152 tokens, heads that share a sink."""
    app = explorer(smollm2_folder, question="What is the capital of France?", thoughts=2)
    async with app.run_test(size=(200, 60)) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s")
        await press(pilot, "5")
        await until(pilot, lambda app: app.query_one(PromptPane).painted and not app.engine.busy)
        await settled(pilot)
        sight = app.sight
        request = attention.ask(sight)
        found = None if request is None else sight.answer(request)
        assert isinstance(found, Attention)
        assert (found.layers, found.heads) == (30, 9)
        for layer in (None, 1, 15, 30):
            assert sum(found.row(layer, 5 if layer else None)) == pytest.approx(1, abs=1e-4)
        question = app.require_view().question
        words = [question[slice(*span)] for span in found.spans if span is not None]
        assert words == ["What", "is", "the", "capital", "of", "France", "?"]
        assert found.row(None, None)[0] > 0.3, "the first token is a sink"
        drawn = app.query_one("#view-attention", TextView).text
        cells = {str(getattr(span.style, "meta", {}).get("@click")) for span in drawn.spans}
        assert len([cell for cell in cells if "look_with" in cell]) == 31 * 10, "all heads, and the means"
        behind = app.query_one(PromptPane).query_one("#behind", TextView).text.plain
        assert behind.startswith("template ")
        await typed(pilot, "lens")
        await until(pilot, known)
        grid = grid_of(app)
        assert {len(column.layers) for column in grid.columns} == {31}
        assert [column.step for column in grid.columns] == [*range(-16, 2)]
        told = app.query_one("#view-lens", TextView).text.plain
        assert "layer 30 of 30, thought 2" in told
