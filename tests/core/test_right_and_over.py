"""When an answer is right, and when a run has come to its end, is the same wherever it is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.evaluate import judge
from coconut_core.latent.model import Work
from coconut_core.problems.base import Problem
from coconut_core.records.answer_record import answer_record
from coconut_core.records.answers import is_right
from coconut_core.records.stopping import cut_off_by
from coconut_core.records.trace import Trace
from coconut_core.runs.generate import Answer, generate
from coconut_core.runs.recording import trace_session
from coconut_core.runs.session import Session
from coconut_tui.export import EXPORTS
from coconut_tui.run.branches import Said
from tests.core.tiny_models import QUESTIONS, talkative_model, tiny_model

SETTINGS = {"answer_prefix": "###", "thinking": "", "verdict": "", "trained": True, "max_new_tokens": 64}


@pytest.mark.parametrize(
    ("said", "expected", "right"),
    [
        ("### 1,200.", "1200", True),
        ("### 1200", "1,200", True),
        ("### $5", "5.0", True),
        ("### Alex is a rompus.", "Alex is a rompus.", True),
        ("### 18 or 20", "18", False),
        ("### Alex  is a\nrompus.", "Alex is a rompus.", True),
        ("1200 ### 12", "1200", False),
    ],
)
def test_an_answer_is_right_everywhere_or_nowhere(said: str, expected: str, right: bool) -> None:
    problem = Problem("How many?", (), expected)
    trace = Trace("m", "How many?", ("How",), (), said, "end", dict(SETTINGS), problem)
    assert is_right(said, problem, "###") is right
    assert trace.right is right
    assert answer_record(trace, {})["right"] is right
    assert Trace.from_json(json.loads(trace.json_text()), "run").right is right
    assert Said.judged(said, "###", problem, "end").right is right
    assert judge([problem], [Answer(text=said)], "###", 0.0, Work()).right == (right,)
    for export in EXPORTS:
        if export.name != "json":
            page = export.render(trace)
            assert ("✓ right" in page, "✗" in page) == (right, not right), export.name


def silent(max_positions: int = 160) -> CoconutModel:
    """A model that never says the end of text."""
    model = tiny_model("llama", max_positions=max_positions)
    with torch.no_grad():
        weight = model.base_lm.get_output_embeddings().weight
        assert isinstance(weight, torch.Tensor)
        weight[list(model.eos_ids)] *= 0
    return model


def run_to_the_end(model: CoconutModel, **options: Any) -> Session:
    session = Session(model, QUESTIONS[1], **options)
    session.finish()
    return session


def test_finished_means_that_the_end_of_text_was_said() -> None:
    (end,) = tiny_model("llama").eos_ids
    brief = talkative_model("llama", end, factor=20.0)
    length = len(brief.encode_prompt(QUESTIONS[1]))
    cases: tuple[tuple[CoconutModel, dict[str, Any], str], ...] = (
        (brief, {"thoughts": 1, "max_new_tokens": 40}, "end"),
        (silent(), {"thoughts": 1, "max_new_tokens": 3}, "words"),
        (silent(length + 5), {"thoughts": 1, "max_new_tokens": 40}, "context"),
        (silent(length + 5), {"thoughts": 9, "max_new_tokens": 40}, "context"),
    )
    for model, options, stopped_by in cases:
        session = run_to_the_end(model, **options)
        (answer,) = generate(model, QUESTIONS[1:2], **options)
        trace = trace_session(session)
        for each in (session, answer, trace):
            assert (each.stopped_by, each.finished) == (stopped_by, stopped_by == "end")
        assert session.over
        record = json.loads(trace.json_text())
        assert (record["finished"], record["stopped_by"]) == (stopped_by == "end", stopped_by)
        session.rewind(1)
        assert (session.over, session.stopped_by) == (False, None)


def test_a_file_of_before_the_reason_was_written_down_still_opens(tmp_path: Path) -> None:
    (end,) = tiny_model("llama").eos_ids
    brief = talkative_model("llama", end, factor=20.0)
    length = len(brief.encode_prompt(QUESTIONS[1]))
    for session, stopped_by in (
        (run_to_the_end(brief, thoughts=1), "end"),
        (run_to_the_end(silent(), thoughts=1, max_new_tokens=3), "words"),
        (run_to_the_end(silent(length + 5), thoughts=1), "context"),
        (run_to_the_end(silent(length + 5), thoughts=9), "context"),
        (Session(brief, QUESTIONS[1]), None),
    ):
        record = trace_session(session).to_json()
        del record["stopped_by"]
        record["finished"] = stopped_by is not None
        path = tmp_path / "run.json"
        path.write_text(json.dumps(record))
        assert Trace.load(path).stopped_by == stopped_by


def test_a_wrong_answer_that_was_cut_off_is_said_to_be_so() -> None:
    problem = Problem("How many?", (), "12")
    for stopped_by, cut in (("words", "cut off after 64 tokens"), ("context", "model's context was full")):
        trace = Trace("m", "How many?", ("How",), (), "### 1", stopped_by, dict(SETTINGS), problem)
        for export in EXPORTS:
            if export.name != "json":
                page = " ".join(export.render(trace).replace("&#x27;", "'").split())
                assert f"{cut}; expected: 12" in page, export.name


def test_one_token_is_one() -> None:
    assert [cut_off_by("words", count) for count in (1, 2)] == [
        "cut off after 1 token",
        "cut off after 2 tokens",
    ]
