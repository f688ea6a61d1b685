"""Clients that send what is no request, or nothing, or do not read: one line in the log, no harm to others."""

import socket
from contextlib import suppress

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.server import app
from coconut_core.server.asks import Ask
from tests.core.serving import TOKEN, Address, batching, serving, wait_for
from tests.core.tiny_models import QUESTIONS

HEAD = (
    f"POST /ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    "Content-Type: application/json\r\n"
)


def say(address: Address, sent: bytes, *, half_close: bool = False) -> bytes:
    """What a connection is answered that sends these bytes, until the server closes it or says no more."""
    with socket.create_connection(("127.0.0.1", address.port), timeout=5) as connection:
        with suppress(OSError):
            connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        got = b""
        with suppress(OSError):  # a reset, as where more was sent than was read
            while data := connection.recv(65536):
                got += data
                if not half_close and got.endswith(b"}"):
                    break
        return got


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x1b[31m\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
        b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        HEAD.encode() + b"Content-Length: many\r\n\r\n{}",
        HEAD.encode() + b"Content-Length: -1\r\n\r\n{}",
        HEAD.encode() + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        HEAD.encode() + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=range(13),
)
def test_what_is_no_request_is_one_line_in_the_log(
    llama: CoconutModel, sent: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        got = say(address, sent)
        assert got.startswith(b"HTTP/1.") or not got
        assert b" 400 " in got[:20] or not got
        assert address.server.ask(Ask(QUESTIONS[0]))["answer"]
    err = capsys.readouterr().err
    assert err.count("\n") <= 1, err
    assert len(err) <= 301
    assert err == "" or err.strip().isprintable()


def test_half_a_request_gets_no_traceback(llama: CoconutModel, capsys: pytest.CaptureFixture[str]) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        whole = HEAD.encode() + b'Content-Length: 400\r\n\r\n{"question": "' + b"x" * 20
        for length in (5, 40, len(HEAD), len(whole)):
            say(address, whole[:length], half_close=True)
        assert address.server.ask(Ask(QUESTIONS[0]))["answer"]
        assert batcher.waiting == batcher.under_way == 0
    assert capsys.readouterr().err.count("\n") <= 4


def test_those_who_say_nothing_are_let_go(
    llama: CoconutModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "SILENCE", 0.3)
    with batching(llama) as batcher, serving(batcher, timeout=1.0) as address:
        parts = [b"", b"GET /hea", HEAD.encode(), HEAD.encode() + b"Content-Length: 9\r\n\r\n{"]
        silent = [socket.create_connection(("127.0.0.1", address.port), timeout=30) for _ in range(20)]
        for number, connection in enumerate(silent):
            connection.sendall(parts[number % 4])
        assert address.send("GET", "/health")[0] == 200
        for number, connection in enumerate(silent):
            got = connection.recv(65536)  # that it ends is what is waited for
            assert (b" 504 " in got[:20]) if number % 4 == 3 else not got
            connection.close()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system does not let go of them")
def test_one_who_does_not_read_holds_nobody_up(llama: CoconutModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SILENCE", 0.5)
    body = b'{"question": "%s", "thoughts": 130, "top": 72, "stream": true}' % QUESTIONS[1].encode()
    with batching(llama) as batcher, serving(batcher, sending=1) as address:
        connections = []
        for _ in range(2):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(("127.0.0.1", address.port))
            connection.sendall(HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            connections.append(connection)
        assert address.server.ask(Ask(QUESTIONS[0]))["answer"]
        wait_for(lambda: address.connections == 0)
        for connection in connections:
            connection.close()
