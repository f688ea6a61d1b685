"""Many runs of the commands from one process that has imported torch once: each is a fork of it.

    python -m tests.abuse.warm

reads one request a line, as JSON, and answers with one line; Warm asks it. A run has stdin, stdout and stderr
of its own. What a request may say besides `words` stands at Warm.run.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.abuse.commands import ROOT, surroundings

SLOW = (  # to import
    "coconut_core.cli.app",
    "coconut_core.evaluation.controls",
    "coconut_core.training.trainer",
    "coconut_tui.cli",
    "coconut_tui.export",
    "matplotlib.backends.backend_svg",
)


@dataclass(frozen=True)
class Done:
    """How a run ended: its exit code, or minus the signal that ended it, and what it had printed by then."""

    returncode: int
    stdout: str
    stderr: str


class Warm:
    """The process, as its user sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.abuse.warm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings(),
        )  # fmt: skip

    def run(
        self,
        *words: object,
        stdout: str = "file",
        file_limit: int | None = None,
        kill_after: float | None = None,
        kill_when: str | None = None,
        signals: tuple[float, ...] = (),
        text: str = "",
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command.

        stdout: "file", "gone" (a pipe that nobody reads) or a device; file_limit: bytes of the largest file
        that may be written; kill_after: seconds until SIGKILL; kill_when: a glob pattern, SIGKILL once
        something fits it; signals: SIGINT in its place, so many seconds later each; text: what is on stdin.
        The environment is that of this process as it is now, with changes.
        """
        request: dict[str, Any] = {"words": [str(word) for word in words], "stdout": stdout}
        request |= {"file_limit": file_limit, "text": text, "cwd": str(cwd or ROOT)}
        request["environment"] = surroundings(**(environment or {}))
        request |= {"kill_after": kill_after, "kill_when": kill_when, "signals": signals}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Done(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        assert self._process.wait(60) == 0


# -- the process -----------------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests until there are no more."""
    for module in SLOW:
        import_module(module)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        Path(folder, "in").write_text(request["text"], "utf-8", "surrogatepass")
        pid = os.fork()
        if pid == 0:
            _be_the_command(request, out, err)
        _disturb(pid, request)
        _, status = os.waitpid(pid, 0)
        said = [path.read_text("utf-8", "backslashreplace") if path.exists() else "" for path in (out, err)]
    return {"returncode": os.waitstatus_to_exitcode(status), "stdout": said[0], "stderr": said[1]}


def _disturb(pid: int, request: dict[str, Any]) -> None:
    if request["kill_after"] is not None:
        time.sleep(request["kill_after"])
        os.kill(pid, signal.SIGKILL)
    if request["kill_when"] is not None:
        pattern = Path(request["kill_when"])
        while not any(pattern.parent.glob(pattern.name)) and _lives(pid):
            time.sleep(0)
        for wait in request["signals"]:
            time.sleep(wait)
            os.kill(pid, signal.SIGINT)
        if not request["signals"]:
            time.sleep(random.uniform(0, 0.003))
            os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _be_the_command(request: dict[str, Any], out: Path, err: Path) -> None:
    """The rest of the fork's life. It never returns."""
    code = 1
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        os.dup2(os.open(out.with_name("in"), os.O_RDONLY), 0)
        os.dup2(_stdout(request["stdout"], out), 1)
        os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT), 2)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["file_limit"] is not None:
            sys.dont_write_bytecode = True  # of which Python would keep the half that fits, and read it later
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"],) * 2)
        sys.argv = request["words"]
        run_command(sys.argv[0])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 120  # as Python has it
        os._exit(code)


def _stdout(kind: str, path: Path) -> int:
    if kind == "gone":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return os.open(path if kind == "file" else kind, os.O_WRONLY | os.O_CREAT)


def run_command(name: str) -> None:
    """Run what sys.argv says, in this process."""
    if name == "coconut":
        import coconut_core.cli

        coconut_core.cli.main()
    elif name == "coconut-tui":
        import coconut_tui.cli

        coconut_tui.cli.main()
    else:  # python -m
        import runpy

        runpy.run_module(name, run_name="__main__")


if __name__ == "__main__":
    main()
