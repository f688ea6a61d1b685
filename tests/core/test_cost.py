"""What a step must not cost: numbers waited for, the head run twice, logits kept for good."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from coconut_core.runs.halting import EntropyRule, StableRule, StopRule
from coconut_core.runs.recording import record_step
from coconut_core.runs.session import Session
from coconut_tui.engine.live import LiveRun
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, talkative_model, tiny_model


class Waits(TorchDispatchMode):
    """Counts what would make a program wait for a GPU: reading a number, moving a tensor to the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        self.count += "_local_scalar_dense" in name or "nonzero" in name or "is_nonzero" in name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_thought_waits_for_nothing_until_it_is_read(name: str) -> None:
    model = tiny_model(name)
    session = Session(model, QUESTIONS[0], 5)
    with Waits() as waits:
        for _ in range(5):
            step = session.step()
        assert waits.count == 0
        assert step is not None
        assert step.readout.norm > 0
        assert waits.count > 0, "or nothing is counted"


def heads(session: Session) -> list[int]:
    """Counts how often the head is run, in a list of one."""
    count = [0]
    head = session.model.base_lm.get_output_embeddings()
    head.register_forward_hook(lambda *call: count.__setitem__(0, count[0] + 1))
    return count


def test_the_head_runs_once_for_each_step_that_is_shown() -> None:
    run = LiveRun(Session(talkative_model("gpt2", 30), QUESTIONS[0], 4, max_new_tokens=6), 4, {"a": 20})
    count = heads(run.session)
    steps = 0
    while run.step():
        run.records()
        steps += 1
    assert steps == 4 + 1 + 6
    assert count[0] == steps


@pytest.mark.parametrize("rule", [EntropyRule(1e-9, 3), StableRule(0.0, 2)], ids=str)
def test_a_rule_runs_the_head_once_for_each_state(rule: StopRule) -> None:
    session = Session(tiny_model("gpt2"), QUESTIONS[0], 9, stop=rule)
    count = heads(session)
    for _ in range(9):
        session.step()
        assert session.next_move
        assert not session.finished
    assert 8 <= count[0] <= 10, "none where it has not seen enough"


def test_no_logits_are_kept_of_steps_that_no_rule_looks_at() -> None:
    session = Session(talkative_model("gpt2", 30), QUESTIONS[0], 4, max_new_tokens=6)
    session.finish()
    first = [record_step(step, None, {}) for step in session.steps]
    for step in session.steps:
        step.readout.forget()
    assert not any("logits" in vars(step.readout) for step in session.steps)
    assert [record_step(step, None, {}) for step in session.steps] == first
    again = Session(session.model, QUESTIONS[0], 4, max_new_tokens=6)
    again.finish()
    assert sum("logits" in vars(step.readout) for step in again.steps) <= 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_bfloat16_goes_back_forks_and_goes_on(name: str) -> None:
    model = tiny_model(name).to(torch.bfloat16)
    session = Session(model, QUESTIONS[0], 4, max_new_tokens=4)
    session.finish()
    twin = session.fork()
    twin.rewind(2)
    twin.finish()
    assert [step.token_id for step in twin.steps] == [step.token_id for step in session.steps]
    assert session.steps[0].state.dtype is torch.bfloat16
    assert session.steps[0].readout.logits.dtype is torch.float32
