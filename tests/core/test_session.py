"""Session: stepping, going back, branching and editing never lead to other numbers than a fresh run."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Noise, Replace, Scale, Zero
from coconut_core.runs.halting import EntropyRule
from coconut_core.runs.machine import Mode, Move
from coconut_core.runs.session import Session
from tests.core.ending_models import RULES, ending_model
from tests.core.layouts import LAYOUTS, in_layout
from tests.core.precision import EXACT
from tests.core.reference import states_of
from tests.core.session_operations import (
    assert_equals_full_recompute,
    assert_operations_are_exact,
    assert_same_run,
    operations,
    replay,
)
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, talkative_model, tiny_model

MODELS = {architecture: tiny_model(architecture, dtype=torch.float64) for architecture in ARCHITECTURES}
ENDING_MODELS = {
    (architecture, ending): ending_model(architecture, ending, window=2 + (architecture == "llama"))
    for architecture in ARCHITECTURES
    for ending in RULES
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=40)
@given(chosen=operations, temperature=st.sampled_from([0.0, 1.0]))
def test_any_sequence_of_operations_equals_a_fresh_run(
    architecture: str, chosen: Sequence[tuple[str, int]], temperature: float
) -> None:
    session = Session(MODELS[architecture], QUESTIONS[0], thoughts=3, temperature=temperature, seed=5)
    assert_operations_are_exact(session, chosen)


@pytest.mark.parametrize("ending", RULES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=15)
@given(chosen=operations, question=st.sampled_from(QUESTIONS))
def test_any_sequence_of_operations_equals_a_fresh_run_under_a_rule(
    architecture: str, ending: str, chosen: Sequence[tuple[str, int]], question: str
) -> None:
    session = Session(ENDING_MODELS[architecture, ending], question)
    assert session.ending.rule is not None
    assert_operations_are_exact(session, chosen)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@settings(max_examples=25)
@given(chosen=operations, thoughts=st.sampled_from([0, 2]))
def test_any_sequence_of_operations_equals_a_fresh_run_in_any_layout(
    architecture: str, layout: str, chosen: Sequence[tuple[str, int]], thoughts: int
) -> None:
    model = in_layout(MODELS[architecture], layout)
    assert_operations_are_exact(Session(model, QUESTIONS[0], thoughts=thoughts), chosen)


def test_a_whole_run_equals_a_full_recompute(model: CoconutModel) -> None:
    session = Session(model, QUESTIONS[1], thoughts=4, max_new_tokens=6)
    session.finish()
    assert [step.kind for step in session.steps[:5]] == ["thought"] * 4 + ["marker"]
    assert [step.index for step in session.steps[:4]] == [1, 2, 3, 4]
    assert_equals_full_recompute(session)


@pytest.mark.parametrize("position", [0, 1, 2, 3, 4, 6])
def test_rewind_and_go_on_says_the_same_words_when_sampling(model: CoconutModel, position: int) -> None:
    session = Session(model, QUESTIONS[0], thoughts=2, temperature=1.5, seed=3, max_new_tokens=8)
    session.finish()
    before = [step.token_id for step in session.steps]
    states = [step.state.clone() for step in session.steps]
    session.rewind(min(position, len(before)))
    session.finish()
    assert [step.token_id for step in session.steps] == before
    for step, state in zip(session.steps, states, strict=True):
        torch.testing.assert_close(step.state, state, **EXACT)


def test_a_fork_draws_the_same_words_as_its_parent(llama: CoconutModel) -> None:
    parent = Session(llama, QUESTIONS[0], thoughts=2, temperature=1.5, seed=9, max_new_tokens=8)
    for _ in range(4):
        parent.step()
    fork = parent.fork()
    fork.finish()
    assert len(parent.steps) == 4
    parent.finish()
    assert [step.token_id for step in fork.steps] == [step.token_id for step in parent.steps]


def test_seeds_decide_sampled_words(llama: CoconutModel) -> None:
    def words(seed: int) -> list[int | None]:
        session = Session(llama, QUESTIONS[0], thoughts=1, temperature=2.0, seed=seed, max_new_tokens=8)
        session.finish()
        return [step.token_id for step in session.steps]

    assert words(1) == words(1)
    assert len({tuple(words(seed)) for seed in range(5)}) > 1


def test_the_latent_placeholder_is_never_said() -> None:
    latent = tiny_model("llama").config.latent_id
    model = talkative_model("llama", latent, factor=1000.0)
    for temperature in (0.0, 1.0):
        session = Session(model, QUESTIONS[0], thoughts=1, temperature=temperature, max_new_tokens=12)
        session.finish()
        assert latent not in [step.token_id for step in session.steps]


def test_edits_stay_until_they_are_taken_back(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[0], thoughts=3)
    for _ in range(3):
        session.step()
    plain = [step.state.clone() for step in session.steps]
    session.edit(2, Zero())
    assert [step.edit for step in session.steps] == [None, Zero(), None]
    assert float(session.steps[1].hidden.norm()) == 0
    assert torch.equal(session.steps[1].state, plain[1])
    assert not torch.allclose(session.steps[2].state, plain[2], atol=1e-2)
    session.rewind(0)
    session.step()
    session.step()
    assert session.steps[1].edit == Zero()
    session.edit(2, None)
    session.step()
    for step, state in zip(session.steps, plain, strict=True):
        torch.testing.assert_close(step.state, state, **EXACT)


def test_clear_edits_forgets_those_not_yet_taken(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[0], thoughts=3)
    session.think(Zero())
    session.think(Zero())
    session.rewind(1)
    session.clear_edits()
    session.think()
    assert [step.edit for step in session.steps] == [Zero(), None]


def test_an_edit_takes_back_the_words_after_it(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[0], thoughts=3, max_new_tokens=4)
    session.finish()
    session.edit(1, Noise(4))
    assert [step.kind for step in session.steps] == ["thought"] * 3
    assert session.text == ""


def test_a_refused_edit_changes_nothing(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[0], thoughts=3, max_new_tokens=4)
    session.finish()
    before = [step.token_id for step in session.steps]
    for _ in range(2):
        with pytest.raises(CoconutError, match="shape"):
            session.edit(2, Replace(torch.zeros(31)))
        assert [step.token_id for step in session.steps] == before
    session.rewind(1)
    with pytest.raises(CoconutError, match="shape"):
        session.think(Replace(torch.zeros(31)))
    session.finish()
    assert [step.token_id for step in session.steps] == before
    assert_same_run(session, replay(session))


def test_bot_said_by_the_model_begins_a_new_segment(model: CoconutModel) -> None:
    session = Session(model, QUESTIONS[0], thoughts=2, max_new_tokens=9)
    for _ in range(3):
        session.step()
    session.speak(20)
    session.speak(model.config.bot_id)
    assert session.next_move is Move.THINK
    session.step()
    session.think(Scale(0.5))
    ended = session.step()
    assert ended is not None
    assert ended.token_id == model.config.eot_id
    session.speak(21)
    session.speak(model.config.bot_id)
    session.end_thinking()  # a segment without any thought
    assert session.mode is Mode.SPEAKING
    kinds = [(step.kind, step.index, step.segment) for step in session.steps]
    assert kinds == [
        ("thought", 1, 0), ("thought", 2, 0), ("marker", 0, 0), ("token", 1, 0), ("token", 2, 0),
        ("thought", 1, 1), ("thought", 2, 1), ("marker", 0, 1), ("token", 3, 1), ("token", 4, 1),
        ("marker", 0, 2),
    ]  # fmt: skip
    assert_same_run(session, replay(session))
    assert_equals_full_recompute(session)
    session.edit(1, Zero(), segment=1)
    assert [step.edit for step in session.steps] == [None] * 5 + [Zero(), Scale(0.5)]
    assert_same_run(session, replay(session))


def test_a_stop_rule_ends_thinking_early(model: CoconutModel) -> None:
    free = Session(model, QUESTIONS[0], thoughts=6)
    for _ in range(6):
        free.think()
    entropies = [step.readout.entropy for step in free.steps]
    place = min(range(1, 6), key=entropies.__getitem__)  # ends before the first state under the threshold
    threshold = entropies[place] + 1e-4
    expected = next(number for number, value in enumerate(entropies) if value < threshold)
    session = Session(model, QUESTIONS[0], thoughts=6, stop=EntropyRule(threshold), max_new_tokens=3)
    session.finish()
    assert [step.kind for step in session.steps][: expected + 1] == ["thought"] * expected + ["marker"]
    never = Session(model, QUESTIONS[0], thoughts=6, stop=EntropyRule(0.0), max_new_tokens=3)
    never.finish()
    assert len(never.thought_steps()) == 6


def test_no_thoughts_at_all(model: CoconutModel) -> None:
    session = Session(model, QUESTIONS[1], thoughts=0, max_new_tokens=3)
    assert session.next_move is Move.END_THINKING
    session.finish()
    assert session.thought_steps() == []
    assert_equals_full_recompute(session)


def test_more_thoughts_than_planned(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[1], thoughts=1)
    session.step()
    session.think()
    assert session.next_move is Move.END_THINKING
    assert [step.index for step in session.steps] == [1, 2]


def test_end_of_text_ends_the_run(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[1], thoughts=0)
    session.end_thinking()
    session.speak(20)
    session.speak(next(iter(llama.eos_ids)))
    assert session.finished
    assert session.step() is None
    with pytest.raises(CoconutError, match="finished"):
        session.speak()
    session.rewind(2)
    assert session.mode is Mode.SPEAKING


def test_the_context_limit_ends_the_run() -> None:
    model = tiny_model("llama", max_positions=32, dtype=torch.float64)
    session = Session(model, QUESTIONS[1], thoughts=3, max_new_tokens=100)
    for _ in range(4):
        session.step()
    while session.next_move is not Move.NOTHING:
        session.speak(20)
    assert len(session.prompt_ids) + len(session.steps) == 32
    assert (session.over, session.stopped_by) == (True, "context")
    count = len(session.steps)
    with pytest.raises(CoconutError, match="full"):
        session.speak(20)
    session.rewind(count - 1)
    session.speak(20)
    assert_same_run(session, replay(session))


def test_moves_that_the_mode_forbids_are_refused(llama: CoconutModel) -> None:
    session = Session(llama, QUESTIONS[0], thoughts=1)
    with pytest.raises(CoconutError, match="thinking"):
        session.speak()
    session.step()
    session.step()
    with pytest.raises(CoconutError, match="not thinking"):
        session.think()
    with pytest.raises(CoconutError, match="not thinking"):
        session.end_thinking()
    for position in (-1, 3):
        with pytest.raises(CoconutError, match="rewind"):
            session.rewind(position)
    with pytest.raises(CoconutError, match="thought 2 has not been taken"):
        session.edit(2, Zero())
    with pytest.raises(CoconutError, match="vocabulary"):
        session.speak(80)
    assert len(session.steps) == 2
    assert_same_run(session, replay(session))


@pytest.mark.parametrize("options", [{"thoughts": -1}, {"temperature": -0.5}, {"temperature": float("nan")}])
def test_impossible_settings_are_refused(llama: CoconutModel, options: dict[str, Any]) -> None:
    with pytest.raises(CoconutError) as caught:
        Session(llama, QUESTIONS[0], **options)
    assert "\n" not in str(caught.value)


def test_mixture_feedback_steps_and_rewinds() -> None:
    session = Session(tiny_model("qwen2", feedback="mixture", dtype=torch.float64), QUESTIONS[0], thoughts=3)
    for _ in range(4):
        session.step()
    session.speak(20)
    session.rewind(1)
    session.step()
    assert_same_run(session, replay(session))
    plain = Session(MODELS["qwen2"], QUESTIONS[0], thoughts=3)
    plain.step()
    plain.step()
    assert not torch.allclose(plain.next_readout.hidden, session.next_readout.hidden, atol=1e-2)


def test_a_pause_token_steps_rewinds_and_forks_but_cannot_be_edited() -> None:
    model = tiny_model("llama", feedback="pause", dtype=torch.float64)
    session = Session(model, QUESTIONS[0], thoughts=3, max_new_tokens=5)
    session.finish()
    pause = model.base_lm.get_input_embeddings().weight[model.config.latent_id]
    table = model.base_lm.get_input_embeddings().weight
    fed = [table[token] for token in session.prompt_ids]
    fed += [pause if step.token_id is None else table[step.token_id] for step in session.steps]
    with torch.inference_mode():
        states = states_of(model, fed)[len(session.prompt_ids) - 1 :]
    for step, state in zip(session.steps, states, strict=False):
        torch.testing.assert_close(step.state, state, **EXACT)
    said = session.text
    session.rewind(1)
    fork = session.fork()
    assert fork.finish() == session.finish() == said
    assert_same_run(session, replay(session))
    for refused in (lambda: session.edit(2, Zero()), lambda: Session(model, QUESTIONS[0]).think(Zero())):
        with pytest.raises(CoconutError, match=r"fed the same at each thought \(feedback 'pause'\)"):
            refused()
    assert session.text == said
