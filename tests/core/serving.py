"""Batchers and servers that tests run in their own process."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from coconut_core.coconut import CoconutModel
from coconut_core.records.trace import StepRecord
from coconut_core.server.app import start
from coconut_core.server.batching import Batcher
from coconut_core.server.client import Server
from coconut_core.server.runs import Limits
from coconut_core.server.service import Service

VERDICT = "UNKNOWN: not measured"
TOKEN = "a-secret"


@contextmanager
def batching(
    model: CoconutModel, *, rows: int = 64, queue: int = 256, longest: int = 512, **limits: Any
) -> Iterator[Batcher]:
    batcher = Batcher(model, VERDICT, Limits(longest, **limits), rows=rows, queue=queue)
    try:
        yield batcher
    finally:
        batcher.close()
        batcher.wait_until_done()


class Held:
    """A listener that lets the batcher go on past an ask's first step only once it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, step: StepRecord, added: str) -> None:
        self.reached.set()
        assert self.go.wait(60)


@dataclass
class Address:
    """A server that runs in a thread of this process."""

    port: int
    batcher: Batcher
    runner: web.AppRunner

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self.runner.server.connections)

    @property
    def server(self) -> Server:
        return Server(f"http://127.0.0.1:{self.port}", TOKEN, timeout=300)

    def send(
        self, method: str = "POST", path: str = "/ask", body: bytes | str | dict = b"", **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, given)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers
        finally:
            connection.close()


@contextmanager
def serving(
    batcher: Batcher,
    *,
    timeout: float = 60.0,
    token: str | None = TOKEN,
    sending: int | None = None,
    name: str = "tiny",
) -> Iterator[Address]:
    """A server over a batcher; sending: bytes of an answer that the system keeps for a client."""
    facts = {"model": name, "family": "prosqa"}
    service = Service(batcher, facts, "127.0.0.1", token, timeout, body=65536)
    loop = asyncio.new_event_loop()
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    if sending is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sending)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(service, sock), loop).result(60)
    try:
        yield Address(sock.getsockname()[1], batcher, runner)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
