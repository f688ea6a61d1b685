"""Asking a server that runs somewhere else. The standard library is enough for it: no torch, no aiohttp."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.server.asks import Ask

LONGEST_WAIT = 60.0  # seconds between two attempts, whatever the server says


@dataclass(frozen=True)
class Server:
    """A server by its address, such as http://127.0.0.1:8765. timeout: seconds to wait for an answer, and in
    all for a free place in the queue."""

    url: str
    token: str | None = None
    timeout: float = 300.0

    def ask(self, ask: Ask) -> dict[str, Any]:
        """The answer, as `coconut ask --json` prints it. Raises CoconutError where there is none."""
        return self._request("POST", "/ask", ask.to_json())

    def model(self) -> dict[str, Any]:
        """What is known of the server's model, as `coconut info --json` prints it. Raises CoconutError."""
        return self._request("GET", "/model")

    def _request(self, method: str, path: str, record: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request; where the queue is full it is made again when the server says."""
        until = time.monotonic() + self.timeout
        while True:
            status, headers, body = self._send(method, path, record)
            if status != 429:
                break
            wait = _seconds(headers.get("Retry-After"))
            if time.monotonic() + wait > until:
                raise CoconutError(f"{self.url} has had no free place for {self.timeout:g} s: try again later")
            time.sleep(wait)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or (status != 200 and "error" not in answer):
            raise CoconutError(f"{self.url} is no coconut server: it answers with status {status}")
        if status == 401:
            raise CoconutError(f"{self.url} wants its token: give it as COCONUT_TOKEN or --token")
        if status != 200:
            message = " ".join(str(answer["error"]).split())
            raise CoconutError(message if status in (400, 413) else f"{self.url}: {message}")
        return answer

    def _send(
        self, method: str, path: str, record: dict[str, Any] | None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        headers = {"Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        body = None
        if record is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(record).encode()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except TimeoutError as error:
            raise CoconutError(
                f"{self.url} has not answered for {self.timeout:g} s: try again later"
            ) from error
        except ConnectionRefusedError as error:
            raise CoconutError(f"nothing answers at {self.url}: start it with coconut serve") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CoconutError(f"cannot ask {self.url}: {one_line(error) or type(error).__name__}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("http", "https") or parts.path.strip("/"):
            raise CoconutError(
                f"'{self.url}' is no address of a server: write one such as http://127.0.0.1:8765"
            )
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(host, port, timeout=self.timeout)


def _seconds(text: str | None) -> float:
    """What Retry-After says, within bounds."""
    try:
        wait = float(text or "")
    except ValueError:
        wait = 1.0
    return min(max(wait, 0.05), LONGEST_WAIT) if wait == wait else 1.0
