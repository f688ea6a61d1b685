"""Random operations on a session, whose numbers are those of a fresh run and of a full recompute."""

from collections.abc import Sequence

import torch
from hypothesis import strategies as st

from coconut_core.interventions import Intervention, Noise, Replace, Scale, Zero
from coconut_core.runs.machine import Mode
from coconut_core.runs.session import Session
from tests.core.precision import tolerance
from tests.core.reference import states_of, word_embeddings

OPERATIONS = (
    "step", "step", "think", "think edited", "end thinking", "speak", "say", "say bot", "rewind", "fork",
    "edit", "edit", "undo edit",
)  # fmt: skip
operations = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 999)), min_size=6, max_size=24)


def an_edit(number: int) -> Intervention:
    vector = torch.randn(32, generator=torch.Generator().manual_seed(number))
    choices: list[Intervention] = [Zero(), Scale(0.25 + number % 5), Replace(vector), Noise(number)]
    return choices[number % 4]


def apply_operation(session: Session, name: str, number: int) -> Session:
    """Do one thing where the mode allows it; returns the session to go on with."""
    thoughts = session.thought_steps()
    if name == "step":
        session.step()
    elif name == "think" and session.may_think:
        session.think()
    elif name == "think edited" and session.may_think:
        session.think(an_edit(number))
    elif name == "end thinking" and session.mode is Mode.THINKING:
        session.end_thinking()
    elif name == "speak" and session.may_speak:
        session.speak()
    elif name == "say" and session.may_speak:
        session.speak(17 + number % 55)
    elif name == "say bot" and session.may_speak:
        session.speak(session.model.config.bot_id or 20)
    elif name == "rewind":
        session.rewind(number % (len(session.steps) + 1))
    elif name == "fork":
        return session.fork()
    elif name == "edit" and thoughts:
        chosen = thoughts[number % len(thoughts)]
        session.edit(chosen.index, an_edit(number), chosen.segment)
    elif name == "undo edit" and thoughts:
        chosen = thoughts[number % len(thoughts)]
        session.edit(chosen.index, None, chosen.segment)
    return session


def replay(session: Session) -> Session:
    """A fresh run that takes the same decisions."""
    fresh = Session(
        session.model,
        session.question,
        session.thoughts,
        max_new_tokens=session.max_new_tokens,
        stop=session.ending.rule,
    )
    for step in session.steps:
        if step.kind == "thought":
            fresh.think(step.edit)
        elif step.kind == "marker":
            fresh.end_thinking()
        else:
            fresh.speak(step.token_id)
    return fresh


def assert_same_run(first: Session, second: Session) -> None:
    assert (first.mode, first.next_move, first.text) == (second.mode, second.next_move, second.text)
    assert len(first.steps) == len(second.steps)
    for one, other in zip(first.steps, second.steps, strict=True):
        assert (one.kind, one.index, one.segment, one.token_id, one.token, one.ended) == (
            other.kind, other.index, other.segment, other.token_id, other.token, other.ended,
        )  # fmt: skip
        torch.testing.assert_close(one.state, other.state, **tolerance(first.model))
        torch.testing.assert_close(one.hidden, other.hidden, **tolerance(first.model))
        torch.testing.assert_close(one.readout.logits, other.readout.logits, **tolerance(first.model))
    torch.testing.assert_close(first.next_readout.hidden, second.next_readout.hidden, **tolerance(first.model))


def assert_equals_full_recompute(session: Session) -> None:
    """All states of a session against one run of the whole sequence without a cache."""
    model = session.model
    table = word_embeddings(model)
    fed = [table[token] for token in session.prompt_ids]
    fed += [step.hidden if step.token_id is None else table[step.token_id] for step in session.steps]
    with torch.inference_mode():
        states = states_of(model, fed)[len(session.prompt_ids) - 1 :]
    for step, state in zip(session.steps, states, strict=False):
        torch.testing.assert_close(step.state, state, **tolerance(session.model))
        expected = state if step.edit is None else step.edit(state)
        torch.testing.assert_close(step.hidden, expected, **tolerance(session.model))
    torch.testing.assert_close(session.next_readout.hidden, states[-1], **tolerance(session.model))


def assert_operations_are_exact(session: Session, chosen: Sequence[tuple[str, int]]) -> None:
    left_behind: list[tuple[Session, list[int | None], torch.Tensor]] = []
    for name, number in chosen:
        going_on = apply_operation(session, name, number)
        if going_on is not session:
            left_behind.append(
                (session, [step.token_id for step in session.steps], session.next_readout.hidden.clone())
            )
        session = going_on
    assert_same_run(session, replay(session))
    assert_equals_full_recompute(session)
    for parent, tokens, hidden in left_behind:  # what a fork did has not disturbed its parent
        assert [step.token_id for step in parent.steps] == tokens
        assert torch.equal(parent.next_readout.hidden, hidden)
        parent.step()
        assert_same_run(parent, replay(parent))
