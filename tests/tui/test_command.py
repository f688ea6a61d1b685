"""The coconut-tui command from outside."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coconut_core.trace import Trace

COMMAND = Path(sys.executable).with_name("coconut-tui")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "coconut ask"),
        (["--thoughts", "-2"], "thoughts"),
        (["--question", "x", "--example", "1"], "not both"),
        (["no-such-trace.json"], "cannot read a trace"),
    ],
)
def test_errors_are_one_line(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_help_and_the_app_itself_import_nothing_heavy() -> None:
    code = (
        "import sys\nimport coconut_tui.cli\n"
        "assert 'textual' not in sys.modules\n"
        "import coconut_tui.app\n"
        "heavy = {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_trace_is_replayed_in_a_real_terminal_without_torch(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    trace.save(path)
    code = (
        "import sys, coconut_tui.cli\n"
        f"sys.argv = ['coconut-tui', {str(path)!r}]\n"
        "try:\n    coconut_tui.cli.main()\n"
        "finally:\n    assert 'torch' not in sys.modules\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"})
        os.execv(sys.executable, [sys.executable, "-c", code])
    seen, deadline, sent = b"", time.monotonic() + 60, 0
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
        if sent == 0 and b"Thoughts" in seen:
            sent += os.write(terminal, b"c")
        elif sent == 1 and b"right" in seen:
            sent += os.write(terminal, b"\x11")  # ctrl+q
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen[-2000:]
    assert sent == 2
