"""The commands as somebody runs them, in surroundings that are not what they should be."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
PROSQA = ROOT / "models" / "prosqa"

TINY = """
name = "tiny"
batch_size = 4
step_style = "chain"
checkpoint_every = 1
evaluate_every = 50
evaluation_problems = 1
[model]
hidden_size = 16
heads = 2
intermediate_size = 16
[data]
problems = 30
[curriculum]
lookup = 2
first = 2
per_stage = 2
stages = 2
total = 9
other_stages = 0.3
"""


def with_names(words: Iterable[object], named: Mapping[str, Path]) -> list[object]:
    """Words with paths in the place of names: OUT also in front of an extension, as in OUT.json."""
    found: list[object] = []
    for word in words:
        name, *extension = str(word).split(".", 1)
        found.append(".".join([str(named[name]), *extension]) if name in named else word)
    return found


def command(*arguments: object) -> list[str]:
    """The words of a command of this environment: `coconut` or `coconut-tui` and its arguments."""
    name, *rest = map(str, arguments)
    return [str(Path(sys.executable).with_name(name)), *rest]


def surroundings(**changes: str | None) -> dict[str, str]:
    """The environment with changes; None takes a variable out."""
    changed = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", **changes}
    return {name: value for name, value in changed.items() if value is not None}


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with nothing on stdin; env replaces the environment."""
    given = {"env": surroundings(), "stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 300}
    given |= {"encoding": "utf-8", "errors": "backslashreplace", "check": False, "cwd": ROOT}
    return subprocess.run(command(*arguments), **{**given, **options})  # type: ignore[call-overload, no-any-return]


class Ended(Protocol):
    """How a command ended."""

    @property
    def returncode(self) -> int: ...
    @property
    def stderr(self) -> str: ...


def assert_one_line(done: Ended, code: int = 2) -> None:
    """It ended with a line that says what is wrong, behind notes if need be, and without a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
