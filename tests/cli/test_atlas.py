"""coconut atlas: build, query, info and nearest, end to end."""

import csv
import io
import json
from pathlib import Path

import pandas
import pytest

from coconut_core.problems import generate_problems, write_problems
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.json"
    write_problems(path, generate_problems("prosqa", 12, 1))
    return path


@pytest.fixture(scope="module")
def atlas(coconut: Run, checkpoint: Path, problems: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a random model, so that what it says is mostly wrong."""
    path = tmp_path_factory.mktemp("atlas") / "A"
    result = coconut("atlas", "build", "-m", checkpoint, "-d", problems, "-o", path, "--count", 8)
    assert result.returncode == 0, result.stderr
    assert (result.stdout, result.stderr) == ("", f"{path} holds 8 runs\n")
    return path


def test_rows_as_a_table_csv_json_and_parquet(coconut: Run, atlas: Path, tmp_path: Path) -> None:
    shown = coconut("atlas", "query", atlas, "wrong", "--limit", 2)
    assert shown.stdout.split()[:5] == ["run", "right", "hops", "said", "used"]
    assert "2 of " in shown.stderr
    options = ("--columns", "run, entropy(2), tokens", "--order", "entropy(2) desc")
    rows = json.loads(coconut("atlas", "query", atlas, *options, "--json").stdout)
    assert [*rows[0]] == ["run", "entropy(2)", "tokens"]
    entropies = [row["entropy(2)"] for row in rows]
    assert len(rows) == 8
    assert entropies == sorted(entropies, reverse=True)
    table = [*csv.DictReader(io.StringIO(coconut("atlas", "query", atlas, *options, "--csv").stdout))]
    assert [float(row["entropy(2)"]) for row in table] == entropies
    assert table[0]["tokens(1)"].split() == rows[0]["tokens"][0]
    written = coconut("atlas", "query", atlas, *options, "--parquet", tmp_path / "some.parquet")
    assert (written.stdout, written.stderr) == ("", f"wrote 8 runs to {tmp_path / 'some.parquet'}\n")
    assert pandas.read_parquet(tmp_path / "some.parquet")["run"].tolist() == [row["run"] for row in rows]
    every = json.loads(coconut("atlas", "query", atlas, "--columns", "all", "--json", "--limit", 1).stdout)
    assert {"question", "frontier", "distances", "logit_difference"} < every[0].keys()
    assert coconut("atlas", "query", atlas, "hops > 99").stderr == "no run fits\n"
    assert coconut("atlas", "query", atlas, "hops > 99", "--json").stdout == "[]\n"


def test_info_tells_of_model_data_runs_and_columns(coconut: Run, atlas: Path, checkpoint: Path) -> None:
    told = json.loads(coconut("atlas", "info", atlas, "--json", "--check").stdout)
    assert (told["rows"], told["complete"], told["model"]["source"]) == (8, True, str(checkpoint))
    assert told["summary"]["n"] == 8
    assert len(told["summary"]["heat"]["means"][0]) == 3  # thoughts
    assert {column["name"] for column in told["columns"]} > {"run", "frontier", "used"}
    none = coconut("atlas", "info", atlas, "hops > 99")
    assert none.returncode == 0
    assert "of 0 runs with hops > 99\nright     not known\nused      not known\n" in none.stdout
    shown = coconut("atlas", "info", atlas, "wrong").stdout
    for words in ("of ", "runs with wrong", "by hops from the root", "logit_difference", "thought 3"):
        assert words in shown


def test_the_nearest_thoughts(coconut: Run, atlas: Path) -> None:
    rows = json.loads(coconut("atlas", "nearest", atlas, 3, 2, "--count", 4, "--json").stdout)
    cosines = [row["cosine"] for row in rows]
    assert len(rows) == 4
    assert cosines == sorted(cosines, reverse=True)
    assert (3, 2) not in [(row["run"], row["thought"]) for row in rows]
    assert "cosine" in coconut("atlas", "nearest", atlas, 3, 2).stdout
    only = json.loads(coconut("atlas", "nearest", atlas, 3, 2, "--where", "run > 5", "--json").stdout)
    assert {row["run"] for row in only} == {6, 7}


def test_more_problems_are_added(coconut: Run, checkpoint: Path, problems: Path, tmp_path: Path) -> None:
    def build(*options: object) -> tuple[int, str]:
        result = coconut("atlas", "build", "-m", checkpoint, "-d", problems, "-o", tmp_path / "A", *options)
        return result.returncode, result.stderr

    assert build("--count", 3, "--swaps", 0)[0] == 0
    assert build("--count", 3, "--swaps", 0) == (
        0,
        f"3 of 3 runs are there: going on\n{tmp_path / 'A'} holds 3 runs\n",
    )
    code, said = build("--swaps", 0)
    assert (code, said) == (
        2,
        f"error: {tmp_path / 'A'} holds other problems: --append adds these, or choose another --out\n",
    )
    assert build("--swaps", 0, "--append")[0] == 0
    assert len(pandas.read_parquet(tmp_path / "A" / "runs")) == 15


def test_without_a_file_problems_of_the_models_family_are_drawn(
    coconut: Run, checkpoint: Path, tmp_path: Path
) -> None:
    options = ("-m", checkpoint, "-o", tmp_path / "A", "--swaps", 0)
    assert coconut("atlas", "build", *options, "--count", 3).returncode == 0
    told = json.loads(coconut("atlas", "info", tmp_path / "A", "--json").stdout)
    assert [(mark["source"], mark["count"]) for mark in told["data"]] == [
        ("3 drawn from prosqa, test split", 3)
    ]
    drawn = generate_problems("prosqa", 3, 5, "test")
    rows = json.loads(coconut("atlas", "query", tmp_path / "A", "--columns", "question", "--json").stdout)
    assert [row["question"] for row in rows] == [problem.question for problem in drawn]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("query", "{atlas}", "fronteir(1) > 0"),
            "there is no 'fronteir' in this atlas: the nearest is frontier(1)",
        ),
        (
            ("query", "{atlas}", "wrong", "--order", "entropi(2)"),
            "there is no 'entropi' in this atlas: the nearest is",
        ),
        (
            ("query", "{atlas}", "wrong", "--columns", "run,sayd"),
            "there is no 'sayd' in this atlas: the nearest is said",
        ),
        (("query", "{atlas}", "--csv", "--json"), "choose one of --csv, --json and --parquet"),
        (
            (
                "query",
                "{none}",
            ),
            "is no atlas: it has no atlas.json",
        ),
        (
            (
                "info",
                "{none}",
            ),
            "is no atlas: it has no atlas.json",
        ),
        (("nearest", "{atlas}", "99", "1"), "there is no run 99: the atlas has 8, numbered from 0"),
        (("nearest", "{atlas}", "1", "9"), "run 1 has no thought 9"),
        (("build", "-d", "{none}", "-o", "{none}"), "cannot read problems from"),
        (
            ("build", "-m", "models/sums", "-d", "{problems}", "--count", "8", "-o", "{atlas}"),
            "holds runs of another model",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    coconut: Run, atlas: Path, problems: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = {"atlas": atlas, "none": tmp_path / "none", "problems": problems}
    result = coconut("atlas", *(argument.format(**places) for argument in arguments))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
