"""coconut across, end to end: a trained run, its strip, its files, and what is said where a thing is wrong."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run
from tests.cli.tiny_recipe import TINY

STEPS = (0, 3, 6, 9, 12, 15)  # of stages' ends, and the newest two that can be gone on with
FEW = ("--count", 4, "--max-new-tokens", 8)


@pytest.fixture(scope="module")
def run(coconut: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept what it was at each stage's end."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tiny.toml").write_text(TINY)
    out = folder / "tiny"
    result = coconut(
        "train", folder / "tiny.toml", "--set", "keep_stages=true", "--out", out, "--device", "cpu"
    )
    assert result.returncode == 0, result.stderr
    return out


def test_a_strip_is_printed_and_what_was_measured_is_kept(coconut: Run, run: Path, tmp_path: Path) -> None:
    files = ("--csv", tmp_path / "a.csv", "--plot", tmp_path / "a.svg")
    first = coconut("across", run, *FEW, *files)
    assert first.returncode == 0, first.stderr
    assert first.stderr.splitlines() == [f"measuring step {step}" for step in STEPS]
    lines = [line.split() for line in first.stdout.splitlines()]
    assert lines[0][:3] == ["step", "loss", "right"]
    assert [line[0] for line in lines[1:7]] == [str(step) for step in STEPS]
    assert "the answer needs the thoughts: " in first.stdout
    again = coconut("across", run, *FEW)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    with (tmp_path / "a.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == [str(step) for step in STEPS]
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_one_question_is_json_that_any_reader_takes(coconut: Run, run: Path) -> None:
    result = coconut("across", run, "--example", 2, *FEW, "--json")
    record = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    assert [entry["step"] for entry in record["checkpoints"]] == [*STEPS]
    last = record["checkpoints"][-1]["measurement"]
    assert len(last["thoughts"]) == 2
    assert last["swapped"]["count"] == 4
    assert last["thoughts"][0]["frontier"]["n"] == 1


def test_kept_models_are_ordinary_ones(coconut: Run, run: Path) -> None:
    kept = run / "kept" / "step-000015"
    asked = coconut("ask", "--model", kept, "--example", 1, "--json")
    assert json.loads(asked.stdout)["tokens"]["thoughts"] == 2
    assert coconut("info", kept).returncode == 0


def test_what_is_wrong_is_one_line(coconut: Run, run: Path, tmp_path: Path) -> None:
    for arguments, why in (
        ((tmp_path,), "holds no checkpoint"),
        ((tmp_path / "nowhere",), "there is no folder"),
        ((run, "Is it?", "--example", 1), "give one question"),
        ((run, "--count", 0), "must be 1 or more"),
        ((run, "--plot", tmp_path / "a.png"), "ends in .svg"),
        ((run, "--data", tmp_path / "none.json"), "none.json"),
        ((run, "--thoughts", -1), "thoughts"),
    ):
        result = coconut("across", *arguments)
        assert result.returncode == 2, arguments
        assert why in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


def test_ctrl_c_loses_nothing_of_what_was_measured(coconut: Run, run: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("coconut")),
        "across",
        str(run),
        "--count",
        "25",
        "--seed",
        "3",
    ]
    before = set((run / "across").glob("*.json"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment,
        # A shell's background jobs, and all that they start, begin with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    said = iter(process.stderr.readline, b"")
    assert any(b"measuring step 3" in line for line in said)  # so step 0 is kept, and most are still to come
    done = set((run / "across").glob("*.json")) - before
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert done
    assert errors.decode().splitlines()[-1] == "interrupted"
    kept = set((run / "across").glob("*.json")) - before
    rest = coconut("across", run, "--count", 25, "--seed", 3)
    assert rest.stderr.count("measuring step ") == 6 - len(kept)
