"""coconut serve and coconut ask --server, end to end."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import coconut_core.server
from coconut_core.cli import main
from coconut_core.problems import example_problem
from tests.cli.conftest import ROOT, Run

QUESTION = example_problem("prosqa", 1).question
TOKEN = "a-secret"


@contextmanager
def serving(checkpoint: Path, *options: str, token: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the lines that it said first; it ends as it does for Ctrl-C."""
    coconut = str(Path(sys.executable).with_name("coconut"))
    command = [coconut, "serve", "--model", str(checkpoint), "--port", "0", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if token is not None:
        environment["COCONUT_TOKEN"] = token
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stderr is not None
    said = [process.stderr.readline()]
    try:
        found = re.search(r"answers at (http\S+);", said[0])
        assert found is not None, said[0] + process.stderr.read()
        said += [] if "--no-token" in options else [process.stderr.readline()]
        said += [process.stderr.readline()] if "--host" in options else []
        yield found[1], said
        process.send_signal(signal.SIGINT)
        assert "ended" in process.stderr.read()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def coconut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which has imported what it needs only once."""

    def run(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
        command = ["coconut", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(command, int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    """A server that wants TOKEN."""
    with serving(checkpoint, token=TOKEN) as (address, _):
        yield address


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--trace"],
        ["--trace", "--thoughts", "2", "--top-k", "3", "--do", "zero@1", "--do", "scale 2@2"],
        ["--temperature", "0.9", "--seed", "4", "--max-new-tokens", "7"],
        ["--until-entropy", "0.5"],
        ["--do", "replace twin@all"],
        ["--samples", "3", "--temperature", "0.9"],
        ["--samples", "3", "--temperature", "0.9", "--trace", "--do", "zero@1"],
    ],
)
def test_a_server_gives_the_output_of_a_local_ask(
    coconut: Run, checkpoint: Path, url: str, options: list[str]
) -> None:
    local = coconut("ask", "--model", checkpoint, *options, QUESTION)
    remote = coconut("ask", "--server", url, "--token", TOKEN, *options, QUESTION)
    assert local.returncode == remote.returncode == 0, remote.stderr
    assert remote.stdout == local.stdout
    assert remote.stderr == local.stderr


def test_its_json_is_that_of_a_local_ask(coconut: Run, checkpoint: Path, url: str) -> None:
    options = ["--json", "--example", 2, "--do", "zero@2"]
    local = json.loads(coconut("ask", "--model", checkpoint, *options).stdout)
    remote = json.loads(coconut("ask", "--server", url, "--token", TOKEN, *options).stdout)
    assert set(remote.pop("timings")) >= set(local.pop("timings"))
    for record in (local, remote):
        for thought in record["thoughts"]:
            for item in thought["top"]:
                item["probability"] = pytest.approx(item["probability"], abs=1e-4)
            thought["entropy"] = pytest.approx(thought["entropy"], abs=1e-4)
            thought["norm"] = pytest.approx(thought["norm"], abs=1e-4)
    assert list(remote) == list(local)
    for name in local:
        assert remote[name] == local[name] or name == "thoughts"
    assert json.dumps(strip(remote["thoughts"])) == json.dumps(strip(local["thoughts"]))


def strip(thoughts: list[dict]) -> list[object]:
    return [(each["index"], each.get("edit"), [item["token"] for item in each["top"]]) for each in thoughts]


def test_asking_a_server_imports_nothing_heavy(url: str) -> None:
    code = (
        "import sys\nfrom coconut_core.cli import main\n"
        f"sys.argv = ['coconut', 'ask', '--server', {url!r}, '--token', {TOKEN!r}]\n"
        "sys.argv += ['--trace', '--example', '1']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'textual', 'accelerate', 'aiohttp'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "thoughts used?" in result.stdout


def test_the_question_may_come_from_stdin_and_the_token_from_the_environment(
    coconut: Run, checkpoint: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCONUT_TOKEN", TOKEN)
    remote = coconut("ask", "--server", url, "-", text=QUESTION + "\n")
    assert remote.stdout == coconut("ask", "--model", checkpoint, QUESTION).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Is Alex a blorb?"], "'blorb'"),
        (["--do", "zero@99", QUESTION], "no thought 99"),
        (["--do", "replace file:/etc/hostname@1", QUESTION], "opens no files"),
        (["--thoughts", "-1", QUESTION], "the entry 'thoughts' must be from 0 to 100000, not -1"),
        (["--token", "wrong", QUESTION], "COCONUT_TOKEN"),
        (["--model", "models/prosqa", QUESTION], "--model does not go with --server"),
        (["--input", "in.jsonl"], "--input does not go with --server"),
        ([QUESTION, "--example", "1"], "one question"),
        ([], "one question"),
        (["--server", "http://127.0.0.1:9", QUESTION], "nothing answers at http://127.0.0.1:9"),
        (["--server", "localhost", QUESTION], "no address of a server"),
        ([" ".join([QUESTION] * 10)], "at most 512"),
    ],
)
def test_errors_are_one_line_and_exit_2(coconut: Run, url: str, arguments: list[str], said: str) -> None:
    result = coconut("ask", "--server", url, "--token", TOKEN, *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert said in result.stderr


def test_model_facts_are_those_of_info(coconut: Run, checkpoint: Path, url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
    connection.request("GET", "/model", headers={"Authorization": f"Bearer {TOKEN}"})
    facts = json.loads(connection.getresponse().read())
    connection.close()
    assert facts == json.loads(coconut("info", checkpoint, "--json").stdout)


def test_what_is_under_way_is_answered_before_the_server_ends(checkpoint: Path) -> None:
    with serving(checkpoint, "--no-token") as (url, said):
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
        record = {"question": QUESTION, "thoughts": 300, "stream": True}
        connection.request("POST", "/ask", json.dumps(record), {"Content-Type": "application/json"})
        response = connection.getresponse()
        first = json.loads(response.readline())
        # Leaving the block asks the server to end and waits until it has; the answer is read behind that.
    *_, answer = [json.loads(line) for line in response]
    connection.close()
    assert "token" not in said[0]
    assert first["step"]["index"] == 1
    assert answer["tokens"]["thoughts"] == 300
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(url.removeprefix("http://"), timeout=300).connect()


def test_a_random_token_is_told_and_an_open_address_comes_with_a_warning(
    coconut: Run, checkpoint: Path
) -> None:
    with serving(checkpoint, "--host", "0.0.0.0") as (url, said):
        token = said[1].removeprefix("token: ").strip()
        assert len(token) >= 32
        assert "can be reached by others" in said[2]
        local = url.replace("0.0.0.0", "127.0.0.1")
        assert coconut("ask", "--server", local, "--token", token, QUESTION).returncode == 0
        assert coconut("ask", "--server", local, "--token", token[:-1], QUESTION).returncode == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-token", "--host", "0.0.0.0"], "--no-token is for localhost only"),
        (["--no-token", "--token", "x"], "give one of them"),
        (["--token", "two words"], "without spaces"),
        (["--token", ""], "a token must be"),
        (["--host", "no.such.host.invalid"], "cannot listen on"),
        (["--model", "nowhere", "--port", "0"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_2(coconut: Run, options: list[str], said: str) -> None:
    result = coconut("serve", *options)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert said in result.stderr


def test_a_port_that_is_taken_is_said_before_a_model_is_loaded(coconut: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = coconut("serve", "--model", "nowhere", "--port", taken.getsockname()[1])
    assert result.returncode == 2
    assert "choose another with --port" in result.stderr


def test_without_aiohttp_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "coconut_core.server.app", raising=False)
    monkeypatch.delattr(coconut_core.server, "app", raising=False)
    monkeypatch.setattr(sys, "argv", ["coconut", "serve"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "pip install 'coconut-tui[serve]'" in capsys.readouterr().err
