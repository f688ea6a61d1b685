"""The bundled model that a test module is about, and a real terminal: the explorer in tmux, driven by keys."""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coconut_core.coconut import CoconutModel

PATIENCE = 240  # seconds


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> CoconutModel:
    """The model in the FOLDER that the test module names."""
    return CoconutModel.from_pretrained(request.module.FOLDER, device="cpu")


class Terminal:
    """A tmux server of its own, 120 columns by 40 lines."""

    def __init__(self, home: Path) -> None:
        """home: a folder for what the explorer keeps."""
        self.home = home
        self._name = f"coconut-test-{time.time_ns()}"

    def start(self, arguments: str, *, in_shell: bool = False) -> None:
        """Start coconut-tui, alone or as a job of a shell."""
        program = Path(sys.executable).with_name("coconut-tui")
        kept = " ".join(
            f"{name}={shlex.quote(str(self.home / name))}" for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")
        )
        # COLUMNS and LINES would say another size than the terminal has.
        command = f"env -u COLUMNS -u LINES {kept} {program} {arguments}"
        shell = "bash --norc --noprofile"
        self._do("new-session", "-d", "-x", "120", "-y", "40", shell if in_shell else command)
        if in_shell:
            self.type(command)
            self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        self._do("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text as it stands."""
        self._do("send-keys", "-l", text)

    def paste(self, path: Path) -> None:
        """Paste what is in a file, as a terminal does: in one piece, between marks where they are asked for."""
        self._do("load-buffer", str(path))
        self._do("paste-buffer", "-p")

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size."""
        self._do("resize-window", "-x", str(columns), "-y", str(lines))

    @property
    def screen(self) -> str:
        """What is on screen."""
        return self._do("capture-pane", "-p")

    @property
    def process(self) -> int:
        """The number of the explorer's process."""
        return int(self._do("display-message", "-p", "#{pane_pid}"))

    def see(self, text: str) -> None:
        """Wait until a text is on screen; fail where it does not come."""
        deadline = time.monotonic() + PATIENCE
        while text not in (screen := self.screen):
            assert time.monotonic() < deadline, f"{text!r} never came up in\n{screen}"
            time.sleep(0.1)

    def ended(self) -> None:
        """Wait until the explorer has ended."""
        deadline = time.monotonic() + PATIENCE
        while self._alive():
            assert time.monotonic() < deadline, f"it did not end:\n{self.screen}"
            time.sleep(0.1)

    def left_alone(self) -> None:
        """Wait until the shell has no job any more."""
        deadline = time.monotonic() + PATIENCE
        while psutil.Process(self.process).children():
            assert time.monotonic() < deadline, f"it did not end:\n{self.screen}"
            time.sleep(0.1)

    def close(self) -> None:
        """End all."""
        subprocess.run(["tmux", "-L", self._name, "kill-server"], check=False, capture_output=True)

    def _alive(self) -> bool:
        done = subprocess.run(["tmux", "-L", self._name, "list-sessions"], check=False, capture_output=True)
        return done.returncode == 0

    def _do(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with nothing in it yet."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened = Terminal(tmp_path)
    yield opened
    opened.close()
