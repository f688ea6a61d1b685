"""coconut eval, end to end: one number of thoughts, several, and everything that it writes."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from coconut_core.cli.evaluate import MOST_NUMBERS, read_numbers
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.outcomes import Outcome
from coconut_core.problems import Problem, generate_problems, write_problems
from tests.cli.conftest import ROOT, Run
from tests.core.ordinary_models import CHATML, ordinary_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "problems.json"
    write_problems(path, generate_problems("prosqa", 8, seed=5))
    return path


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", [3]),
        ("0..6", [0, 1, 2, 3, 4, 5, 6]),
        ("0,2,4", [0, 2, 4]),
        ("0..2,6,1", [0, 1, 2, 6]),
        (" 1 , 3 .. 4 ", [1, 3, 4]),
        ("2..2", [2]),
    ],
)
def test_numbers_of_thoughts(text: str, numbers: list[int]) -> None:
    assert read_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "-1", "6..0", "a", "1.5", "0...6", "1,,2", "0..6..8", "9" * 20])
def test_what_are_no_numbers_of_thoughts(text: str) -> None:
    with pytest.raises(CoconutError, match=r"a number \(3\), a range \(0\.\.6\) or a list"):
        read_numbers(text)


def test_a_sweep_has_its_bounds() -> None:
    assert len(read_numbers(f"1..{MOST_NUMBERS}")) == MOST_NUMBERS
    with pytest.raises(CoconutError, match="name fewer"):
        read_numbers(f"0..{MOST_NUMBERS}")


def test_a_sweep_as_json_with_figure_and_failures(
    coconut: Run, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    figure, failures = tmp_path / "figure.svg", tmp_path / "wrong.jsonl"
    result = coconut(
        *("eval", "--model", checkpoint, "--data", data, "--thoughts", "0..2", "--max-new-tokens", 12),
        *("--json", "--plot", figure, "--failures", failures),
    )
    assert result.returncode == 0, result.stderr
    sweep = json.loads(result.stdout)["sweep"]
    assert [record["thoughts"] for record in sweep] == [0, 1, 2]
    for record in sweep:
        assert record["words_allowed"] is True
        assert sum(record["outcomes"].values()) == record["n"] == 8
        assert set(record["outcomes"]) == {outcome.value for outcome in Outcome}
        assert sum(share["n"] for share in record["hops"].values()) == 8
        assert record["positions"] > record["forward_passes"] > 12
    assert "<!-- Hallucination -->" in figure.read_text()
    wrong = [json.loads(line) for line in failures.read_text().splitlines()]
    assert len(wrong) == sum(record["n"] - record["right"] for record in sweep)
    for record in sweep:
        mine = [line for line in wrong if line["thoughts"] == record["thoughts"]]
        assert sum(not line["finished"] for line in mine) <= record["cut_off"]
        for outcome, count in record["outcomes"].items():
            assert sum(line["outcome"] == outcome for line in mine) <= count
    assert set(wrong[0]) == {
        "thoughts",
        "question",
        "expected",
        "said",
        "outcome",
        "hops",
        "finished",
        "stopped_by",
    }
    assert f"wrote {len(wrong)} wrong answers" in result.stderr


def test_one_number_prints_its_figures_and_a_plot_where_asked_for(
    coconut: Run, checkpoint: Path, data: Path
) -> None:
    result = coconut("eval", "--model", checkpoint, "--data", data, "--plot", "-", "--max-new-tokens", 9)
    assert result.returncode == 0, result.stderr
    first, *rest = result.stdout.splitlines()
    assert first.startswith("accuracy ")
    assert "95 % interval" in first
    assert "n=8, 3 thoughts, thoughts only" in first
    assert "accuracy (%) against reasoning steps" in rest
    assert "forward passes" in result.stdout
    assert "Hallucination" not in result.stdout, "without words only the answer can be judged"
    assert "\x1b" not in result.stdout


def test_markdown_tables(coconut: Run, checkpoint: Path, data: Path) -> None:
    result = coconut(
        *("eval", "--model", checkpoint, "--data", data, "--thoughts", "0,3", "--markdown"),
        *("--max-new-tokens", 9, "--limit", 5),
    )
    assert result.returncode == 0, result.stderr
    tables = [table.splitlines() for table in result.stdout.split("\n\n")]
    assert len(tables) == 2
    for table in tables:
        assert len(table) == 4
        assert len({line.count("|") for line in table}) == 1
        assert [line.split("|")[1].strip() for line in table] == ["thoughts", "---:", "0", "3"]
    assert "accuracy % (95 % interval), n=5" in tables[0][0]
    assert "Wrong Target" in tables[1][0]


def test_a_terminal_gets_the_plot_unasked(checkpoint: Path, data: Path) -> None:
    ours, theirs = pty.openpty()
    command = Path(sys.executable).with_name("coconut")
    options = ["-n", "0..1", "--answer-only", "--max-new-tokens", "9"]
    with subprocess.Popen(
        [command, "eval", "-m", checkpoint, "-d", data, *options],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode().replace("\r\n", "\n")
    assert "accuracy (%) against thoughts k" in text
    assert "Wrong Target" not in text.split("against thoughts k")[0], "no words, no classes in the table"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--thoughts", "6..0"], "a range (0..6)"),
        (["--thoughts", "-1"], "a number (3)"),
        (["--json", "--markdown"], "--json prints nothing but JSON"),
        (["--json", "--plot", "-"], "--json prints nothing but JSON"),
        (["--max-new-tokens", "0"], "1 or more"),
        (["--plot", "figure.png"], "ends in .svg"),
    ],
)
def test_mistakes_are_one_line(coconut: Run, data: Path, options: list[str], message: str) -> None:
    result = coconut("eval", "--model", "nowhere", "--data", data, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["eval", "controls"])
def test_a_problem_without_an_answer_is_refused(
    command: str, coconut: Run, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    records = json.loads(data.read_text())
    del records[1]["answer"]
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps(records))
    result = coconut(command, "--model", checkpoint, "--data", asked)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"error: {asked}, problem 2: there is no 'answer' to compare with: give it one\n"


def test_help_draws_nothing() -> None:
    code = (
        "import sys\nfrom coconut_core.cli import main\nsys.argv = ['coconut', 'eval', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'plotext'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)


def test_a_language_models_words_are_scored(coconut: Run, tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path / "model", "qwen2", template=CHATML)
    problems = tmp_path / "problems.json"
    problems.write_text(json.dumps([Problem("How many?", ("many",), "72").to_json()]), encoding="utf-8")
    run = ("eval", "--model", folder, "--data", problems, "--thoughts", 1, "--max-new-tokens", 3, "--json")
    for more, looked in (((), "a number"), (("--answer-prefix", "####"), "'####'")):
        result = coconut(*run, *more)
        assert (result.returncode, json.loads(result.stdout)["no_answer"]) == (0, 1)
        assert f"warning: no answer was found in 1 of 1 texts, where {looked} was looked for" in result.stderr


def test_the_official_evaluation_is_asked_for(
    coconut: Run, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    run = ("eval", "--model", checkpoint, "--data", data, "--official")
    assert ", official evaluation)" in coconut(*run, "--max-new-tokens", 2).stdout
    record = json.loads(coconut(*run, "--max-new-tokens", 2, "--json").stdout)
    assert (record["official"], record["words_allowed"], record["cut_off"]) == (True, True, 8)
    refused = coconut(*run, "--answer-only")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    other = coconut("eval", "--model", checkpoint, "--data", data, "--answer-prefix", "####")
    assert (other.returncode, "was trained to say '###' in front" in other.stderr) == (2, True)
