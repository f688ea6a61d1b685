"""A workbench on a tiny random model, and fresh runs to hold its numbers against."""

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import example_problem
from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord
from coconut_core.runs.recording import record_step, watched_tokens
from coconut_tui.engine.workbench import Workbench
from coconut_tui.run.branches import MARKER, THOUGHT, Decisions, thought_places
from coconut_tui.run.state import RECORDED_TOKENS
from tests.core.tiny_models import talkative_model, tiny_model

PROBLEM = example_problem("prosqa", 1)


def brief_model() -> CoconutModel:
    """Four thoughts, and an answer of some ten words."""
    end = tiny_model("llama").tokenizer.eos_token_id
    return talkative_model("llama", end, factor=1.6, seed=2, thoughts=4, max_positions=4096)


def go_on() -> bool:
    """Never stop."""
    return False


def opened(model: CoconutModel, thoughts: int | None = None, **options: object) -> Workbench:
    """A workbench with PROBLEM open."""
    bench = Workbench(model, **options)  # type: ignore[arg-type]
    bench.ask(PROBLEM.question, PROBLEM, 1, thoughts)
    return bench


def to_the_end(bench: Workbench) -> None:
    """Take all steps."""
    bench.take(lambda run: False, go_on)


def fresh_records(
    model: CoconutModel,
    decisions: Decisions,
    question: str = PROBLEM.question,
    problem: Problem | None = PROBLEM,
) -> list[StepRecord]:
    """A run of the same decisions in a Session of its own, with nothing of the explorer's in between."""
    session = model.start(question, decisions.thoughts)
    edits = {}
    for edit in decisions.edits:
        sources = Sources(model, question, problem, thoughts=edit.thoughts)
        edits[edit.segment, edit.thought] = parse_plan(edit.text, sources).edits[edit.thought]
    places = thought_places(decisions.moves)
    for move in decisions.moves:
        if move == THOUGHT:
            session.think(edits.get(next(places)))
        elif move == MARKER:
            session.end_thinking()
        else:
            session.speak()
    watched, before, records = watched_tokens(session, problem), None, []
    for step in session.steps:
        records.append(record_step(step, before, watched, RECORDED_TOKENS))
        before = step if step.kind == "thought" else before
    return records


def same_numbers(shown: tuple[StepRecord, ...], fresh: list[StepRecord]) -> bool:
    """Equal but for rounding."""
    if [(step.kind, step.index, step.segment, step.token, step.edit, step.ended) for step in shown] != [
        (step.kind, step.index, step.segment, step.token, step.edit, step.ended) for step in fresh
    ]:
        return False
    for mine, theirs in zip(shown, fresh, strict=True):
        assert mine.watched == pytest.approx(theirs.watched, abs=1e-5)
        assert mine.entropy == pytest.approx(theirs.entropy, abs=1e-4)
        assert mine.norm == pytest.approx(theirs.norm, abs=1e-4)
        assert [item.probability for item in mine.top] == pytest.approx(
            [item.probability for item in theirs.top], abs=1e-5
        )
    return True
