"""Whom the agent tells: an address that apprise posts to, and what came there."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self


class Letter(NamedTuple):
    """One message to the operator."""

    title: str
    body: str


class Letterbox:
    """Takes letters inside a `with` block."""

    def __init__(self) -> None:
        """Nothing listens yet."""
        self._letters: list[Letter] = []
        self._server = _Server(self._letters)

    @property
    def url(self) -> str:
        """The address for `notify.urls`."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        """Open."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._server.shutdown()
        self._server.server_close()

    def empty(self) -> list[Letter]:
        """Takes out what has come: whoever told it has waited until it was here."""
        taken, self._letters[:] = list(self._letters), []
        return taken


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, letters: list[Letter]) -> None:
        self.letters = letters
        super().__init__(("127.0.0.1", 0), _Delivery)


class _Delivery(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.letters.append(Letter(said["title"], said["message"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
