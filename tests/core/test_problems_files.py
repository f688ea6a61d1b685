"""Problem files are read and written one problem at a time, and are whole or not there."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, read_problems, read_some_problems, stream_problems, write_problems
from coconut_core.problems.files import JsonReader

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def made_up(count: int) -> Iterator[Problem]:
    """Problems of some 1,000 characters each."""
    return (Problem(f"question {number} " + "word " * 200, ("a step",), str(number)) for number in range(count))


@given(
    st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=4),
    st.integers(min_value=1, max_value=40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_a_list_read_in_pieces_is_the_list(
    records: list[object], piece: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    reader = JsonReader(io.StringIO(text), piece)
    assert reader.take_mark() == "["
    found = []
    while reader.peek_mark() != "]":
        found.append(reader.take_value())
        assert reader.peek_mark() in (",", "]")
        if reader.peek_mark() == ",":
            reader.take_mark()
    assert found == records
    assert reader.take_mark() == "]"
    assert reader.take_mark() == ""


def test_a_damaged_value_is_noticed_before_the_rest_is_read() -> None:
    file = io.StringIO('{"question" 1}' + " " * 10_000_000)
    with pytest.raises(json.JSONDecodeError):
        JsonReader(file).take_value()
    assert file.tell() < 1_000_000


@pytest.mark.parametrize(
    "content",
    ["[", '[{"question": "a"}', '[{"question": "a"},]', '[{"question": "a"}] x', '[{"question": "a"} {}]',
     '[{"question": "a', '[{"question": "a"},{"question": "b" 1}]', "[" + "9" * 5000 + "]", "[1e999]",
     "[]]", "7"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_more_damage_is_refused_in_one_line(tmp_path: Path, content: str, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CoconutError) as caught:
        read_problems(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("oops", "not valid JSON: Expecting value at column 1"),
        ('{"question": "Is it so?", "answer": 72}', "the entry 'answer' must be a text, not a whole number"),
        ('{"question": 1}', "the entry 'question' must be a text, not a whole number"),
    ],
)
def test_what_is_wrong_is_said_of_its_line(tmp_path: Path, line: str, said: str) -> None:
    lines = [json.dumps(problem.to_json()) for problem in made_up(400)]  # more than is read in one piece
    lines[200] = line
    path = tmp_path / "lines"
    path.write_text("\n\n" + "\n".join(lines))
    with pytest.raises(CoconutError) as caught:
        read_problems(path)
    assert str(caught.value) == f"{path}, line 203: {said}"
    path.write_text("[\n" + ",\n".join(lines) + "\n]")
    with pytest.raises(CoconutError) as caught:
        read_problems(path)
    where = f"{path}, problem 201, line 202: " if line == "oops" else f"{path}, problem 201: "
    assert str(caught.value) == where + said


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("form", ["lines", "a list", "a list in one line"])
@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "data"])
def test_what_comes_first_tells_a_list_from_lines(tmp_path: Path, mark: str, form: str, name: str) -> None:
    problems = list(made_up(300))
    path = tmp_path / name
    if form == "a list":
        write_problems(path, problems)
        text = path.read_text(encoding="utf-8")
    else:
        lines = [json.dumps(problem.to_json()) for problem in problems]
        text = "\n".join(lines) if form == "lines" else f"[{','.join(lines)}]"
    path.write_text(mark + text, encoding="utf-8")
    assert read_problems(path) == problems


def test_problems_come_from_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        file.writelines(json.dumps(problem.to_json()) + "\n" for problem in made_up(5))
    try:
        assert read_problems(f"/dev/fd/{reading}") == list(made_up(5))
    finally:
        os.close(reading)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(b'[{"question": "\xff"}]')
    with pytest.raises(CoconutError, match="cannot read problems"):
        read_problems(path)


def test_problems_in_front_of_the_damage_come_first(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_problems(path, made_up(500))
    path.write_text(path.read_text(encoding="utf-8")[:-700], encoding="utf-8")
    found = stream_problems(path)
    assert list(itertools.islice(found, 499)) == list(made_up(499))
    with pytest.raises(CoconutError, match="not valid JSON"):
        next(found)


def test_an_empty_list_and_other_white_space(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    assert write_problems(path, []) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == read_problems(path) == []
    path.write_text(' \r\n[\t{"question":"a"}\n,\n{"question": "b"} ]\n\n', encoding="utf-8")
    assert [problem.question for problem in read_problems(path)] == ["a", "b"]


def test_some_problems_are_the_first_of_a_file_that_must_not_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    write_problems(path, made_up(3))
    assert read_some_problems(path) == list(made_up(3))
    assert read_some_problems(path, 2) == list(made_up(2))
    write_problems(path, [])
    with pytest.raises(CoconutError, match="holds no problems"):
        read_some_problems(path, 2)


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    count = 6000

    def peak_of(work: Iterator[object]) -> int:
        tracemalloc.start()
        for _ in work:
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    if name == "data.json":
        assert peak_of(iter([write_problems(path, made_up(count))])) < 1_000_000
    else:
        path.write_text("".join(json.dumps(problem.to_json()) + "\n" for problem in made_up(count)))
    assert path.stat().st_size > 6_000_000
    assert peak_of(stream_problems(path)) < 1_000_000


# -- written aside -----------------------------------------------------------------------------------------


def test_a_failure_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_problems(path, made_up(3))

    def failing() -> Iterator[Problem]:
        yield from made_up(100)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_problems(path, failing())
    assert read_problems(path) == list(made_up(3))
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CoconutError, match="cannot write"):
        write_problems(path, [Problem("half a pair: \ud83d", (), "")])
    assert read_problems(path) == list(made_up(3))


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_problems(path, made_up(3))
    code = (
        "import itertools, sys\nfrom coconut_core.problems import Problem, write_problems\n"
        "write_problems(sys.argv[1], (Problem('q' * 1000, (), str(n)) for n in itertools.count()))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        deadline = time.monotonic() + 30
        while not any(other.stat().st_size > 100_000 for other in tmp_path.rglob("new")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert read_problems(path) == list(made_up(3))


def test_links_and_pipes_are_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    write_problems(link, made_up(2))
    assert link.is_symlink()
    assert read_problems(target) == list(made_up(2))
    with target.open("a", encoding="utf-8") as file:
        write_problems(
            f"/dev/fd/{file.fileno()}", made_up(1)
        )  # as `coconut data make … --out /dev/stdout >> file`
    assert target.read_text(encoding="utf-8").count("[\n") == 2
    reading, writing = os.pipe()
    write_problems(f"/dev/fd/{writing}", made_up(2))
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        assert len(json.load(file)) == 2
