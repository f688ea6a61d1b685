"""coconut data, end to end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from coconut_core.problems import generate_problems, read_problems, split_of, write_problems
from coconut_core.problems.prosqa import ProsqaSize
from tests.cli.conftest import Run


def test_make_with_sizes_and_split(coconut: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    arguments = ("--nodes", "10..12", "--hops", "2", "--edges", "8..20", "--split", "valid", "--count", 20)
    result = coconut("data", "make", "prosqa", *arguments, "--seed", 4, "--out", path)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"wrote 20 problems to {path}\n"
    problems = read_problems(path)
    size = ProsqaSize(nodes=(10, 12), hops=(2, 2), edges=(8, 20))
    assert problems == generate_problems("prosqa", 20, 4, "valid", size)
    for problem in problems:
        assert problem.graph is not None
        assert split_of(problem.graph) == "valid"
        assert len(problem.steps) == 2


@pytest.mark.parametrize("family", ["prontoqa", "symbolic"])
def test_make_other_families(coconut: Run, tmp_path: Path, family: str) -> None:
    path = tmp_path / "data.json"
    assert coconut("data", "make", family, "--count", 5, "--out", path).returncode == 0
    assert read_problems(path) == generate_problems(family, 5, 0)


def test_make_into_a_pipe(coconut: Run, tmp_path: Path) -> None:
    result = coconut("data", "make", "symbolic", "--count", 2, "--out", "-", cwd=tmp_path)
    assert len(json.loads(result.stdout)) == 2
    assert not list(tmp_path.iterdir())


def test_a_progress_bar_where_there_is_a_terminal(tmp_path: Path) -> None:
    reading, writing = os.openpty()
    command = Path(sys.executable).with_name("coconut")
    path = tmp_path / "data.json"
    subprocess.run(
        [command, "data", "make", "prontoqa", "--count", "300", "--out", path],
        stderr=writing,
        check=True,
        timeout=300,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "300"},
    )
    os.close(writing)
    shown = os.read(reading, 100_000).decode()
    os.close(reading)
    assert "making" in shown
    assert "wrote 300 problems" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("make", "prosqa", "--nodes", "five"), "--nodes takes a number or a range like 3..6, not 'five'"),
        (("make", "prosqa", "--nodes", "50"), "nodes must be a range within 4..40, not 50..50"),
        (("make", "prosqa", "--hops", "6..3"), "not 6..3"),
        (("make", "prosqa", "--nodes", "6", "--hops", "6"), "allow more nodes"),
        (("make", "prontoqa", "--edges", "20"), "prontoqa has no --edges: its knobs are --nodes, --hops"),
        (("make", "prosqa", "--split", "dev"), "choose one of train, valid, test"),
        (("make", "prosqa", "--count", "-1"), "count must be 0 or more"),
        (("make", "sudoku"), "known are prosqa, prontoqa, symbolic"),
    ],
)
def test_make_errors(coconut: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = coconut("data", *arguments, "--out", tmp_path / "x.json")
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_stats_of_one_file_and_of_two(coconut: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    coconut("data", "make", "prosqa", "--count", 30, "--out", first)
    second.write_text('[{"question": "How many?", "steps": ["<<1+1=2>>"], "answer": "2"}]')
    text = coconut("data", "stats", first).stdout
    for row in ("nodes", "edges", "hops", "children of an inner node", "persons", "target named first"):
        assert row in text
    both = coconut("data", "stats", first, "--against", second).stdout
    assert "first.json" in both
    assert "second.json" in both
    facts = json.loads(coconut("data", "stats", first, "--against", second, "--json").stdout)
    assert (facts["problems"], facts["against"]["problems"]) == (30, 1)
    assert facts["nodes"]["n"] == 30
    assert "nodes" not in facts["against"]
    assert facts["against"]["answers"] == {"2": 1}
    second.write_text("[]")
    assert "holds no problems" in coconut("data", "stats", second).stderr


def test_convert(coconut: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "aug.txt", tmp_path / "out.json"
    source.write_text("a||<<1+1=2>> #### 2\nb||<<1+1=3>> #### 3\nc||<<2*500=1000>> #### 1,000\n")
    result = coconut("data", "convert", "gsm8k", source, out, "--json")
    assert result.returncode == 0
    assert result.stderr == "line 2: <<1+1=3>>: 1+1 is 2, not 3\n"
    facts = json.loads(result.stdout)
    assert (facts["problems"], facts["steps"], facts["without_steps"]) == (2, 2, 0)
    assert facts["refused"] == [{"line": 2, "reason": "<<1+1=3>>: 1+1 is 2, not 3"}]
    assert [problem.answer for problem in read_problems(out)] == ["2", "1000"]
    plain = coconut("data", "convert", "gsm8k", source, out)
    assert plain.stdout == ""
    assert "wrote 2 problems with 2 steps" in plain.stderr
    assert "left out 1 lines" in plain.stderr


def test_convert_prontoqa_in_parts(coconut: Run, tmp_path: Path) -> None:
    """Its own generator writes one file, of which the official preparation makes three."""
    source = Path(__file__).parents[1] / "core" / "files" / "5hop_0shot_random.json"
    whole, last = read_problems(source), tmp_path / "last.json"
    result = coconut("data", "convert", "prontoqa", source, last, "--skip", 1, "--count", 1, "--json")
    assert result.returncode == 0
    facts = json.loads(result.stdout)
    assert (facts["problems"], facts["steps"], facts["refused"]) == (1, 6, [])
    (problem,) = read_problems(last)
    assert problem.graph is not None
    assert (problem.question, problem.steps, problem.answer) == (whole[1].question, whole[1].steps, "False")
    assert "25" in coconut("data", "stats", last).stdout
    none = coconut("data", "convert", "prontoqa", source, tmp_path / "none.json", "--skip", 3)
    assert none.returncode == 2
    assert "nothing in" in none.stderr
    assert not (tmp_path / "none.json").exists()


def test_convert_word_problems(coconut: Run, tmp_path: Path) -> None:
    rows = [
        {
            "Body": "Ann has 8 nuts.",
            "Question": "She eats 3. Left?",
            "Equation": "( 8.0 - 3.0 )",
            "Answer": answer,
        }
        for answer in (5.0, 6.0)
    ]
    source, out = tmp_path / "SVAMP.json", tmp_path / "out.json"
    source.write_text(json.dumps(rows))
    result = coconut("data", "convert", "svamp", source, out, "--json")
    facts = json.loads(result.stdout)
    assert (facts["problems"], facts["steps"]) == (1, 1)
    assert facts["refused"] == [{"problem": 2, "reason": "( 8.0 - 3.0 ) is not the answer, 6"}]
    assert [(problem.question, problem.answer) for problem in read_problems(out)] == [
        ("Ann has 8 nuts. She eats 3. Left?", "5")
    ]


def test_convert_errors(coconut: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "bad.txt", tmp_path / "out.json"
    source.write_text("nothing of use\n")
    for arguments, words in (
        (("gsm8k", source, out), "nothing in"),
        (("gsm8k", tmp_path / "missing", out), "cannot read"),
        (("math", source, out), "known are gsm8k, gsm8k-aug, svamp, gsm-hard, multiarith, prontoqa"),
        (("prontoqa", source, out), "none of ProntoQA's own generator"),
    ):
        result = coconut("data", "convert", *arguments)
        assert result.returncode == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert not out.exists()


def test_a_table_is_looked_at_and_answered_as_a_problem_file_is(
    coconut: Run, checkpoint: Path, tmp_path: Path
) -> None:
    problems = generate_problems("prosqa", 3, 0)
    write_problems(tmp_path / "t.json", problems)
    rows = [{"question": each.question, "way": list(each.steps), "answer": each.answer} for each in problems]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "t.parquet")
    places = tmp_path / "t.json", f"{tmp_path / 't.parquet'}?steps=way"
    looked = [json.loads(coconut("data", "stats", place, "--json").stdout) for place in places]
    assert looked[1]["problems"] == looked[0]["problems"] == 3
    scores = [
        json.loads(coconut("eval", "--model", checkpoint, "--data", place, "--json").stdout) for place in places
    ]
    assert scores[1]["n"] == scores[0]["n"] == 3
    assert scores[1]["accuracy"] == scores[0]["accuracy"]
