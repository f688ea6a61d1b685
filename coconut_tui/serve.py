"""The explorer in a browser, through textual-serve: each page that is opened starts one explorer."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.server.addresses import address_of, is_local


def serve(arguments: Sequence[str], host: str, port: int, public_url: str | None = None) -> None:
    """Serve explorers that are started with these arguments, until interrupted.

    Raises CoconutError where textual-serve is missing or the address cannot be listened on.
    """
    url = page_url(host, port, public_url)
    try:
        from textual_serve.server import Server
    except ImportError as error:
        raise CoconutError(
            "a browser needs textual-serve, which is not installed: pip install 'coconut-tui[serve]'"
        ) from error
    from aiohttp import web

    origins = allowed_origins(host, port, url)

    class OwnPages(Server):  # type: ignore[misc]
        """Refuses pages of other sites: they can reach a server on this machine too, and have its files."""

        async def handle_websocket(self, request: web.Request) -> Any:
            if request.headers.get("Origin") not in origins:
                raise web.HTTPForbidden(text=f"open {url}")
            return await super().handle_websocket(request)

    if not is_local(host):
        print(f"note: there is no password: whoever reaches {url} can use your files", file=sys.stderr)
    try:
        OwnPages(explorer_command(arguments), host, port, "coconut-tui", url).serve()
    except OSError as error:
        raise CoconutError(f"cannot listen on {host}, port {port}: {error}") from error


def explorer_command(arguments: Sequence[str]) -> str:
    """The command line that starts an explorer, as the platform's shell reads it."""
    words = [sys.executable, "-m", "coconut_tui", *arguments]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def page_url(host: str, port: int, public_url: str | None) -> str:
    """The page's address, by which it finds its server again. Raises CoconutError where it is not known."""
    if public_url is not None:
        return public_url.rstrip("/")
    address = address_of(host)
    if address is not None and address.is_unspecified:
        raise CoconutError(
            f"--host {host} is every address of this machine: add --public-url http://NAME:{port}"
        )
    name = f"[{host}]" if address is not None and address.version == 6 else host
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


def allowed_origins(host: str, port: int, url: str) -> set[str]:
    """The sites whose pages may drive an explorer, as browsers name them."""
    names = ("localhost", "127.0.0.1", "[::1]") if is_local(host) else ()
    return {"/".join(url.split("/")[:3]), *(page_url(name, port, None) for name in names)}
