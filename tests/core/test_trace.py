"""Trace: a run as plain data that survives saving, and that is read without torch."""

import json
import subprocess
import sys
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Scale
from coconut_core.problems import recognise
from coconut_core.records.trace import VERSION, Trace
from coconut_core.runs.recording import trace_session
from coconut_core.runs.session import Session
from tests.core.ending_models import ending_model
from tests.core.tiny_models import QUESTIONS, tiny_model


def a_session(model: CoconutModel) -> Session:
    session = Session(model, QUESTIONS[0], thoughts=3, temperature=0.5, seed=4, max_new_tokens=5)
    session.think()
    session.think(Scale(0.5))
    session.finish()
    return session


@pytest.fixture
def session(llama: CoconutModel) -> Session:
    return a_session(llama)


def test_a_trace_survives_saving(model: CoconutModel, tmp_path: Path) -> None:
    trace = trace_session(a_session(model), top_k=4, problem=recognise(QUESTIONS[0]))
    path = tmp_path / "run.json"
    trace.save(path)
    assert Trace.load(path) == trace
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["format"], record["version"]) == ("coconut-trace", VERSION)


def test_a_trace_says_what_the_session_saw(session: Session) -> None:
    problem = recognise(QUESTIONS[0])
    trace = trace_session(session, top_k=4, problem=problem)
    assert trace.question == QUESTIONS[0]
    assert "".join(trace.prompt[:-1]).strip().replace("  ", " ") != ""
    assert len(trace.prompt) == len(session.prompt_ids)
    assert (trace.text, trace.stopped_by, trace.finished) == (session.text, "words", False)
    assert [step.kind for step in trace.steps] == [step.kind for step in session.steps]
    assert len(trace.thoughts()) == 3
    assert trace.settings["thoughts"] == 3
    assert trace.settings["seed"] == 4
    assert trace.settings["temperature"] == 0.5
    for record, step in zip(trace.steps, session.steps, strict=True):
        assert (record.index, record.segment, record.token) == (step.index, step.segment, step.token)
        assert [(item.token, item.probability) for item in record.top] == [
            (item.token, item.probability) for item in step.readout.top(4)
        ]
        assert record.entropy == step.readout.entropy
        assert record.norm == step.readout.norm
        assert set(record.watched) == {"lempus", "rompus", "Alex", "yumpus"}
        assert record.watched["rompus"] == step.readout.probability("rompus")
    assert [step.edit for step in trace.thoughts()] == [None, "scale 0.5", None]
    first, second, third = session.thought_steps()
    assert [step.cosine for step in trace.thoughts()] == [
        None,
        second.readout.cosine(first.readout),
        third.readout.cosine(second.readout),
    ]


def test_an_unfinished_run_has_a_trace(llama: CoconutModel, tmp_path: Path) -> None:
    session = Session(llama, QUESTIONS[0])
    session.trace().save(tmp_path / "run.json")
    loaded = Trace.load(tmp_path / "run.json")
    assert (loaded.steps, loaded.text, loaded.finished, loaded.problem) == ((), "", False, None)


def test_a_saved_trace_is_read_without_torch(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    trace_session(session, problem=recognise(QUESTIONS[0])).save(path)
    code = (
        "import sys; from coconut_core.records import graph_reading, trace as records\n"
        "trace = records.Trace.load(sys.argv[1])\n"
        "graph_reading.graph_mass(trace.problem.graph, 1, trace.steps[0].watched)\n"
        "print(len(trace.steps), [name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.strip() == f"{len(session.steps)} []"


def test_a_trace_says_how_thinking_ended(tmp_path: Path) -> None:
    session = Session(ending_model("gpt2", "stable"), QUESTIONS[0], max_new_tokens=4)
    session.finish()
    trace = trace_session(session)
    assert trace.ended == ["stable"] == [step.ended for step in session.steps if step.kind == "marker"]
    assert trace.settings["ending"] == "stable"
    assert trace.settings["thinking"] == str(session.ending)
    assert trace.settings["thoughts"] == 5 > len(trace.thoughts()) > 0
    path = tmp_path / "run.json"
    trace.save(path)
    assert Trace.load(path).ended == ["stable"]
    record = json.loads(path.read_text(encoding="utf-8"))
    for step in record["steps"]:  # as written before there was such an entry
        del step["ended"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert Trace.load(path).ended == []


def damaged(record: dict[str, Any], kind: str) -> str | bytes:
    """The text of a trace file with one thing wrong."""
    if kind == "newer version":
        record["version"] = VERSION + 1
    elif kind == "version is text":
        record["version"] = "1"
    elif kind == "another format":
        record["format"] = "something"
    elif kind == "no steps":
        del record["steps"]
    elif kind == "steps are text":
        record["steps"] = "thought"
    elif kind == "step without norm":
        del record["steps"][0]["norm"]
    elif kind == "infinite index":
        return json.dumps(record).replace('"index": 1', '"index": Infinity')
    elif kind == "top without token":
        record["steps"][0]["top"] = [{"probability": 0.5}]
    elif kind == "watched is a list":
        record["steps"][0]["watched"] = ["rompus"]
    elif kind == "settings are a number":
        record["settings"] = 3
    elif kind == "problem is a number":
        record["problem"] = 3
    elif kind == "edge to nowhere":
        record["problem"]["edges"] = [[0, 99]]
    text = json.dumps(record)
    whole: dict[str, str | bytes] = {
        "a list": "[]",
        "not JSON": "thoughts\nand words",
        "empty": "",
        "cut off": text[: len(text) // 2],
        "deeply nested": "[" * 200_000,
        "not text": b"\xff\xfe\x00\x80",
    }
    return whole.get(kind, text)


@pytest.mark.parametrize(
    "kind",
    [
        "newer version", "version is text", "another format", "no steps", "steps are text",
        "step without norm", "infinite index", "top without token", "watched is a list",
        "settings are a number", "problem is a number", "edge to nowhere", "a list", "not JSON", "empty",
        "cut off", "deeply nested", "not text",
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_one_line(session: Session, tmp_path: Path, kind: str) -> None:
    content = damaged(trace_session(session, problem=recognise(QUESTIONS[0])).to_json(), kind)
    path = tmp_path / "run.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CoconutError) as caught:
        Trace.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or "problem" in str(caught.value)


def test_files_that_cannot_be_reached(session: Session, tmp_path: Path) -> None:
    trace = trace_session(session)
    for path in (tmp_path, tmp_path / "missing" / "run.json"):
        with pytest.raises(CoconutError, match="cannot write"):
            trace.save(path)
        with pytest.raises(CoconutError, match="cannot read"):
            Trace.load(path)


def test_a_thought_that_is_no_number_is_said_to_be_none(tmp_path: Path) -> None:
    run = Session(tiny_model("llama"), QUESTIONS[0], 3)
    run.think()
    run.think(Scale(3e38))
    trace = trace_session(run)
    assert [step.readable for step in trace.steps] == [True, False]
    assert (trace.steps[1].top, trace.steps[1].watched) == ((), {})
    trace.save(tmp_path / "run.json")
    assert "NaN" not in (text := (tmp_path / "run.json").read_text())
    assert "Infinity" not in text
    again = Trace.load(tmp_path / "run.json")
    assert again.steps[0] == trace.steps[0]
    assert not again.steps[1].readable
    assert isnan(again.steps[1].norm)
