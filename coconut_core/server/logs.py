"""What a server has to say of what goes wrong: one line each on stderr, which nobody need be reading."""

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any

from coconut_core.common.errors import describe_error, visible

LONGEST = 300  # characters of a line


def report(text: str) -> None:
    """Write a line; what a client or a library put into it is shown escaped."""
    with suppress(OSError, ValueError):  # a closed stream, a pipe without a reader
        sys.stderr.write(visible(" ".join(text.split()))[:LONGEST] + "\n")


def report_error(error: BaseException, where: str = "") -> None:
    """Write what went wrong, without a traceback."""
    report(f"error: {where}{': ' if where else ''}{describe_error(error)}")


def hear_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        report_error(error, str(context.get("message", "")))
    else:
        report(f"error: {context.get('message', '')}")


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            report(f"{record.levelname.lower()}: {record.getMessage()}")
        else:
            report_error(error, record.getMessage())


def _one_line_logger() -> logging.Logger:
    logger = logging.getLogger(__name__)
    logger.handlers = [_Lines()]
    logger.propagate = False
    return logger


LOGGER = _one_line_logger()  # for the HTTP library, which logs a request that it cannot read with a traceback
