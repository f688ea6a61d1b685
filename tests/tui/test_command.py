"""The coconut-tui command from outside."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from coconut_core.records.trace import Trace
from coconut_tui.cli import commands, main

COMMAND = Path(sys.executable).with_name("coconut-tui")


class Result(NamedTuple):
    """What the command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, with no terminal."""

    def run_command(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["coconut-tui", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run_command


def test_the_installed_command_says_in_one_line_that_it_needs_a_terminal() -> None:
    result = subprocess.run(
        [COMMAND], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "coconut ask" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "coconut ask"),
        (["--thoughts", "-2"], "thoughts"),
        (["--question", "x", "--example", "1"], "not both"),
        (["--question", "x", "--restore"], "leave out what else to open"),
        (["no-such-trace.json"], "cannot read a trace"),
        (["--example", "0"], "numbered from 1"),
        (["--data", "no-such-file.json"], "cannot read problems"),
        (["--config", "no-such-file.toml"], "there is no config file"),
        (["--top-k", "0"], "--top-k cannot be 0"),
        (["export", "no-such-trace.json"], "cannot read a trace"),
        (["export", "run.json", "--to", "run.pdf"], "end it in .html"),
        (["export", "run.json", "--format", "pdf"], "choose one of html"),
        (["config", "--config", "no-such-file.toml"], "there is no config file"),
    ],
)
def test_errors_are_one_line(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_an_empty_problem_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]", encoding="utf-8")
    result = run("--data", tmp_path / "none.json")
    assert (result.returncode, result.stderr) == (2, f"error: {tmp_path / 'none.json'} holds no problems\n")


def test_export_prints_the_path_and_keeps_what_is_there(run: Run, trace: Trace, tmp_path: Path) -> None:
    saved, page = tmp_path / "run.json", tmp_path / "run.html"
    trace.save(saved)
    assert run("export", saved).stdout == f"{page}\n"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    refused = run("export", saved, "--to", page)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "exists already" in refused.stderr
    assert run("export", saved, "--to", page, "--format", "markdown", "--force").returncode == 0
    assert page.read_text(encoding="utf-8").startswith("# A run")
    assert run("export", saved, "--format", "json", "--to", "-").stdout == saved.read_text(encoding="utf-8")
    onto_itself = run("export", saved, "--format", "json")
    assert onto_itself.returncode == 2
    assert Trace.load(saved) == trace


def test_config_prints_what_is_in_force(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("top_k = 3\n", encoding="utf-8")
    printed = json.loads(run("config", "--config", path, "--json").stdout)
    assert printed["path"] == str(path)
    assert (printed["values"]["top_k"], printed["sources"]["top_k"]) == (3, "file")
    assert tomllib.loads(run("config", "--config", path).stdout)["top_k"] == 3


def test_help_names_the_other_commands(run: Run) -> None:
    shown = run("--help").stdout
    names = [command.name for command in commands.registered_commands]
    assert names == ["export", "config", "serve"]
    assert all(f"coconut-tui {name}" in shown for name in names)
    assert all(run(name, "--help").stdout.split()[1:3] == ["coconut-tui", name] for name in names)


def test_help_and_the_app_itself_import_nothing_heavy() -> None:
    code = (
        "import sys\nimport coconut_tui.cli\n"
        "from typer.testing import CliRunner\n"
        "for app in (coconut_tui.cli.app, coconut_tui.cli.commands):\n"
        "    assert 'Usage' in CliRunner().invoke(app, ['--help']).output\n"
        "assert not {'textual', 'torch', 'transformers'} & set(sys.modules)\n"
        "import coconut_tui.app\n"
        "heavy = {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


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
    seen, deadline, sent = b"", time.monotonic() + 240, 0
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
        if sent == 0 and b"gorpus" in seen:  # the run is open, not just the frame painted
            sent += os.write(terminal, b"c")
        elif sent == 1 and b"right" in seen:
            sent += os.write(terminal, b"\x11")  # ctrl+q
    if time.monotonic() >= deadline:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen[-2000:]
    assert sent == 2
