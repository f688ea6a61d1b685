"""coconut serve: one loaded model, asked over HTTP."""

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

PORT = 8765


@dataclass(frozen=True)
class _Access:
    """Where the server listens, and who is answered."""

    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but localhost is open to others.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT
    token: Annotated[
        str | None,
        typer.Option(envvar="COCONUT_TOKEN", help="What those who ask have to send; default: a random one."),
    ] = None
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Answer everybody on this machine; on localhost only.")
    ] = False


@dataclass(frozen=True)
class _Bounds:
    """How much is done at a time, and for one question."""

    rows: Annotated[int, typer.Option(min=2, help="Rows that run side by side.")] = 64
    queue: Annotated[int, typer.Option(min=1, help="Questions that may wait; more are turned away.")] = 256
    max_steps: Annotated[
        int, typer.Option(min=1, help="Most thoughts, and most words, that a question may ask for.")
    ] = 2048
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that a question may take.")] = 60.0
    max_body: Annotated[int, typer.Option(min=1, help="Longest request, in bytes.")] = 65536
    max_question: Annotated[int, typer.Option(min=1, help="Longest question, in tokens.")] = 4096


@options.grouped
def serve_command(
    *,
    source: options.Source,
    access: _Access,
    bounds: _Bounds,
    placement: options.Placement,
    compiled: options.Compiled = False,
    passes: options.Passes = None,
    untrained: options.Untrained,
) -> None:
    """Answer questions over HTTP with one loaded model: ask with `coconut ask --server URL`, or JSON as in
    docs/SERVE.md.

    Examples:

      coconut serve --model models/prosqa

      coconut ask --server http://127.0.0.1:8765 --token TOKEN --json "…"
    """
    from coconut_core.server.addresses import is_local

    choice = options.model_choice(source, placement, untrained, passes, compiled)
    local = is_local(access.host)
    token = _choose_token(access.token, access.no_token, local)
    sock = _listen(access.host, access.port)
    try:
        from coconut_core.server import app
    except ImportError as error:
        raise CoconutError(
            "a server needs aiohttp, which is not installed: pip install 'coconut-tui[serve]'"
        ) from error
    choice = choice.resolved(options.report)
    opened = options.open_model(choice)
    import asyncio

    from coconut_core.evaluation.facts import model_facts
    from coconut_core.server.batching import Batcher
    from coconut_core.server.runs import Limits
    from coconut_core.server.service import Service

    facts = model_facts(choice.source, opened)
    limits = Limits(bounds.max_question, bounds.max_steps, seconds=bounds.timeout / 4)
    batcher = Batcher(opened, facts["thoughts_used"], limits, rows=bounds.rows, queue=bounds.queue)
    service = Service(batcher, facts, access.host, token, bounds.timeout, bounds.max_body)

    def tell() -> None:
        where = f"[{access.host}]" if ":" in access.host else access.host
        url = f"http://{where}:{sock.getsockname()[1]}"
        say(f"{choice.source} answers at {url}; Ctrl-C ends it once what was asked is answered", err=True)
        if token is not None:
            say(f"token: {token}", err=True)
        if not local:
            say(f"warning: {url} can be reached by others, and nothing is encrypted", err=True)

    if asyncio.run(app.serve(service, sock, tell)):
        say("ended; everything that was asked is answered", err=True)
        return
    say("error: ended with questions that are not answered", err=True)
    sys.stderr.flush()
    os._exit(1)  # as the thread that has the model may be in the midst of something that does not end


def _choose_token(token: str | None, no_token: bool, local: bool) -> str | None:
    if no_token:
        if token is not None:
            raise CoconutError("there is a token (--token or COCONUT_TOKEN) and --no-token: give one of them")
        if not local:
            raise CoconutError("--no-token is for localhost only: leave it out, or leave out --host")
        return None
    if token is None:
        return secrets.token_urlsafe(24)
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise CoconutError("a token must be of ASCII letters, digits and signs, without spaces")
    return token


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket; so an address that cannot be had is found before a model is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, UnicodeError) as error:
        raise CoconutError(
            f"cannot listen on {host}, port {port}: {error}; choose another with --port"
        ) from error
