"""Runs with a plan of interventions, and what is the same of two."""

import torch

from coconut_core.coconut import CoconutModel
from coconut_core.interventions import (
    Plan,
)
from coconut_core.interventions.donors import Sources
from coconut_core.problems import recognise
from coconut_core.runs.session import Session
from tests.core.tiny_models import QUESTIONS

THOUGHTS = 3
QUESTION = QUESTIONS[0]


def sources_of(model: CoconutModel, question: str = QUESTION) -> Sources:
    others = [problem for problem in map(recognise, QUESTIONS) if problem is not None]
    return Sources(model, question, recognise(question), others, THOUGHTS)


def run(model: CoconutModel, plan: Plan | None = None, question: str = QUESTION) -> Session:
    session = Session(model, question, thoughts=THOUGHTS, max_new_tokens=5)
    if plan is not None:
        session.apply(plan)
    session.finish()
    return session


def assert_same(one: Session, other: Session) -> None:
    """Identical numbers, not merely close ones."""
    assert len(one.steps) == len(other.steps)
    for first, second in zip(one.steps, other.steps, strict=True):
        assert torch.equal(first.state, second.state)
        assert torch.equal(first.hidden, second.hidden)
        assert torch.equal(first.readout.logits, second.readout.logits)
        assert first.token_id == second.token_id
