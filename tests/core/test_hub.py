"""Models by hub id: fetched once from a hub, here a server on this machine; what fails is told in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from coconut_core.checkpoints.hub import is_hub_id, reach_hub
from coconut_core.common.errors import CoconutError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Answers as the hub does for one public model, someone/model, whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.fetched: list[str] = []


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Hub

    def do_HEAD(self) -> None:
        self._answer(whole=False)

    def do_GET(self) -> None:
        self._answer(whole=True)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def _answer(self, whole: bool) -> None:
        repository, _, name = self.path.lstrip("/").partition("/resolve/main/")
        name = name.partition("?")[0]
        file = self.server.folder / name
        if repository != "someone/model" or not name or not file.is_file():
            self.send_response(404)
            self.send_header(
                "X-Error-Code", "EntryNotFound" if "someone/model" in self.path else "RepoNotFound"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{name}-{len(content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if whole:
            self.server.fetched.append(name)
            self.wfile.write(content)


@pytest.fixture
def hub(saved_folder: Path) -> Iterator[Hub]:
    server = Hub(saved_folder)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


SEVERAL = """
import sys
from coconut_core.cli import main
for line in sys.argv[1:]:
    sys.argv = ["coconut", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print("exit code", ended.code or 0, flush=True)
"""


def coconut(hub: Hub, home: Path, *lines: str) -> tuple[list[str], list[str]]:
    """What command lines print on stdout and stderr, run one after the other with that hub and an own cache."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home)}
    result = subprocess.run(
        [sys.executable, "-c", SEVERAL, *lines],
        capture_output=True, text=True, check=True, timeout=300, cwd=home, env=environment,
    )  # fmt: skip
    return result.stdout.splitlines(), result.stderr.splitlines()


def test_a_hub_id_is_fetched_once_and_then_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    opened = "info someone/model --json"
    said, errors = coconut(hub, tmp_path, opened, opened, "info someone/else")
    facts = json.loads(said[0])
    assert facts["markers"]["bot"]["token"] == "<|start-latent|>"
    assert json.loads(said[2]) == facts
    assert [said[1], said[3], *said[4:]] == ["exit code 0", "exit code 0", "exit code 2"]
    assert {"config.json", "coconut.json", "model.safetensors", "tokenizer.json"} <= set(hub.fetched)
    assert len(hub.fetched) == len(set(hub.fetched))
    assert len(errors) == 1
    assert errors[0].startswith("error: there is no folder someone/else, and the hub says: ")
    hub.shutdown()
    hub.server_close()
    said, errors = coconut(hub, tmp_path, opened, "info someone/else")
    assert json.loads(said[0]) == facts
    assert said[1:] == ["exit code 0", "exit code 2"]
    message = "no model of that name can be had from the hub (offline?)"
    assert errors == [f"error: there is no folder someone/else, and {message}"]


def test_what_is_looked_for_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    assert is_hub_id("openai-community/gpt2")
    for source in ("models/missing", "./x", "/x/y", "a/b/c", "x", "~/x", "official:x/y"):
        assert not is_hub_id(source), source
    with pytest.raises(CoconutError, match="cannot be a hub id"):
        reach_hub("a..b/c")
