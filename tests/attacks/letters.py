"""Whom the agent tells: an address that apprise posts to, and what came there."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import NamedTuple, Self

from tests.lab.serving import Serving


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
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._server.__exit__(kind, error, trace)

    def empty(self) -> list[Letter]:
        """Takes out what has come: whoever told it has waited until it was here."""
        taken, self._letters[:] = list(self._letters), []
        return taken


class _Server(Serving):
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
