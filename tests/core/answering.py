"""Answers of models one by one, which those of a batch, or of files, are held to."""

from pathlib import Path
from typing import Any

import torch

from coconut_core.coconut import CoconutModel
from coconut_core.latent.prompt import encode_text
from coconut_core.runs.generate import Answer, generate
from coconut_core.runs.session import Session
from tests.core.tiny_models import QUESTIONS


def answer_alone(model: CoconutModel, question: str, *, answer_only: bool = False, **options: Any) -> Answer:
    """What a Session says to one question."""
    session = Session(model, question, **options)
    if answer_only:
        session.finish_thinking()
        for token in encode_text(model.tokenizer, model.config.answer_prefix):
            session.speak(token)
    text = session.finish()
    words = [step.token_id for step in session.steps if step.kind == "token"]
    ended = bool(words) and words[-1] in model.eos_ids
    return Answer(
        text,
        [word for word in words if word is not None],
        len(session.thought_steps()),
        ended,
        [step.ended for step in session.steps if step.ended is not None],
        stopped_by=session.stopped_by,
        closing=len(model.config.fed_behind),
    )


def assert_batch_equals_single(model: CoconutModel, **options: Any) -> list[Answer]:
    alone = [answer_alone(model, question, **options) for question in QUESTIONS]
    assert len({len(model.encode_prompt(question)) for question in QUESTIONS}) > 2
    for batch_size in (len(QUESTIONS), 3):
        together = generate(model, QUESTIONS, batch_size=batch_size, **options)
        assert together == alone
    return alone


def own_words(folder: Path, model: CoconutModel, question: str, count: int) -> list[int]:
    """What the model says by itself, in transformers' own greedy generate() and from its own files."""
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([model.encode_prompt(question)])
    said = base.generate(ids, do_sample=False, max_new_tokens=count, use_cache=True)
    words: list[int] = said[0, ids.shape[1] :].tolist()
    return words
