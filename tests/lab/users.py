"""Many users at one instant, users over HTTP/2, and those of another stack."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tests.lab.processes import LabError, wait_until
from tests.lab.stack import Stack

_SECONDS = 90.0
_AT_ONCE = 20
"""Requests that share one connection of HTTP/2."""
_PAUSE = 0.1


@dataclass
class Crowd:
    """Users who all ask at once, each on a connection of their own.

    Attributes:
        stack: whose API they ask.
        count: how many they are.
        patience: seconds after which each hangs up.
        statuses: what they were answered; 0 for those who got no answer.
    """

    stack: Stack
    count: int
    patience: float = _SECONDS
    statuses: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._connected = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)

    def come(self) -> None:
        """All have sent their requests when this returns."""
        self._thread.start()
        if not self._connected.wait(_SECONDS):
            raise LabError("the crowd cannot connect")

    def leave(self) -> None:
        """All have their answers, or have gone, when this returns."""
        self._thread.join()

    async def _ask(self) -> None:
        sent = [asyncio.Event() for _ in range(self.count)]
        asking = [asyncio.create_task(self._one(number, one)) for number, one in enumerate(sent)]
        await asyncio.gather(*(one.wait() for one in sent))
        self._connected.set()
        self.statuses.update(await asyncio.gather(*asking))

    async def _one(self, number: int, sent: asyncio.Event) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.stack.http_port)
            path = f"/api/v1/rows/count?{number}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.stack.api_domain}\r\n\r\n".encode())
            await writer.drain()
            sent.set()
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.patience)
            finally:
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            sent.set()
            return 0
        return int(head.split(b" ", 2)[1])


class Http2User:
    """Asks over TLS and HTTP/2 without a pause, many requests on one connection.

    Attributes:
        answers: status and version of HTTP of each answer -> how many there were.
    """

    def __init__(self, stack: Stack, port: int) -> None:
        """By the stack's ingress, on its port for TLS."""
        name = stack.api_domain
        # The certificate is the ingress's own default.
        options = ["curl", "--insecure", "--http2", "--silent", "--parallel"]
        options += ["--resolve", f"{name}:{port}:127.0.0.1", "--max-time", str(_SECONDS)]
        options += ["--parallel-max", str(_AT_ONCE), "--output", "/dev/null"]
        options += ["--write-out", "%{http_code} %{http_version}\\n"]
        self._command = [*options, f"https://{name}:{port}/api/v1/health?[1-{2 * _AT_ONCE}]"]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the answers that are due."""
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(_PAUSE):
            done = subprocess.run(self._command, capture_output=True, check=False)
            self.answers.update(done.stdout.decode().split("\n")[:-1])


class Reader:
    """Asks for one page ten times a second, on a connection of its own each time.

    Attributes:
        failed: how many answers were not good.
        waits: seconds that each answer took.
    """

    def __init__(self, stack: Stack, host: str) -> None:
        """Through the stack's ingress, by any host name."""
        self._stack = stack
        self._host = host
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.failed = 0
        self.waits: list[float] = []

    def __enter__(self) -> Self:
        """Begin, once the ingress has a route."""
        wait_until(self.serves, _SECONDS, f"the ingress to lead to {self._host}")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join()

    def serves(self) -> bool:
        """Whether one request is answered well."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._stack.http_port, timeout=_SECONDS
        )
        try:
            with closing(connection):
                connection.request("GET", "/health", headers={"Host": self._host})
                return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _ask(self) -> None:
        while not self._ended.wait(_PAUSE):
            began = time.monotonic()
            self.failed += not self.serves()
            self.waits.append(time.monotonic() - began)
