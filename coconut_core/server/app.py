"""The HTTP side of a server: routes, who may ask, limits, an orderly end. Needs aiohttp, the extra `serve`."""

import asyncio
import hmac
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from coconut_core.server import openai_routes
from coconut_core.server.addresses import is_local
from coconut_core.server.answering import Failure, TakenStep, answers, failure
from coconut_core.server.asks import Ask
from coconut_core.server.logs import LOGGER, hear_loop
from coconut_core.server.service import READING, Service, Stream, read_json, refuse, reply, respond

SILENCE = 30.0  # seconds that a client may take over its request, or may read nothing of its answer
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(service: Service) -> web.Application:
    """The routes: POST /ask, GET /model, those of OpenAI's clients, and GET /health, which needs no token."""
    guards = [web.middleware(partial(guard, service)) for guard in (_errors, _guard)]
    app = web.Application(middlewares=guards, client_max_size=service.body)
    app.add_routes(
        [
            web.post("/ask", partial(_ask, service)),
            web.get("/model", partial(_model, service)),
            web.get("/health", partial(_health, service)),
            *openai_routes.routes(service),
        ]
    )
    return app


async def start(service: Service, sock: socket.socket) -> web.AppRunner:
    """Begin to answer on a bound socket; the runner's cleanup ends that."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: who does not read an answer is let go as well
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))
    runner = web.AppRunner(
        make_app(service),
        handler_cancellation=True,
        access_log=None,
        logger=LOGGER,
        keepalive_timeout=SILENCE,
        shutdown_timeout=READING,
    )
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner


async def serve(service: Service, sock: socket.socket, started: Callable[[], None]) -> bool:
    """Answer on a bound socket until SIGINT or SIGTERM: then nothing new is taken, and what is under way is
    answered, for which there are as many seconds as an ask may take. A second signal ends it at once. It also
    ends where nothing answers any more.

    Returns whether all that was asked is answered, so that nothing is under way any more.
    """
    loop, stop, done = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def ended() -> None:
        stop.set()
        done.set()

    service.batcher.at_end(lambda: loop.call_soon_threadsafe(ended))
    loop.set_exception_handler(hear_loop)
    runner = await start(service, sock)
    signals = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # Windows: Ctrl-C ends it at once
        for number in signals:
            loop.add_signal_handler(number, stop.set)
    started()
    await stop.wait()
    for number in signals:
        loop.remove_signal_handler(number)
    asked_to = service.batcher.alive
    service.batcher.close()
    answered = await _within(done, service.timeout)
    if not answered:
        service.batcher.give_up()
        await _within(done, READING)
    await runner.cleanup()  # once the answers are written
    return asked_to and answered


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


# -- who may ask, and what is said to whom may not -----------------------------------------------------------


async def _errors(service: Service, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told as JSON, in one line."""
    try:
        return await handler(request)
    except web.HTTPException as error:  # 404, 405, 413 of aiohttp
        headers = {name: value for name, value in error.headers.items() if name == "Allow"}
        message = f"{request.method} {request.path}: {error.reason}"
        if error.status == 413:
            message = f"the request is longer than {service.body} bytes: shorten it"
        return refuse(request, Failure(error.status, message, headers))
    except Exception as error:
        return refuse(request, failure(error))


async def _guard(service: Service, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse those without the token, and pages of other sites that reach this machine by a name of theirs."""
    if is_local(service.host) and not _names_this_machine(request.host):
        return refuse(request, Failure(403, "this server answers to localhost only: ask it under that name"))
    if service.token is None or request.path == "/health":
        return await handler(request)
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    sent = token.strip().encode(errors="surrogateescape")  # as a header may hold any bytes
    if kind.lower() != "bearer" or not hmac.compare_digest(sent, service.token.encode()):
        message = "send the token that the server was started with: Authorization: Bearer …"
        return refuse(request, Failure(401, message, {"WWW-Authenticate": "Bearer"}))
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
    seconds = batcher.turn_seconds
    status = "ok"
    if batcher.closed:
        status = "ending"
    elif not batcher.alive:
        status = "dead"
    elif seconds > service.timeout:
        status = "stuck"
    record = {
        "status": status,
        "waiting": batcher.waiting,
        "under_way": batcher.under_way,
        "turn_seconds": round(seconds, 3),
    }
    return reply(record, 200 if status == "ok" else 503)


async def _model(service: Service, request: web.Request) -> web.StreamResponse:
    return reply(service.facts)


async def _ask(service: Service, request: web.Request) -> web.StreamResponse:
    stream = Stream(request)

    async def tell(taken: TakenStep) -> None:
        await stream.write({"step": taken.step.to_json(), "text": taken.added})

    async def work() -> web.StreamResponse | None:
        ask = Ask.from_json(await read_json(request))
        asks = ask.each()
        records = await answers(service.batcher, asks, tell if ask.stream else None)
        if ask.samples > 1:
            samples = [{"seed": sample.seed, **record} for sample, record in zip(asks, records, strict=True)]
            return reply({"question": ask.question, "samples": samples})
        if not ask.stream:
            return reply(records[0])
        await stream.write(records[0])
        return None

    return await respond(service, stream, work)
