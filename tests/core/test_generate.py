"""Batches of different-length questions give the words of one-at-a-time runs, token by token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.runs.decoding import pick_token
from coconut_core.runs.generate import Answer, generate
from coconut_core.runs.halting import EntropyRule
from coconut_core.runs.session import Session
from tests.core.answering import answer_alone, assert_batch_equals_single
from tests.core.ending_models import RULES, ending_model
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, talkative_model, tiny_model


@pytest.mark.parametrize("thoughts", [0, 1, 4])
def test_greedy_batch_equals_single(model: CoconutModel, thoughts: int) -> None:
    answers = assert_batch_equals_single(model, thoughts=thoughts, max_new_tokens=14)
    assert len({tuple(answer.token_ids) for answer in answers}) > 1
    assert all(answer.thoughts % max(1, thoughts) == 0 for answer in answers)


@pytest.mark.parametrize("seed", [0, 7])
def test_sampled_batch_equals_single(model: CoconutModel, seed: int) -> None:
    answers = assert_batch_equals_single(model, thoughts=2, temperature=1.3, seed=seed, max_new_tokens=14)
    other = generate(model, QUESTIONS, thoughts=2, temperature=1.3, seed=seed + 1, max_new_tokens=14)
    assert other != answers


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answer_only_puts_the_prefix_first(model: CoconutModel, temperature: float) -> None:
    answers = assert_batch_equals_single(
        model, thoughts=2, answer_only=True, temperature=temperature, max_new_tokens=8
    )
    assert all(answer.text.startswith("###") for answer in answers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_model_may_say_bot_again(architecture: str) -> None:
    (bot,) = tiny_model(architecture).config.fed_before
    model = talkative_model(architecture, bot, thoughts=2)
    answers = assert_batch_equals_single(model, temperature=1.0, max_new_tokens=16)
    assert any(answer.thoughts > 2 for answer in answers), "no row came to a second segment"
    assert any(bot in answer.token_ids for answer in answers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_end_of_text_ends_only_its_row(architecture: str) -> None:
    eos = next(iter(tiny_model(architecture).eos_ids))
    model = talkative_model(architecture, eos)
    answers = assert_batch_equals_single(model, thoughts=1, temperature=1.5, max_new_tokens=30)
    ended = [answer for answer in answers if answer.finished]
    assert ended
    assert len({len(answer.token_ids) for answer in answers}) > 1
    assert all(answer.token_ids.index(eos) == len(answer.token_ids) - 1 for answer in ended)
    assert not any("endoftext" in answer.text for answer in answers)


def test_a_stop_rule_ends_thinking_row_by_row(model: CoconutModel) -> None:
    entropies = []
    for question in QUESTIONS:
        session = Session(model, question, thoughts=5)
        entropies += [session.think().readout.entropy for _ in range(5)]
    threshold = sorted(entropies)[len(entropies) // 4] + 1e-4
    answers = assert_batch_equals_single(model, thoughts=5, stop=EntropyRule(threshold), max_new_tokens=6)
    assert len({answer.thoughts for answer in answers}) > 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("ending", RULES)
def test_the_checkpoints_rule_ends_thinking_row_by_row(architecture: str, ending: str) -> None:
    answers = assert_batch_equals_single(ending_model(architecture, ending), max_new_tokens=6)
    assert any(ending in answer.ended for answer in answers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("feedback", ["mixture", "pause"])
def test_other_feedbacks_in_a_batch(architecture: str, feedback: str) -> None:
    model = tiny_model(architecture, feedback=feedback)
    answers = assert_batch_equals_single(model, max_new_tokens=8)
    assert answers != generate(tiny_model(architecture), QUESTIONS, max_new_tokens=8)


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_max_new_tokens(model: CoconutModel, limit: int) -> None:
    answers = assert_batch_equals_single(model, thoughts=1, max_new_tokens=limit)
    assert all(len(answer.token_ids) <= limit for answer in answers)
    assert any(len(answer.token_ids) == limit for answer in answers)


@contextmanager
def watched(model: CoconutModel) -> Iterator[list[tuple[int, int]]]:
    """The (rows, columns) of every pass through the base model, as the base model itself sees them."""
    seen: list[tuple[int, int]] = []

    def note(module: torch.nn.Module, arguments: Any, keywords: dict[str, Any]) -> None:
        rows, columns, _ = keywords["inputs_embeds"].shape
        seen.append((rows, columns))

    handle = model.base_lm.base_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_that_are_over_leave_the_batch(architecture: str) -> None:
    """At every step less than half of the rows computed are over, and the words stay the same."""
    eos = next(iter(tiny_model(architecture).eos_ids))
    model = talkative_model(architecture, eos, max_positions=512)
    questions = [problem.question for problem in generate_problems("prosqa", 12, seed=5)]
    options: dict[str, Any] = {"thoughts": 1, "temperature": 1.5, "max_new_tokens": 40}
    alone, needed = [], []  # needed: passes behind the prompt
    for question in questions:
        with watched(model) as seen:
            alone += generate(model, [question], **options)
        needed.append(len(seen) - 1)
    with watched(model) as seen:
        together = generate(model, questions, batch_size=len(questions), **options)
    assert together == alone
    steps = [rows for rows, _ in seen[1:]]
    assert len(steps) == max(needed)
    for step, rows in enumerate(steps):
        alive = sum(number > step for number in needed)
        assert alive <= rows < 2 * alive
    assert min(steps) < len(questions), "no row left, so nothing was tested"


def test_passes_and_positions_are_counted(model: CoconutModel) -> None:
    before = replace(model.work)
    with watched(model) as seen:
        generate(model, QUESTIONS, thoughts=2, max_new_tokens=6, batch_size=3)
    assert model.work.passes - before.passes == len(seen) > 2
    assert model.work.positions - before.positions == sum(rows * columns for rows, columns in seen)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_context_limit_counts_for_each_row_alone(architecture: str) -> None:
    limit = max(len(tiny_model(architecture).encode_prompt(question)) for question in QUESTIONS) + 8
    model = tiny_model(architecture, max_positions=limit)
    eos = next(iter(model.eos_ids))
    with torch.no_grad():  # never says end of text
        head = model.base_lm.get_output_embeddings()
        head.weight[eos] = head.weight[eos] * 0
    answers = assert_batch_equals_single(model, thoughts=3, max_new_tokens=100)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        assert len(model.encode_prompt(question)) + answer.thoughts + len(answer.token_ids) + 1 == limit
        assert not answer.finished


def test_a_question_that_fills_the_context() -> None:
    model = tiny_model("llama")
    length = len(model.encode_prompt(QUESTIONS[2]))
    model = tiny_model("llama", max_positions=length)
    answers = generate(model, QUESTIONS, thoughts=2)
    assert answers[2] == Answer("", [], 0, False, stopped_by="context")
    assert answers[1] == answer_alone(model, QUESTIONS[1], thoughts=2)


def test_order_progress_and_empty_list(llama: CoconutModel) -> None:
    seen: list[int] = []
    answers = generate(llama, QUESTIONS, thoughts=1, max_new_tokens=3, batch_size=3, progress=seen.append)
    assert seen == [3, 1]
    backwards = generate(llama, QUESTIONS[::-1], thoughts=1, max_new_tokens=3)
    assert backwards == answers[::-1]
    assert generate(llama, []) == []


def test_the_checkpoint_says_how_many_thoughts(llama: CoconutModel) -> None:
    answer = generate(llama, QUESTIONS[:1], max_new_tokens=2)[0]
    assert answer.thoughts == llama.config.thoughts == 3
    assert answer.tokens == len(answer.token_ids) + 3 + 1
    assert llama.generate(list(QUESTIONS[:1]), max_new_tokens=2) == [answer.text]


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_impossible_temperatures_are_refused(llama: CoconutModel, temperature: float) -> None:
    with pytest.raises(CoconutError, match="temperature"):
        generate(llama, QUESTIONS[:1], temperature=temperature)


def test_negative_thoughts_are_refused(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="thoughts must be 0 or more"):
        generate(llama, QUESTIONS[:1], thoughts=-1)


def test_sampling_follows_the_distribution() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2, 1.0]))  # the last one is the latent placeholder
    generator = torch.Generator().manual_seed(0)
    drawn = [pick_token(logits, 3, 1.0, generator) for _ in range(4000)]
    shares = [drawn.count(token) / len(drawn) for token in range(4)]
    assert shares == pytest.approx([0.5, 0.3, 0.2, 0.0], abs=0.03)
    assert pick_token(logits, 3, 0.0, generator) == 0
    for temperature in (1e-30, 1e-45, 5e-324):  # so cold that logits divided by it would overflow
        assert pick_token(logits, 3, temperature, generator) == 0
    hot = [pick_token(logits, 3, 1e30, generator) for _ in range(300)]
    assert set(hot) == {0, 1, 2}


def test_an_answer_is_told_as_soon_as_it_has_ended(llama: CoconutModel) -> None:
    told: list[tuple[int, Answer]] = []
    asked = [QUESTIONS[0], QUESTIONS[1], QUESTIONS[0]]
    answers = generate(
        llama,
        asked,
        thoughts=[6, 1, 3],
        max_new_tokens=1,
        batch_size=2,
        ended=lambda number, answer: told.append((number, answer)),
    )
    assert sorted(number for number, _ in told) == [0, 1, 2]
    assert [number for number, _ in told] != [0, 1, 2]
    assert all(answers[number] == answer for number, answer in told)
