"""Answering one question: a Session against reading the whole prefix again for every word."""

from functools import partial

import torch

from bench.measure import Comparison, Way, take_turns
from bench.naive import answer
from bench.shapes import Shape, random_question
from coconut_core.coconut import CoconutModel

OURS, OFFICIAL = "coconut_core", "official way"
TARGET = 8.0  # on GPT-2-small shapes


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the two say different words."""
    model, question = shape.build(), random_question(shape)
    make_talkative(model)
    prompt = model.encode_prompt(question)
    ways = [
        Way(OURS, partial(session_answer, model, question, shape.thoughts, shape.answer)),
        Way(OFFICIAL, partial(answer, model, prompt, shape.thoughts, shape.answer)),
    ]
    seconds, same = take_turns(ways, repetitions, check_same)
    target = TARGET if shape.name == "gpt2-small" else None
    return [Comparison("ask", shape.name, OFFICIAL, same[OFFICIAL], seconds[OURS], seconds[OFFICIAL], target)]


def check_same(words: list[int], expected: list[int]) -> str:
    """How many words were said. Raises AssertionError where others were said."""
    if words != expected:
        raise AssertionError(f"not the same words: {words} and {expected}")
    return f"{len(words)} words, {len(set(words))} of them different"


def session_answer(model: CoconutModel, question: str, thoughts: int, words: int) -> list[int]:
    """The words a session says, as token ids."""
    session = model.start(question, thoughts, max_new_tokens=words)
    session.finish()
    return [step.token_id for step in session.steps if step.kind == "token" and step.token_id is not None]


def make_talkative(model: CoconutModel) -> None:
    """Spread the embeddings: a fresh model says one word for ever, and any way would say the same."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.base_lm.named_parameters():
            if parameter.dim() >= 2:
                parameter.normal_(std=1.5 * parameter.shape[0] ** -0.5 if "weight" in name else 1.0)
