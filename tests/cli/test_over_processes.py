"""Commands that two processes run together: the same output as from one, one voice, one end."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coconut_core.problems import generate_problems, write_problems
from tests.abuse.warm import Done, Warm
from tests.cli.conftest import ROOT, Run

Both = Callable[..., tuple[Done, Done]]


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven, so that the last turn has a batch for one process only."""
    path = tmp_path_factory.mktemp("problems") / "problems.json"
    write_problems(path, generate_problems("prosqa", 11, 1))
    return path


@pytest.fixture(scope="module")
def other() -> Iterator[Warm]:
    """Where the second process comes from."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def both(coconut: Run, other: Warm) -> Both:
    """Run a command in two processes, as a launcher starts them; second: more words for the other one."""

    def run(*words: object, second: tuple[object, ...] = (), **options: Any) -> tuple[Done, Done]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
        ours, theirs = ({"RANK": number, "LOCAL_RANK": number, **shared} for number in "01")
        with ThreadPoolExecutor() as pool:
            one = pool.submit(coconut, *words, environment=ours)
            two = pool.submit(other.run, "coconut", *words, *second, environment=theirs, **options)
            return one.result(), two.result()

    return run


def assert_one_voice(main: Done, other: Done) -> None:
    assert (main.returncode, other.returncode) == (0, 0), main.stderr + other.stderr
    assert (other.stdout, other.stderr) == ("", "")


def assert_one_error(main: Done, other: Done, line: str) -> None:
    assert (main.returncode, other.returncode) == (2, 2), main.stderr + other.stderr
    assert (main.stdout, other.stdout, other.stderr) == ("", "", "")
    assert line in main.stderr.splitlines()[-1]
    assert main.stderr.count("error:") == 1


def test_eval_says_the_same(coconut: Run, both: Both, checkpoint: Path, problems: Path, tmp_path: Path) -> None:
    words: list[object] = ["eval", "--model", checkpoint, "--data", problems, "--thoughts", "0..2"]
    words += ["--batch-size", 2, "--max-new-tokens", 6, "--json", "--failures"]
    alone = coconut(*words, tmp_path / "alone.jsonl")
    main, other = both(*words, tmp_path / "both.jsonl")
    assert_one_voice(main, other)
    records = [json.loads(done.stdout) for done in (alone, main)]
    for record in records:  # wall time is nobody's number
        assert all(result.pop("seconds") > 0 for result in record["sweep"])
    assert records[0] == records[1]
    assert records[0]["sweep"][0]["forward_passes"] > 10
    assert (tmp_path / "both.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes() != b""


def test_controls_keep_the_same_file(
    coconut: Run, both: Both, checkpoint: Path, problems: Path, tmp_path: Path
) -> None:
    words = ("controls", "--model", checkpoint, "--data", problems, "--per-thought", "--max-new-tokens", 6)
    alone = coconut(*words, "--out", tmp_path / "alone.json")
    main, other = both(*words, "--out", tmp_path / "both.json")
    assert_one_voice(main, other)
    assert main.stdout == alone.stdout
    assert (tmp_path / "both.json").read_bytes() == (tmp_path / "alone.json").read_bytes()


def test_analyze_writes_the_same_files(
    coconut: Run, both: Both, checkpoint: Path, problems: Path, tmp_path: Path
) -> None:
    names = ("search", "values", "attention", "depth")  # the runs, and what runs them again in its own way
    words = ["analyze", "--model", checkpoint, "--data", problems, "--batch-size", 2]
    words += [*(word for name in names for word in ("--only", name)), "--out"]
    coconut(*words, tmp_path / "alone")
    assert_one_voice(*both(*words, tmp_path / "both"))
    alone, together = (contents(tmp_path / name) for name in ("alone", "both"))
    assert alone == together
    readings = json.loads(together["analysis.json"])["readings"]
    assert readings.keys() == {*names}


@pytest.mark.parametrize("form", ["--json", "--csv", "--attribution"])
def test_grid_says_the_same(coconut: Run, both: Both, checkpoint: Path, problems: Path, form: str) -> None:
    words = ["grid", "--model", checkpoint, "--data", problems, "--count", 5, "--kind", "layers", form]
    words += ["--max-new-tokens", 4, *(["--json"] if form == "--attribution" else [])]
    alone = coconut(*words)
    main, other = both(*words)
    assert_one_voice(main, other)
    assert main.stdout == alone.stdout
    assert len(main.stdout) > 200


def test_the_grid_of_one_question_is_refused(both: Both, checkpoint: Path) -> None:
    line = "error: the grid of one question runs in one process"
    assert_one_error(*both("grid", "--model", checkpoint, "--example", 1), line)


def test_an_atlas_is_the_same(
    coconut: Run, both: Both, checkpoint: Path, problems: Path, tmp_path: Path
) -> None:
    words: list[object] = ["atlas", "build", "--model", checkpoint, "--data", problems, "--batch-size", 2]
    words += ["--max-new-tokens", 4, "--out"]
    assert coconut(*words, tmp_path / "alone").returncode == 0
    main, other = both(*words, tmp_path / "both")
    assert_one_voice(main, other)
    assert main.stderr.splitlines()[-1] == f"{tmp_path / 'both'} holds 11 runs"
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    line = "error: coconut atlas info runs in one process"
    assert_one_error(*both("atlas", "info", tmp_path / "both"), line)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their names within it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- one end -----------------------------------------------------------------------------------------------


def test_what_one_process_cannot_do_ends_both(both: Both, checkpoint: Path, problems: Path) -> None:
    words = ("eval", "--model", checkpoint, "--data", problems)
    assert_one_error(*both(*words, second=("--data", "/elsewhere.json")), "/elsewhere.json")


def test_a_file_that_cannot_be_written_ends_both(both: Both, checkpoint: Path, problems: Path) -> None:
    words = ("controls", "--model", checkpoint, "--data", problems, "--only", "none", "--max-new-tokens", 2)
    main, other = both(*words, "--json", "--out", "/proc/none.json")
    assert (main.returncode, other.returncode) == (2, 2)
    assert "cannot write /proc/none.json" in main.stderr
    assert other.stderr == ""


def test_a_wrong_word_is_told_once(both: Both) -> None:
    main, other = both("eval", "--no-such-option")
    assert (main.returncode, other.returncode) == (2, 2)
    assert "No such option" in main.stderr
    assert other.stderr == ""


@pytest.mark.parametrize("command", ["ask", "info", "lens", "findings"])
def test_what_one_process_does_is_refused_in_a_line(both: Both, command: str) -> None:
    assert_one_error(*both(command, "x"), f"error: coconut {command} runs in one process, and 2 were started")


def test_the_explorer_is_refused_in_a_line(other: Warm) -> None:
    environment = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
    done = other.run("coconut-tui", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: coconut-tui runs in one process, and 2 were started: leave out the launcher\n"
    )


@pytest.mark.slow
def test_torchrun_starts_it(checkpoint: Path, problems: Path, tmp_path: Path) -> None:
    launcher = str(Path(sys.executable).with_name("torchrun"))
    command = [launcher, "--nproc_per_node", "2", "-m", "coconut_core", "eval"]
    words = ["--model", str(checkpoint), "--data", str(problems), "--max-new-tokens", "6", "--json"]
    done = subprocess.run(
        [*command, *words], capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["n"] == 11
