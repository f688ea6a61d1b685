"""coconut analyze and coconut lens, end to end on a random checkpoint."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coconut_core.cli.app import app
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems, write_problems
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "problems.json"
    write_problems(path, generate_problems("prosqa", 36, seed=5))
    return path


def test_it_writes_what_it_prints(coconut: Run, checkpoint: Path, data: Path, tmp_path: Path) -> None:
    result = coconut(
        *("analyze", "--model", checkpoint, "--data", data, "--out", tmp_path / "out"),
        *("--only", "search", "--only", "pca", "--count", 10),
    )
    assert result.returncode == 0, result.stderr
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in paths] == [
        "analysis.json",
        "analysis.md",
        "distance.svg",
        "frontier.svg",
        "pca.svg",
    ]
    assert all(path.is_file() for path in paths)
    assert result.stderr.splitlines() == ["reading search", "reading pca"]
    record = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (record["problems"], record["thoughts"]) == (10, 3)
    assert list(record["readings"]) == ["search", "pca"]
    assert "nan" not in paths[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["analysis.json", "analysis.md", "pca.svg"])
def test_files_of_somebody_else_are_not_written_over(
    name: str, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text('["dear"]')
    arguments = ["analyze", "-m", str(checkpoint), "-d", str(data), "-o", str(tmp_path), "--only", "pca"]
    result = CliRunner().invoke(app, [*arguments, "--count", "4"])
    assert isinstance(result.exception, CoconutError)
    assert str(result.exception).endswith(
        f"holds {name}, which is of no earlier analysis: choose another folder"
    )
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: '["dear"]'}


def test_an_analysis_takes_the_place_of_an_earlier_one_beside_notes(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("dear")
    arguments = ["analyze", "-m", str(checkpoint), "-d", str(data), "-o", str(tmp_path), "--only", "pca"]
    for count in (4, 5):
        result = CliRunner().invoke(app, [*arguments, "--count", str(count)])
        assert result.exit_code == 0, result.output
        assert json.loads((tmp_path / "analysis.json").read_text())["problems"] == count
    assert (tmp_path / "notes.txt").read_text() == "dear"


def test_without_a_choice_it_does_all_that_it_can(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--thoughts", "1", "--seed", "3", "--count", "4"]
    result = CliRunner().invoke(app, ["analyze", "--model", str(checkpoint), "--data", str(data), *options])
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "analysis.json").read_text(encoding="utf-8"))
    assert len(record["readings"]) == 7
    assert list(record["left_out"]) == ["probes"], "four problems are too few to train on"
    assert "left out: probes: a probe needs at least 30 problems" in result.stderr
    assert (record["thoughts"], record["seed"]) == (1, 3)


def test_a_tuned_lens_is_trained_and_then_used(
    coconut: Run, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    result = coconut("lens", "train", "--model", folder, "--data", data, "--steps", 30, "--json")
    assert result.returncode == 0, result.stderr
    calibration = json.loads(result.stdout)
    assert (calibration["trained_on"], calibration["held_out"], calibration["thoughts"]) == (24, 12, 3)
    assert (folder / "lens" / "tuned.safetensors").is_file()
    assert "step 30 of 30" in result.stderr
    result = coconut(
        "analyze", "-m", folder, "-d", data, "-o", tmp_path / "out", "--only", "depth", "--count", 5
    )
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "out" / "analysis.json").read_text(encoding="utf-8"))
    assert record["readings"]["depth"]["calibration"] == calibration
    assert (tmp_path / "out" / "depth-tuned.svg").is_file()


def test_the_calibration_is_printed(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    options = ["--model", str(folder), "--data", str(data), "--steps", "1", "--count", "12"]
    result = CliRunner().invoke(app, ["lens", "train", *options])
    first, head, row = result.stdout.splitlines()
    assert first.startswith("Calibration: KL to the last layer in nats, 4 held-out problems (8 to train on)")
    assert head.split() == ["plain", "lens", "tuned", "lens"]
    assert row.startswith("layer 1 ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "everything"], "unknown reading 'everything'"),
        (["--count", "0"], "1 or more"),
        (["--thoughts", "-1"], "thoughts must be 0 or more"),
    ],
)
def test_mistakes_are_one_line(
    coconut: Run, checkpoint: Path, data: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = coconut("analyze", "--model", checkpoint, "--data", data, "--out", tmp_path, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_where_nothing_can_be_written(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    common = ["--model", str(checkpoint), "--data", str(data)]
    result = CliRunner().invoke(app, ["analyze", *common, "--out", str(tmp_path / "file" / "out")])
    assert isinstance(result.exception, CoconutError)
    assert "cannot write into" in str(result.exception)
    assert "reading" not in result.stderr, "said before the work, not after it"
    result = CliRunner().invoke(app, ["lens", "train", "--model", str(tmp_path / "none"), "--data", str(data)])
    assert isinstance(result.exception, CoconutError)
    assert "is no folder" in str(result.exception)


def test_help_imports_nothing_heavy() -> None:
    for command in (["analyze"], ["lens"], ["lens", "train"]):
        code = (
            f"import sys\nfrom coconut_core.cli import main\nsys.argv = ['coconut', *{command}, '--help']\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "heavy = {'torch', 'transformers', 'matplotlib', 'plotext'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)
