"""coconut ask, end to end."""

import json
from pathlib import Path

import pytest

from coconut_core.problems import example_problem
from tests.cli.conftest import Run

QUESTION = example_problem("prosqa", 1).question


def test_prints_the_answer_and_nothing_else(installed: Run, checkpoint: Path) -> None:
    result = installed("ask", "--model", checkpoint, QUESTION)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.strip()
    assert result.stderr in ("", "note: cut off after 64 tokens; --max-new-tokens allows more\n")


def test_json_object_holds_what_the_trace_holds(coconut: Run, checkpoint: Path) -> None:
    result = coconut("ask", "--model", checkpoint, "--json", "--top-k", 3, "-", text=QUESTION)
    record = json.loads(result.stdout)
    assert record["question"] == QUESTION
    assert [thought["index"] for thought in record["thoughts"]] == [1, 2, 3]
    for thought in record["thoughts"]:
        probabilities = [item["probability"] for item in thought["top"]]
        assert len(probabilities) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert thought["entropy"] > 0
        assert thought["norm"] > 0
    assert record["tokens"]["thoughts"] == 3
    assert record["model"] == str(checkpoint)
    assert set(record["timings"]) == {"load_seconds", "answer_seconds"}
    assert record["right"] == (record["answer"] == record["expected"])


def test_argument_stdin_and_example_agree(coconut: Run, checkpoint: Path) -> None:
    outputs = {
        coconut("ask", "--model", checkpoint, QUESTION).stdout,
        coconut("ask", "--model", checkpoint, "-", text=QUESTION + "\n").stdout,
        coconut("ask", "--model", checkpoint, "--example", 1).stdout,
    }
    assert len(outputs) == 1


def test_trace_shows_every_thought(coconut: Run, checkpoint: Path) -> None:
    result = coconut("ask", "--model", checkpoint, "--example", 1, "--trace", "--thoughts", 2)
    assert result.returncode == 0, result.stderr
    assert "frontier" in result.stdout
    assert "answer" in result.stdout
    assert "\x1b" not in result.stdout, "no colour codes into a pipe"


def test_file_is_answered_in_order_and_bad_lines_do_not_stop_it(
    coconut: Run, checkpoint: Path, tmp_path: Path
) -> None:
    questions = [example_problem("prosqa", number).question for number in range(1, 41)]
    lines = [json.dumps({"question": question}) for question in questions]
    lines[3], lines[17], lines[20] = "{not json", json.dumps({"question": "Is Foo a bar or baz?"}), ""
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(lines) + "\n")
    result = coconut("ask", "--model", checkpoint, "--input", source)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert len(records) == len(lines)
    assert [number for number, record in enumerate(records) if "error" in record] == [3, 17, 20]
    assert "Foo" in records[17]["error"]
    assert all(record["question"] == questions[i] for i, record in enumerate(records) if "error" not in record)
    single = coconut("ask", "--model", checkpoint, questions[39]).stdout.strip()
    assert records[39]["answer"] == single


@pytest.mark.parametrize("source", ["-", "/dev/stdin", "a file"])
def test_questions_come_from_a_pipe_and_with_a_byte_order_mark(
    coconut: Run, checkpoint: Path, tmp_path: Path, source: str
) -> None:
    lines = "\ufeff" + json.dumps({"question": QUESTION}) + "\noops\n"
    (tmp_path / "in.jsonl").write_text(lines, encoding="utf-8")
    named = tmp_path / "in.jsonl" if source == "a file" else source
    result = coconut("ask", "--model", checkpoint, "--input", named, text=lines)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["question"] == QUESTION, result.stderr
    assert second == {"error": "not valid JSON: Expecting value at column 1"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Is Alex a blorb or lempus?"], "blorb"),
        ([""], "empty"),
        (["--thoughts", "-1", QUESTION], "thoughts"),
        (["--device", "cuda:99", QUESTION], "device"),
        (["--dtype", "float7", QUESTION], "dtype"),
        (["--temperature", "-1", QUESTION], "temperature"),
        (["--top-k", "0", QUESTION], "top-k"),
        (["--seed", "99999999999999999999", QUESTION], "seed must be from"),
        (["--max-new-tokens", "0", QUESTION], "max-new-tokens"),
        ([QUESTION, "--example", "1"], "one question"),
        ([], "one question"),
        (["--input", "no-such-file.jsonl"], "no-such-file"),
        ([" ".join([QUESTION] * 10)], "at most 512"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(
    coconut: Run, checkpoint: Path, arguments: list[str], said: str
) -> None:
    result = coconut("ask", "--model", checkpoint, *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_model(coconut: Run, tmp_path: Path) -> None:
    result = coconut("ask", "--model", tmp_path / "nowhere", QUESTION)
    assert result.returncode == 2
    assert result.stderr.startswith("error: there is no folder")


def test_the_bundled_model_is_found_from_anywhere(coconut: Run, tmp_path: Path) -> None:
    result = coconut("ask", "--example", "1", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["text"]


def test_an_answer_that_is_cut_off_says_so(coconut: Run, checkpoint: Path, tmp_path: Path) -> None:
    ask = ("ask", "--model", checkpoint, "--max-new-tokens", 2)
    plain = coconut(*ask, QUESTION)
    assert (plain.returncode, plain.stderr) == (
        0, "note: cut off after 2 tokens; --max-new-tokens allows more\n"
    )  # fmt: skip
    record = json.loads(coconut(*ask, "--json", QUESTION).stdout)
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(QUESTION) + "\n", encoding="utf-8")
    line = json.loads(coconut(*ask, "--input", source).stdout)
    for each in (record, line):
        assert (each["finished"], each["stopped_by"]) == (False, "words")


def test_no_room_for_a_word_is_an_error(coconut: Run, checkpoint: Path) -> None:
    result = coconut("ask", "--model", checkpoint, "--thoughts", 2000, "--json", QUESTION)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: nothing was said: question and thoughts fill")
    record = json.loads(result.stdout)
    assert (record["text"], record["finished"], record["stopped_by"]) == ("", False, "context")
