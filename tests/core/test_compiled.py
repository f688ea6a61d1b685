"""The compiled step gives the numbers of the plain one up to rounding, whatever is done between two steps.

The graph is traced for real; but for one test what runs it is Python, as a compiler takes ten seconds for each.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.cache.growing_layer import BLOCK
from coconut_core.latent.layers import watching
from coconut_core.runs.edits import PatchLayer
from coconut_core.runs.generate import generate
from coconut_core.runs.rows import read_prompts
from coconut_core.runs.session import Session
from tests.core.precision import FLOAT32
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model

FULL = [*ARCHITECTURES, "gemma", "phi", "olmo", "olmo2"]


class Backend:
    """Runs a graph as it is, and counts: graphs made, and how often one ran."""

    def __init__(self) -> None:
        self.graphs = self.runs = 0

    def __call__(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        self.graphs += 1

        def run(*values: Any) -> Any:
            self.runs += 1
            return graph.forward(*values)

        return run


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()  # which makes only so many graphs of one function
    yield
    torch._dynamo.reset()


def compiled(name: str) -> tuple[CoconutModel, Backend]:
    model, backend = tiny_model(name, max_positions=400), Backend()
    model.compile_steps(backend)
    return model, backend


def plain(model: CoconutModel, do: Callable[[], Any]) -> Any:
    """What do() gives without the compiled step."""
    kept, model.compiled = model.compiled, None
    try:
        return do()
    finally:
        model.compiled = kept


def read(model: CoconutModel, count: int) -> Context:
    return read_prompts(model, [model.encode_prompt(question) for question in QUESTIONS[:count]])


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, **FLOAT32)


@pytest.mark.parametrize("name", FULL)
@torch.inference_mode()
def test_its_states_are_those_of_the_plain_step(name: str) -> None:
    model, backend = compiled(name)
    thoughts = torch.randn(2 * BLOCK, 3, model.shape.hidden_size, generator=torch.Generator().manual_seed(0))
    for count in (1, 3):  # rows of different lengths: padding in front
        ours, theirs = read(model, count), read(model, count)
        before = backend.runs
        for thought in thoughts[:, :count]:
            expected = plain(model, partial(model.latent_step, theirs, thought))
            assert_close(model.latent_step(ours, thought), expected)
        assert backend.runs == before + len(thoughts)
    assert backend.graphs <= 2, "one for a row and one for several, whatever the room"


@given(st.lists(st.sampled_from(["step", "back", "fork", "turn", "pick", "word"]), min_size=4, max_size=14))
@settings(max_examples=15, deadline=None)
def test_going_back_forking_and_picking_rows_in_any_order(actions: list[str]) -> None:
    model, _ = shared_model()
    with torch.inference_mode():
        ours, theirs = read(model, 2), read(model, 2)
        both = [(ours, theirs)]
        states = [[(ours.hidden, theirs.hidden)]]  # of each couple, in front of each position
        for action in ["step", *actions]:
            (one, other), known = both[0], states[0]
            if action in ("step", "word"):
                fed = known[0][0] if action == "step" else model.embed(torch.tensor([7, 9]))
                model.latent_step(one, fed)
                plain(model, partial(model.latent_step, other, fed))
                known.append((one.hidden, other.hidden))
            elif action == "back" and len(known) > 1:
                known.pop()
                one.take_back(1, known[-1][0])
                other.take_back(1, known[-1][1])
            elif action == "fork":
                both.append((one.copy(), other.copy()))
                states.append(list(known))
            elif action == "turn":
                both, states = [*both[1:], both[0]], [*states[1:], states[0]]
            elif action == "pick":
                for context in (one, other):
                    context.select(torch.tensor([1, 0]))
                states[0] = [(a.flip(0), b.flip(0)) for a, b in known]
            for couple in both:
                assert_close(couple[0].hidden, couple[1].hidden)


@cache
def shared_model() -> tuple[CoconutModel, Backend]:
    """One model for all cases of a property, so that its graphs are made once."""
    return compiled("llama")


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@torch.inference_mode()
def test_a_thought_that_is_no_number_leaves_nothing_behind_when_taken_back(name: str) -> None:
    model, _ = compiled(name)
    context, fresh = read(model, 1), read(model, 1)
    before = context.hidden
    model.latent_step(context)
    for _ in range(3):
        model.latent_step(context, torch.full_like(before, torch.nan))
    assert context.hidden.isnan().all(), "or nothing is tried"
    context.take_back(4, before)
    assert_close(model.latent_step(context), model.latent_step(fresh))


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_who_looks_inside_or_changes_something_there_is_heard(name: str) -> None:
    model, backend = compiled(name)
    patch = PatchLayer(0, torch.ones(model.shape.hidden_size))
    session, theirs = Session(model, QUESTIONS[0], 3), Session(model, QUESTIONS[0], 3)
    with watching(model) as watch:
        session.think()
    session.think(patch)
    assert len(watch.passes) == 1
    assert backend.runs == 0
    session.think()
    assert backend.runs == 1
    plain(model, lambda: (theirs.think(), theirs.think(patch), theirs.think()))
    assert_close(session.steps[2].state, theirs.steps[2].state)
    assert_close(session.end_thinking().state, plain(model, theirs.end_thinking).state)


@torch.inference_mode()
def test_hidden_positions_are_not_seen() -> None:
    model, backend = compiled("llama")
    ours, theirs = read(model, 1), read(model, 1)
    visible = torch.ones_like(ours.mask)
    visible[0, 2:5] = 0
    changed = model.latent_step(ours, visible=visible)
    assert_close(changed, plain(model, lambda: model.latent_step(theirs, visible=visible)))
    assert backend.runs == 1
    assert not torch.allclose(changed, model.latent_step(read(model, 1)))


def test_answers_of_a_batch_are_the_same_words() -> None:
    model, backend = compiled("llama")
    ours = generate(model, QUESTIONS, thoughts=4, max_new_tokens=8)
    assert backend.runs > 0
    theirs = plain(model, lambda: generate(model, QUESTIONS, thoughts=4, max_new_tokens=8))
    assert [answer.token_ids for answer in ours] == [answer.token_ids for answer in theirs]


def test_gradients_go_through_the_plain_step() -> None:
    model, backend = compiled("llama")
    context = model.start_context(torch.tensor([model.encode_prompt(QUESTIONS[0])]))
    model.latent_step(context).sum().backward()
    assert backend.runs == 0
    assert model.base_lm.get_input_embeddings().weight.grad is not None


@pytest.mark.parametrize("name", ["mistral", "gemma2", "mamba", "jamba"])
def test_a_model_with_other_layers_is_refused(name: str) -> None:
    with pytest.raises(CoconutError, match=f"'{name}' .* leave out --compile"):
        tiny_model(name).compile_steps()


def test_a_model_with_another_attention_is_refused() -> None:
    with pytest.raises(CoconutError, match="attention in a way of its own"):
        tiny_model("llama", attention="eager").compile_steps()


@torch.inference_mode()
def test_where_there_is_no_compiler_that_is_said_and_nothing_is_lost() -> None:
    def missing(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no g++")

    model = tiny_model("llama")
    model.compile_steps(missing)
    context, fresh = read(model, 1), read(model, 1)
    with pytest.raises(
        CoconutError, match=r"cannot be compiled here \(.*no g\+\+.*\): it needs a C\+\+ compiler"
    ):
        model.latent_step(context)
    assert torch.equal(
        plain(model, lambda: model.latent_step(context)), plain(model, lambda: model.latent_step(fresh))
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@torch.inference_mode()
def test_the_real_compiler() -> None:
    model = tiny_model("llama")
    model.compile_steps()
    ours, theirs = read(model, 1), read(model, 1)
    for _ in range(5):
        assert_close(model.latent_step(ours), plain(model, lambda: model.latent_step(theirs)))
    assert torch._dynamo.utils.counters["inductor"], "or the compiler was not asked"
