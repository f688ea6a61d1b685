"""The explorer in a browser: what serves it, and that it runs without a terminal where that asks for it."""

import http.client
import json
import os
import select
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.records.trace import Trace
from coconut_core.server.addresses import is_local
from coconut_tui.cli import main
from coconut_tui.serve import allowed_origins, explorer_command, page_url

COMMAND = Path(sys.executable).with_name("coconut-tui")


def test_without_textual_serve_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve", None)  # as if it were not installed
    monkeypatch.setattr(sys, "argv", ["coconut-tui", "serve", "--port", "9000", "--top-k", "3", "run.json"])
    with pytest.raises(SystemExit, match="2"):
        main()
    shown = capsys.readouterr()
    assert "pip install 'coconut-tui[serve]'" in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_what_the_explorer_would_not_understand_is_said_before_a_browser_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["coconut-tui", "serve", "--no-such-option"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.0.7", "example.org")),
    ],
)
def test_it_is_known_which_hosts_only_this_machine_reaches(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_the_page_knows_its_address() -> None:
    assert page_url("localhost", 8000, None) == "http://localhost:8000"
    assert page_url("example.org", 80, None) == "http://example.org"
    assert page_url("::1", 8000, None) == "http://[::1]:8000"
    assert page_url("0.0.0.0", 8000, "https://example.org/coconut/") == "https://example.org/coconut"
    for everywhere in ("0.0.0.0", "::"):
        with pytest.raises(CoconutError, match="add --public-url"):
            page_url(everywhere, 8000, None)


def test_only_its_own_pages_may_drive_it() -> None:
    local = {"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"}
    assert allowed_origins("localhost", 8000, "http://localhost:8000") == local
    assert allowed_origins("0.0.0.0", 80, "https://example.org/coconut") == {"https://example.org"}


def test_the_command_survives_a_shell() -> None:
    arguments = ["--question", "Is Alex a 'bompus' or $HOME; `x`?", "--model", "a b"]
    assert shlex.split(explorer_command(arguments)) == [sys.executable, "-m", "coconut_tui", *arguments]


def test_an_explorer_runs_on_pipes_where_textual_serve_asks_for_it(trace: Trace, tmp_path: Path) -> None:
    """The protocol of Textual's web driver: packets of a letter, four bytes of length, and that many bytes."""
    trace.save(tmp_path / "a run.json")
    driver = {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "COLUMNS": "120", "ROWS": "40"}
    with subprocess.Popen(
        explorer_command([str(tmp_path / "a run.json")]),
        shell=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **driver, "XDG_CONFIG_HOME": str(tmp_path)},
    ) as process:
        seen, deadline, quit_sent, output = b"", time.monotonic() + 240, False, process.stdout.fileno()
        while time.monotonic() < deadline and select.select([output], [], [], 60)[0]:
            if not (piece := os.read(output, 1 << 16)):
                break
            seen += piece
            if b"Thoughts" in seen and not quit_sent:
                text = json.dumps({"type": "quit"}).encode()
                process.stdin.write(b"M" + len(text).to_bytes(4, "big") + text)
                process.stdin.flush()
                quit_sent = True
        assert process.wait(60) == 0
    assert seen.startswith(b"__GANGLION__\n")
    assert quit_sent


def test_a_page_is_served_and_other_sites_are_refused(trace: Trace, tmp_path: Path) -> None:
    pytest.importorskip(
        "textual_serve", reason="textual-serve is not installed: pip install 'coconut-tui[serve]'"
    )
    trace.save(tmp_path / "run.json")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", str(port), str(tmp_path / "run.json")], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 240
        while not _listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert _status(port, "/") == 200
        assert _status(port, "/ws", f"http://localhost:{port}") == 101
        for origin in ("https://example.org", f"http://localhost:{port + 1}", "null", ""):
            assert _status(port, "/ws", origin) == 403
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _status(port: int, path: str, origin: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    connection.request("GET", path, headers={} if origin is None else {**handshake, **key, "Origin": origin})
    status = connection.getresponse().status
    connection.close()
    return status
