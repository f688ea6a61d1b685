"""What a server's routes have in common: whom they serve, how answers, errors and streams are written."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.server.answering import Failure, failure
from coconut_core.server.batching import Batcher
from coconut_core.server.openai_records import PREFIX, error_record

READING = 5.0  # seconds that a client has to read what is left of its answer


@dataclass(frozen=True)
class Service:
    """What is served, and to whom. Without a token everybody who reaches it may ask."""

    batcher: Batcher
    facts: dict[str, Any]  # of the model
    host: str  # that it listens on
    token: str | None
    timeout: float  # seconds that an ask may take, waiting included
    body: int  # bytes that a request may have


def reply(record: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer as JSON."""
    return web.json_response(record, status=status, headers=headers, dumps=dumps)


def dumps(record: dict[str, Any]) -> str:
    """JSON in one line, as UTF-8 can hold it."""
    return json.dumps(record, ensure_ascii=False)


def refuse(request: web.Request, failed: Failure) -> web.Response:
    """An error as JSON, in the form that the route's clients know."""
    if request.path.startswith(PREFIX):
        return reply(error_record(failed.status, failed.message), failed.status, failed.headers)
    return reply({"error": failed.message}, failed.status, failed.headers)


async def read_json(request: web.Request) -> Any:
    """The JSON that was sent. Raises CoconutError where it is none."""
    if request.content_type != "application/json":
        # What a page of another site may send without asking first is of other types.
        raise web.HTTPUnsupportedMediaType(reason="send JSON as Content-Type: application/json")
    try:
        return json.loads(await request.read())
    except web.RequestPayloadError as error:
        raise CoconutError(f"the request's body cannot be read: {one_line(error)}") from error
    except (ValueError, RecursionError) as error:
        raise CoconutError(f"the request is no JSON: {one_line(error)}") from error


class Stream:
    """An answer piece by piece: JSON lines, or events for OpenAI's clients. It begins with the first of them,
    so that an error before has its own status."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.events = request.path.startswith(PREFIX)
        self.response: web.StreamResponse | None = None

    async def write(self, record: dict[str, Any]) -> None:
        """Send a piece, once the client has read enough of those before."""
        await self.write_text(dumps(record))

    async def write_text(self, text: str) -> None:
        """Send a piece that is text already."""
        if self.response is None:
            kind = "text/event-stream" if self.events else "application/x-ndjson; charset=utf-8"
            self.response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-cache"})
            await self.response.prepare(self.request)
        await self.response.write((f"data: {text}\n\n" if self.events else f"{text}\n").encode())

    async def end(self, failed: Failure) -> None:
        """End with an error, for which a client that does not read is not waited for."""
        record = {"status": failed.status, "error": failed.message}
        if self.events:
            record = error_record(failed.status, failed.message)
        try:
            async with asyncio.timeout(READING):
                await self.write(record)
        except TimeoutError:
            if self.request.transport is not None:
                self.request.transport.abort()


async def respond(
    service: Service, stream: Stream, work: Callable[[], Awaitable[web.StreamResponse | None]]
) -> web.StreamResponse:
    """What work gives, or None for what it has written into the stream; what goes wrong in it, or takes longer
    than an ask may, is told."""
    try:
        async with asyncio.timeout(service.timeout):
            whole = await work()
        if whole is not None:
            return whole
    except (web.HTTPException, asyncio.CancelledError):
        raise
    except Exception as error:
        if stream.response is None:
            return refuse(stream.request, failure(error))
        await stream.end(failure(error))
    assert stream.response is not None
    return stream.response
