"""How soon a program started in a terminal has painted its first screen."""

import os
import pty
import select
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

PATIENCE = 120.0  # seconds
FIRST = b"Thoughts"  # a pane's title
FLOOR = "import textual.app, textual.widgets"  # what Python runs in the place of ours
Size = tuple[int, int]  # columns and lines


@dataclass(frozen=True)
class Start:
    """Seconds from the start of a process to its first paint, by the clock, and of the processor in all its
    threads."""

    clock: float
    processor: float


@contextmanager
def kept_bytecode() -> Iterator[Mapping[str, str]]:
    """The environment of processes that keep what they compile, as installed programs do, in a folder that is
    theirs alone. The first start in it compiles, and is not the one to measure."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment


def first_paint(model: str, size: Size, environment: Mapping[str, str]) -> Start:
    """Start the explorer until a pane's title has been written to a terminal. Raises TimeoutError."""
    program = str(Path(sys.executable).with_name("coconut-tui"))
    command = [program, "--model", model, "--fresh"]
    screen = {"TERM": "xterm-256color", "COLUMNS": str(size[0]), "LINES": str(size[1])}
    began = perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.execve(program, command, {**environment, **screen})
    output = b""
    try:
        while FIRST not in output:
            if not select.select([terminal], [], [], PATIENCE)[0]:
                raise TimeoutError(output.decode(errors="replace"))
            output += os.read(terminal, 65536)
        clock = perf_counter() - began
    finally:
        os.kill(process, signal.SIGKILL)
        processor = _processor(process)
        os.close(terminal)
    return Start(clock, processor)


def floor(environment: Mapping[str, str]) -> Start:
    """A Python that imports Textual and ends."""
    command: Sequence[str] = [sys.executable, "-c", FLOOR]
    began = perf_counter()
    processor = _processor(os.spawnve(os.P_NOWAIT, command[0], list(command), dict(environment)))
    return Start(perf_counter() - began, processor)


def _processor(process: int) -> float:
    usage = os.wait4(process, 0)[2]
    return usage.ru_utime + usage.ru_stime
