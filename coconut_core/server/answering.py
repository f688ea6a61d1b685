"""Asks of one client and their answers: waited for in an event loop, and what failed in one line."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.records.trace import StepRecord
from coconut_core.server.asks import Ask
from coconut_core.server.batching import Batcher, ClosedError, FullError
from coconut_core.server.openai_records import UnknownModelError
from coconut_core.server.runs import Job, TooLongError

LONGEST = 1000  # characters of a message: it may quote what was sent
RETRY_AFTER = 1  # seconds after which one who found the queue full may try again


@dataclass(frozen=True)
class TakenStep:
    """A step of the ask of this number, and what it adds to the text."""

    number: int
    step: StepRecord
    added: str


@dataclass(frozen=True)
class Failure:
    """What an ask that failed is answered with; of a longer message, its beginning."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.message) > LONGEST:
            object.__setattr__(self, "message", f"{self.message[:LONGEST]}…")


def failure(error: BaseException) -> Failure:
    """The status and the line for whatever went wrong."""
    match error:
        case FullError():
            wait = {"Retry-After": str(RETRY_AFTER)}
            return Failure(429, f"too many questions wait: try again in {RETRY_AFTER} s", wait)
        case ClosedError():
            return Failure(503, "the server is about to end and takes no new questions")
        case TimeoutError():
            return Failure(504, "no answer within the time that a question may take")
        case UnknownModelError():
            return Failure(404, str(error))
        case TooLongError():
            return Failure(413, str(error))
        case CoconutError():
            return Failure(400, str(error))
    return Failure(500, f"the server failed: {describe_error(error)}")


async def answers(
    batcher: Batcher, asks: Sequence[Ask], tell: Callable[[TakenStep], Awaitable[None]] | None = None
) -> list[dict[str, Any]]:
    """The answers to asks for one answer each; before them, tell is given each step as it is taken. Whoever
    stops waiting takes the asks out of the batch.

    Raises FullError, ClosedError and what went wrong with the first of them that failed.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[TakenStep | None] = asyncio.Queue()

    def hear(event: TakenStep | None) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody listens any more
            loop.call_soon_threadsafe(events.put_nowait, event)

    def listen(number: int, step: StepRecord, added: str) -> None:
        hear(TakenStep(number, step, added))

    jobs = [Job(ask, None if tell is None else partial(listen, number)) for number, ask in enumerate(asks)]
    batcher.submit_all(jobs)
    try:
        for job in jobs:
            job.answer.add_done_callback(lambda answer: hear(None))
        unanswered = len(jobs)
        while unanswered:
            event = await events.get()
            if event is not None and tell is not None:
                await tell(event)
            if event is None:
                unanswered -= 1
                _raise_errors(jobs)
        return [job.answer.result() for job in jobs]
    finally:
        for job in jobs:
            job.answer.cancel()


def _raise_errors(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.answer.cancelled():  # as the server gives up
            raise ClosedError
        if job.answer.done() and (error := job.answer.exception()) is not None:
            raise error
