"""A fleet server that does what it is told: for whoever reports to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import Answer
from koprogo_agent.wire.signing import Request
from tests.lab.ca import Authority
from tests.lab.serving import Serving

ANSWER = Answer(acknowledged=(7,), interval=180, highest="v1.2.0")

Doing = Callable[["Exchange"], None]


class Server(Serving):
    """Does to each request what it was last told to do, inside a `with` block.

    Attributes:
        seen: the requests that came.
        times: when each of them came, in seconds of a monotonic clock.
        does: what is done to the next one.
        came: set with each request.
        over: set at the end.
    """

    def __init__(self, authority: Authority | None = None) -> None:
        """Listen on the loopback, with TLS where somebody vouches for it."""
        super().__init__(("127.0.0.1", 0), Exchange)
        self._scheme = "http"
        if authority is not None:
            self._scheme = "https"
            self.socket = authority.server().wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.seen: list[Request] = []
        self.times: list[float] = []
        self.does: Doing = saying(200, answers.encode(ANSWER))
        self.came = threading.Condition()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def shutdown(self) -> None:
        """End; those whom it left without an answer, too."""
        self.over.set()
        super().shutdown()

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Until so many requests have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.seen) >= count, seconds), self.seen


class Exchange(BaseHTTPRequestHandler):
    """One request and what is done to it."""

    server: Server

    def do_POST(self) -> None:
        """A report."""
        self._take()

    def do_DELETE(self) -> None:
        """A last word."""
        self._take()

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"{self.server.url}{self.path}"
        with self.server.came:
            self.server.seen.append(Request(self.command, url, body, dict(self.headers)))
            self.server.times.append(time.monotonic())
            self.server.came.notify_all()
        self.server.does(self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def taking(**said: Any) -> Doing:  # noqa: ANN401 - members of an answer
    """Takes every report, and acknowledges all of it."""

    def does(exchange: Exchange) -> None:
        report = json.loads(exchange.server.seen[-1].body)
        numbers = tuple(one["number"] for one in report["transitions"])
        told = {"acknowledged": numbers, "interval": 180, **said}
        saying(200, answers.encode(Answer(**told)))(exchange)

    return does


def silent(exchange: Exchange) -> None:
    """Nothing at all."""
    exchange.server.over.wait()


def saying(status: int, body: bytes = b"", **headers: str) -> Doing:
    """Answers with these."""

    def does(exchange: Exchange) -> None:
        exchange.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            exchange.send_header(name, value)
        exchange.end_headers()
        exchange.wfile.write(body)

    return does
