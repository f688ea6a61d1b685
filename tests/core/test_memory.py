"""What is predicted of memory, against what is alive in runs like those that were asked about."""

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.halting import Ending
from coconut_core.runs.live_bytes import LiveBytes
from coconut_core.runs.memory import predict, weights_of
from coconut_core.runs.rows import new_row, read_prompts, run_rows
from coconut_core.runs.session import Session
from tests.core.tiny_models import QUESTIONS, tiny_model


def question_of(model: CoconutModel, tokens: int) -> str:
    """A question whose prompt has about so many tokens."""
    return " ".join([QUESTIONS[2]] * (1 + tokens // len(model.encode_prompt(QUESTIONS[2]))))


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3", "gemma"])
@pytest.mark.parametrize(("tokens", "thoughts", "branches"), [(100, 3, 1), (60, 90, 5), (200, 20, 12)])
def test_a_session_and_its_forks(name: str, tokens: int, thoughts: int, branches: int) -> None:
    model = tiny_model(name, max_positions=640)
    question = question_of(model, tokens)
    need = predict(model, len(model.encode_prompt(question)), thoughts=thoughts, branches=branches)
    with LiveBytes() as live:
        runs = [Session(model, question, thoughts)]
        runs += [runs[0].fork() for _ in range(branches - 1)]
        for run in runs:
            for _ in range(thoughts):
                run.think().readout.top(1)
    assert need.peak - need.weights == pytest.approx(live.peak, rel=0.1)


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3"])
@pytest.mark.parametrize(("batch", "thoughts"), [(4, 3), (16, 100)])
def test_a_batch(name: str, batch: int, thoughts: int) -> None:
    model = tiny_model(name, max_positions=640)
    prompts = [model.encode_prompt(question_of(model, 100))[number % 3 :] for number in range(batch)]
    length = max(map(len, prompts))
    rows = [new_row(model, length, Ending(thoughts)) for _ in prompts]
    with LiveBytes() as live:
        run_rows(model, read_prompts(model, prompts, shortcut=True), rows, speak=False)
    need = predict(model, length, batch=batch, thoughts=thoughts)
    assert need.peak - need.weights == pytest.approx(live.peak, rel=0.1)


def test_weights_are_counted_once() -> None:
    model = tiny_model("gpt2")  # tied
    single: dict[int, Tensor] = {each.data_ptr(): each for each in model.parameters()}
    assert weights_of(model) >= sum(each.nbytes for each in single.values())
    assert weights_of(model) < 1.2 * sum(each.nbytes for each in single.values())
    assert weights_of(model.to(torch.float64)) == pytest.approx(2 * weights_of(tiny_model("gpt2")), rel=0.05)


def test_more_than_the_model_reads_is_refused() -> None:
    with pytest.raises(CoconutError, match="reads 160 positions, not 170"):
        predict(tiny_model("gpt2"), 150, thoughts=20)
