"""An official checkpoint is opened by name and stepped in a real terminal."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

from tests.core.tiny_official import PROBLEMS, official_run, write_base, write_checkpoint


def test_an_official_checkpoint_is_stepped_in_a_terminal(tmp_path: Path) -> None:
    base = write_base("gpt2", tmp_path / "base")
    path = write_checkpoint(official_run("gpt2"), tmp_path / "checkpoint_33")
    command = str(Path(sys.executable).with_name("coconut-tui"))
    given = [
        "--model",
        f"official:{path}",
        "--base",
        str(base),
        "--question",
        PROBLEMS[0][0],
        "--device",
        "cpu",
    ]
    homes = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "CONFIG", "STATE")}
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **homes})
        os.execv(command, [command, *given])
    # The views say that there is no step yet once the model is there; ctrl+q leaves.
    awaited = [(b"no step yet", b"s"), (b"thought 1/6", b"s"), (b"thought 2/6", b"\x11")]
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
        if awaited and awaited[0][0] in seen:
            os.write(terminal, awaited.pop(0)[1])
    if time.monotonic() >= deadline:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, (awaited, seen[-2000:])
    assert not awaited
    assert b"converting official:" in seen  # said before the screen is drawn
