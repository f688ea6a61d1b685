"""The HTTP side of a server: routes, who may ask, limits, an orderly end. Needs aiohttp, the extra `serve`."""

import asyncio
import hmac
import json
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from coconut_core.errors import CoconutError, one_line
from coconut_core.server.addresses import is_local
from coconut_core.server.asks import Ask
from coconut_core.server.batching import Batcher, ClosedError, FullError
from coconut_core.server.runs import TooLongError
from coconut_core.trace import StepRecord

RETRY_AFTER = 1  # seconds after which one who found the queue full may try again
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Service:
    """What is served, and to whom. Without a token everybody who reaches it may ask."""

    batcher: Batcher
    facts: dict[str, Any]  # of the model
    host: str  # that it listens on
    token: str | None
    timeout: float  # seconds that an ask may take, waiting included
    body: int  # bytes that a request may have


def make_app(service: Service) -> web.Application:
    """The routes: POST /ask, GET /model, and GET /health, which needs no token."""
    guards = [web.middleware(partial(guard, service)) for guard in (_errors, _guard)]
    app = web.Application(middlewares=guards, client_max_size=service.body)
    app.add_routes(
        [
            web.post("/ask", partial(_ask, service)),
            web.get("/model", partial(_model, service)),
            web.get("/health", partial(_health, service)),
        ]
    )
    return app


async def serve(service: Service, sock: socket.socket, started: Callable[[], None]) -> None:
    """Answer on a bound socket until SIGINT or SIGTERM: then nothing new is taken, and what is under way is
    answered. A second signal ends it at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    runner = web.AppRunner(
        make_app(service), handler_cancellation=True, access_log=None, shutdown_timeout=service.timeout
    )
    await runner.setup()
    await web.SockSite(runner, sock).start()
    signals = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # Windows: Ctrl-C ends it at once
        for number in signals:
            loop.add_signal_handler(number, stop.set)
    started()
    await stop.wait()
    for number in signals:
        loop.remove_signal_handler(number)
    service.batcher.close()
    await asyncio.to_thread(service.batcher.wait_until_done)
    await runner.cleanup()  # once the answers are written


# -- who may ask, and what is said to whom may not -----------------------------------------------------------


def _error(status: int, message: str, **headers: str) -> web.Response:
    return _json({"error": message}, status, headers)


def _json(record: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(record, status=status, headers=headers, dumps=_dumps)


def _dumps(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


async def _errors(service: Service, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told as JSON, in one line."""
    try:
        return await handler(request)
    except web.HTTPException as error:  # 404, 405, 413 of aiohttp
        kept = {name: value for name, value in error.headers.items() if name == "Allow"}
        if error.status == 413:
            return _error(413, f"the request is longer than {service.body} bytes: shorten it")
        return _error(error.status, f"{request.method} {request.path}: {error.reason}", **kept)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> web.Response:
    """What a failed ask is answered with."""
    match error:
        case FullError():
            wait = {"Retry-After": str(RETRY_AFTER)}
            return _error(429, f"too many questions wait: try again in {RETRY_AFTER} s", **wait)
        case ClosedError():
            return _error(503, "the server is about to end and takes no new questions")
        case TimeoutError():
            return _error(504, "no answer within the time that a question may take")
        case TooLongError():
            return _error(413, str(error))
        case CoconutError():
            return _error(400, str(error))
    return _error(500, f"the server failed: {type(error).__name__}: {one_line(error)}")


async def _guard(service: Service, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse those without the token, and pages of other sites that reach this machine by a name of theirs."""
    if is_local(service.host) and not _names_this_machine(request.host):
        return _error(403, "this server answers to localhost only: ask it under that name")
    if service.token is None or request.path == "/health":
        return await handler(request)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    sent = given.strip().encode(errors="surrogateescape")  # as a header may hold any bytes
    if kind.lower() != "bearer" or not hmac.compare_digest(sent, service.token.encode()):
        hint = {"WWW-Authenticate": "Bearer"}
        return _error(401, "send the token that the server was started with: Authorization: Bearer …", **hint)
    return await handler(request)


def _names_this_machine(host: str) -> bool:
    """Whether a Host header names this machine, with any port."""
    try:
        return is_local(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


# -- routes ------------------------------------------------------------------------------------------------


async def _health(service: Service, request: web.Request) -> web.StreamResponse:
    batcher = service.batcher
    counts = {"waiting": batcher.waiting, "under_way": batcher.under_way}
    if batcher.closed:
        return _json({"status": "ending", **counts}, 503)
    return _json({"status": "ok", **counts})


async def _model(service: Service, request: web.Request) -> web.StreamResponse:
    return _json(service.facts)


async def _ask(service: Service, request: web.Request) -> web.StreamResponse:
    stream = _Stream(request)
    try:
        async with asyncio.timeout(service.timeout):
            ask = await _read_ask(request)
            record = await _answer(service.batcher, ask, stream.tell)
            if not ask.stream:
                return _json(record)
            await stream.write(record)
    except (web.HTTPException, asyncio.CancelledError):
        raise
    except Exception as error:
        failed = _failed(error)
        if stream.response is None:
            return failed
        await stream.write({"status": failed.status} | json.loads(failed.text or "{}"))
    assert stream.response is not None
    return stream.response


async def _read_ask(request: web.Request) -> Ask:
    if request.content_type != "application/json":
        # What a page of another site may send without asking first is of other types.
        raise web.HTTPUnsupportedMediaType(reason="send JSON as Content-Type: application/json")
    try:
        record = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise CoconutError(f"the request is no JSON: {one_line(error)}") from error
    return Ask.from_json(record)


async def _answer(batcher: Batcher, ask: Ask, tell: Callable[[StepRecord], Awaitable[None]]) -> dict[str, Any]:
    """The answer; before it, tell is given each step where that was asked for. Whoever stops waiting takes the
    ask out of the batch."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Any] = asyncio.Queue()

    def hear(event: Any) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    job = batcher.submit(ask, hear if ask.stream else None)
    job.answer.add_done_callback(hear)
    try:
        while isinstance(event := await events.get(), StepRecord):
            await tell(event)
        return job.answer.result()
    finally:
        job.answer.cancel()


class _Stream:
    """An answer as JSON lines; it begins with the first of them, so that an error before has its own status."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.response: web.StreamResponse | None = None

    async def tell(self, step: StepRecord) -> None:
        await self.write({"step": step.to_json()})

    async def write(self, record: dict[str, Any]) -> None:
        if self.response is None:
            self.response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
            await self.response.prepare(self.request)
        await self.response.write(_dumps(record).encode() + b"\n")
