"""No HOME, no locale, no terminal worth the name, a closed stdout, a read-only folder, a full disk, Ctrl-C."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.commands import PROSQA, assert_one_line, command, run, surroundings, with_names
from tests.abuse.warm import Warm

LONG = "COCONUT_KILLS" in os.environ
BARE = {"HOME": None, "LC_ALL": "C", "PYTHONUTF8": "0", "TERM": "dumb", "XDG_STATE_HOME": None}

EVAL = ("coconut", "eval", "--model", "MODEL", "--data", "PROBLEMS")
LINES: dict[str, tuple[object, ...]] = {
    "ask": ("coconut", "ask", "--model", "MODEL", "--example", 1, "--trace"),
    "export": ("coconut-tui", "export", "RUN", "--format", "text", "--to", "-"),
    "make": ("coconut", "data", "make", "prosqa", "--count", 300, "--out", "-"),
    "help": ("coconut-tui", "--help"),
    "info": ("coconut", "info", "MODEL"),
    "eval": EVAL,
    "stats": ("coconut", "data", "stats", "PROBLEMS"),
    "recipes": ("coconut", "recipes"),
}


@pytest.mark.parametrize("line", LINES if LONG else ["ask", "export", "help"])
def test_without_home_locale_and_terminal_it_works(line: str, files: dict[str, Path]) -> None:
    done = run(*with_names(LINES[line], files), env=surroundings(**BARE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout
    assert "Traceback" not in done.stderr


def test_without_a_locale_standard_input_is_still_utf_8() -> None:
    words = ("coconut", "ask", "--model", PROSQA, "-")
    done = run(*words, env=surroundings(**BARE), stdin=None, input="café is a lempus?")
    assert_one_line(done)
    assert "'café'" in done.stderr


def test_a_closed_stdout_is_no_error() -> None:
    words = command("coconut", "recipes")
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *words], env=surroundings(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", LINES)
def test_a_reader_that_goes_away_is_no_error(line: str, files: dict[str, Path], warm: Warm) -> None:
    done = warm.run(*with_names(LINES[line], files), stdout="gone")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("line", LINES)
def test_a_full_stdout_is_one_line(line: str, files: dict[str, Path], warm: Warm) -> None:
    done = warm.run(*with_names(LINES[line], files), stdout="/dev/full")
    assert_one_line(done)
    assert "No space left on device" in done.stderr


def test_a_question_in_another_encoding_is_one_line(warm: Warm) -> None:
    done = warm.run("coconut", "ask", "--model", PROSQA, os.fsdecode(b"caf\xe9 is a lempus?"))
    assert_one_line(done)
    assert "UTF-8" in done.stderr


# -- what cannot be written ----------------------------------------------------------------------------------

WRITERS: dict[str, tuple[object, ...]] = {
    "make": ("coconut", "data", "make", "prosqa", "--count", 300, "--out", "OUT.json"),
    "failures": (*EVAL, "-n", 0, "--failures", "OUT.jsonl"),
    "plot": (*EVAL, "--plot", "OUT.svg"),
    "checkpoint": ("coconut", "export", "MODEL", "--out", "OUT"),
    "official": ("coconut", "export", "MODEL", "--format", "official", "--out", "OUT"),
    "page": ("coconut-tui", "export", "RUN", "--to", "OUT.html"),
    "train": ("coconut", "train", "RECIPE", "--device", "cpu", "--out", "OUT"),
}


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system that refuses to be written, even by root."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_may_not_be_written_is_one_line(
    writer: str, files: dict[str, Path], read_only: Path, warm: Warm
) -> None:
    done = warm.run(*with_names(WRITERS[writer], {**files, "OUT": read_only / "out"}))
    assert_one_line(done)
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_fills_up_is_one_line_and_leaves_no_half_of_a_file(
    writer: str, files: dict[str, Path], tmp_path: Path, warm: Warm
) -> None:
    done = warm.run(*with_names(WRITERS[writer], {**files, "OUT": tmp_path / "out"}), file_limit=1800)
    assert_one_line(done)
    assert "File too large" in done.stderr
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    logs = {name for name in left if name == "out/metrics.jsonl" or name.startswith("out/tensorboard/")}
    assert left - logs <= {"out/recipe.json", "out/run.lock"}, left


# -- Ctrl-C --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [0.0, 0.02, 0.2])
def test_ctrl_c_twice_ends_it_without_a_traceback(second: float, tmp_path: Path, warm: Warm) -> None:
    words = ("coconut", "data", "make", "prosqa", "--count", 1_000_000, "--out", tmp_path / "problems.json")
    done = warm.run(*words, kill_when=str(tmp_path / "*.coconut-*"), signals=(0.01, second))
    assert done.returncode in (130, -2)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "problems.json").exists()
