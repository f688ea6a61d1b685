"""What every command line of the project does with errors, and with texts that a terminal would obey."""

import codecs
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import typer

from coconut_core.common.errors import CoconutError, Interrupted, device_failure, visible


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a text to stdout, or to stderr: as it is into a file or a pipe, on a terminal with control
    characters but line breaks escaped, as it may quote a file, a model or a question."""
    stream = sys.stderr if err else sys.stdout
    typer.echo(visible(str(text), "\n") if stream.isatty() else text, err=err, nl=nl)


def run_guarded(command: Callable[[], Any]) -> None:
    """Run a command line; what a user can mend becomes one line on stderr and exit code 2.

    Ctrl-C ends with 130, and a reader that went away, as in `coconut … | head`, with 141 and no words.
    """
    _make_streams_bear_everything()
    try:
        command()
    except CoconutError as error:
        _end(2, f"error: {error}")
    except Interrupted as interrupted:
        _end(130, str(interrupted))
    except Exception as error:
        _end_unless_unknown(error)
        raise
    except (KeyboardInterrupt, SystemExit) as ended:
        behind: BaseException | None = ended  # typer and rich put an exit of their own in its place
        while behind is not None:
            if isinstance(behind, KeyboardInterrupt):
                _end(130, "interrupted")
            if isinstance(behind, BrokenPipeError):
                _end(141)
            behind = behind.__context__
        raise


def _end_unless_unknown(error: Exception) -> None:
    """End for what the machine refuses: a pipe without a reader, a full disk, no memory."""
    if isinstance(error, BrokenPipeError):
        _end(141)
    if isinstance(error, OSError):
        _end(2, f"error: {visible(str(error))}")
    if (failure := device_failure(error)) is not None:
        _end(2, f"error: {failure}: use --device cpu, a smaller --dtype or fewer questions at a time")


def _make_streams_bear_everything() -> None:
    """What a stream cannot encode is written escaped; without a locale, UTF-8 is read all the same."""
    if sys.stdout is None:  # closed, as in `coconut … >&-`
        sys.stdout = io.StringIO()
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if hasattr(sys.stdin, "reconfigure"):
        ascii_only = codecs.lookup(sys.stdin.encoding).name == "ascii"
        sys.stdin.reconfigure(encoding="utf-8" if ascii_only else None, errors="replace")


def _end(code: int, message: str = "") -> NoReturn:
    """Leave with a line on stderr, whether or not anybody reads what else was written."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # another Ctrl-C ends it at once, without a traceback
    with suppress(OSError):
        if message:
            typer.echo(message, err=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would try once more on its way out, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
