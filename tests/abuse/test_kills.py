"""SIGKILL at random moments and in the middle of writing: every file is the old one or the new one.

COCONUT_KILLS says how often each command is killed; `make soak` does it 200 times.
"""

import json
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.abuse.commands import with_names
from tests.abuse.warm import Warm

KILLS = int(os.environ.get("COCONUT_KILLS", "5"))


@dataclass(frozen=True)
class Writer:
    """A command that writes what `path` names; `old` are words that make it write something else first."""

    words: tuple[object, ...]
    old: tuple[object, ...]
    path: str = "out"
    passing: str = ""  # an entry of its JSON that tells whether it is being written to


EVAL = ("coconut", "eval", "--model", "MODEL", "--data", "PROBLEMS")
CONTROLS = ("coconut", "controls", "--model", "MODEL", "--data", "PROBLEMS", "--only", "none", "--out", "OUT")
CONVERT = ("coconut", "convert", "official", "OFFICIAL", "--base", "BASE", "--out", "OUT", "--force")
EXPORT = ("coconut", "export", "MODEL", "--out", "OUT", "--force")
PAGE = ("coconut-tui", "export", "RUN", "--force", "--to", "OUT", "--format")
SESSION = ("tests.abuse.session_writer", "OUT")

WRITERS = {
    "data make": Writer(
        ("coconut", "data", "make", "prosqa", "--count", 500, "--out", "OUT"),
        ("coconut", "data", "make", "prosqa", "--count", 3, "--out", "OUT"),
    ),
    "eval --failures": Writer((*EVAL, "-n", 0, "--failures", "OUT"), (*EVAL, "-n", 1, "--failures", "OUT")),
    "eval --plot": Writer((*EVAL, "--plot", "OUT.svg"), (*EVAL, "-n", 0, "--plot", "OUT.svg"), "out.svg"),
    "controls": Writer((*CONTROLS, "--seed", 1), CONTROLS),
    "convert": Writer((*CONVERT, "--thoughts", 3), (*CONVERT, "--thoughts", 2)),
    "export": Writer(EXPORT, (*EXPORT, "--format", "official")),
    "export of a run": Writer((*PAGE, "html"), (*PAGE, "text")),
    "session": Writer((*SESSION, "new"), (*SESSION, "old"), passing="in_order"),
}


def content(path: Path, passing: str = "") -> dict[str, bytes]:
    """Every file at or under a path, by its name there, without a passing entry; empty where there is none."""
    files = [path] if path.is_file() else path.rglob("*")
    found = {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}
    if passing:
        found = {name: json.dumps({**json.loads(data), passing: None}).encode() for name, data in found.items()}
    return found


def copy(source: Path, target: Path) -> None:
    """Put a copy of what is at source at target, and nothing else beside it."""
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_killed_leaves_the_old_or_the_new(
    name: str, files: dict[str, Path], warm: Warm, tmp_path: Path
) -> None:
    writer, rng = WRITERS[name], random.Random(name)
    whole = {}
    for which, words in (("old", writer.old), ("new", writer.words)):
        (tmp_path / which).mkdir()
        began = time.monotonic()
        done = warm.run(*with_names(words, {**files, "OUT": tmp_path / which / "out"}))
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        whole[which] = content(tmp_path / which / writer.path, writer.passing)
    assert whole["old"] != whole["new"]
    target, killed = tmp_path / "place" / writer.path, 0
    command = with_names(writer.words, {**files, "OUT": tmp_path / "place" / "out"})
    number = 0
    while number < KILLS or (not killed and number < 20 * KILLS):  # on a busy machine some come too late
        number += 1
        copy(tmp_path / "old" / writer.path, target)
        how = {"kill_when": f"{target}.*"} if number % 2 else {"kill_after": rng.uniform(0, 1.2 * seconds)}
        killed += warm.run(*command, **how).returncode == -9
        found = content(target, writer.passing)
        aside = [content(old) for old in target.parent.glob(f"{target.name}.coconut-*/old")]
        between = not target.exists() and aside == [whole["old"]]
        assert between or found in (whole["old"], whole["new"])
    assert killed
    assert warm.run(*command).returncode == 0
    assert content(target, writer.passing) == whole["new"]
    assert [path.name for path in target.parent.iterdir()] == [target.name], "something was left beside it"
