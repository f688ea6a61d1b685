"""One question whose numbers overflow, among others that are answered all the same."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.core.tiny_models import QUESTIONS, overflowing_model


@pytest.fixture(scope="module")
def spiky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose numbers overflow at the word 'sterpus', which the second question has."""
    folder = tmp_path_factory.mktemp("spiky")
    overflowing_model("sterpus").save_pretrained(folder)
    return folder


def test_a_line_of_a_file_gets_an_error_object(coconut: Run, spiky: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(question)}\n" for question in QUESTIONS))
    result = coconut("ask", "--model", spiky, "--input", tmp_path / "in.jsonl", "--max-new-tokens", 4)
    assert result.returncode == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in record for record in records] == [False, True, False, False]
    assert "the numbers overflow" in records[1]["error"]
    assert set(records[1]) == {"question", "error"}
    alone = coconut("ask", "--model", spiky, "--json", "--max-new-tokens", 4, QUESTIONS[2])
    assert records[2]["text"] == json.loads(alone.stdout)["text"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    problems = [{"question": question, "steps": [], "answer": "Alex is a rompus."} for question in QUESTIONS]
    (tmp_path / "data.json").write_text(json.dumps(problems))
    return tmp_path / "data.json"


def test_eval_goes_on_and_says_how_many_failed(coconut: Run, spiky: Path, data: Path, tmp_path: Path) -> None:
    failures = tmp_path / "failures.jsonl"
    result = coconut("eval", "--model", spiky, "--data", data, "--json", "--failures", failures)
    assert result.returncode == 0
    record = json.loads(result.stdout)
    assert (record["n"], record["failed"]) == (4, 1)
    assert "note: 1 of 4 problems have no answer and count as not right" in result.stderr
    written = [json.loads(line) for line in failures.read_text().splitlines()]
    assert ["error" in each for each in written] == [False, True, False, False]


def test_controls_go_on_and_say_how_many_runs_failed(coconut: Run, spiky: Path, data: Path) -> None:
    result = coconut("controls", "--model", spiky, "--data", data, "--json", "--no-keep", "--only", "zero")
    assert result.returncode == 0
    record = json.loads(result.stdout)
    assert (record["count"], record["settings"]["failed"]) == (3, 2)  # its minimal twin overflows as well
    assert "note: runs left out as they have no answer: 2; the first: the readout" in result.stderr
