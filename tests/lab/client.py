"""A user of the stack who never sleeps: reads and writes rows at a constant rate, and counts."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.lab.stack import Stack

TIMEOUT_SECONDS = 90.0
"""Longer than requests may be held while an update is at work."""
PATIENCE_SECONDS = 0.5
BODY = "a row of ordinary length, as people write them " * 3

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Sample:
    """One request; times are seconds of the monotonic clock.

    `started` is when it was due: waiting for a free connection counts as waiting. `sent` is when
    there was one.
    `status` is 0 where no answer came in time; `key` is the row's, empty unless it was a write.
    """

    started: float
    ended: float
    status: int
    ok: bool
    key: str
    sent: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which users were not served."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Tally:
    """What a client saw, in the order in which the requests were sent."""

    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def requests(self) -> int:
        """How many requests ended."""
        return len(self.samples)

    @property
    def failed(self) -> int:
        """How many of them were not answered as they should have been."""
        return sum(not sample.ok for sample in self.samples)

    @property
    def acknowledged(self) -> frozenset[str]:
        """Keys of all rows that the stack said were written."""
        return frozenset(sample.key for sample in self.samples if sample.ok and sample.key)

    @property
    def slowest(self) -> float:
        """The longest that a good answer took, in seconds."""
        return max((s.ended - s.started for s in self.samples if s.ok), default=0.0)

    @property
    def longest_wait(self) -> float:
        """The longest that any request took, answered well or not, in seconds."""
        return max((s.ended - s.started for s in self.samples), default=0.0)

    @property
    def longest_held(self) -> float:
        """The longest that any request took once the client had a connection for it."""
        return max((s.ended - s.sent for s in self.samples), default=0.0)

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 good answers came."""
        waits = sorted(s.ended - s.started for s in self.samples if s.ok)
        return waits[min(len(waits) - 1, len(waits) * 99 // 100)] if waits else 0.0

    @property
    def repeated(self) -> frozenset[str]:
        """Keys of writes that were executed twice: a key is used once, and was there already."""
        conflict = HTTPStatus.CONFLICT
        return frozenset(s.key for s in self.samples if s.key and s.status == conflict)

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Times without service: from the start of a failed request to the next good answer.

        A good answer that took longer than `PATIENCE_SECONDS` is such a time as well; times that
        overlap are one.
        """
        return self._outages(PATIENCE_SECONDS)

    @property
    def failing(self) -> float:
        """Seconds from failed requests to the next good answers; slow answers do not count."""
        return sum(outage.seconds for outage in self._outages(math.inf))

    @property
    def rate(self) -> float:
        """Requests that ended in a second, over all the time from the first to the last."""
        if not self.samples:
            return 0.0
        ended = max(sample.ended for sample in self.samples)
        return len(self.samples) / (ended - self.samples[0].started)

    def _outages(self, patience: float) -> tuple[Outage, ...]:
        spans: list[Outage] = []
        failing: float | None = None
        for sample in self.samples:
            if not sample.ok:
                failing = sample.started if failing is None else failing
                continue
            if failing is not None or sample.ended - sample.started > patience:
                spans.append(Outage(sample.started if failing is None else failing, sample.ended))
            failing = None
        if failing is not None:
            spans.append(Outage(failing, self.samples[-1].ended))
        return _merged(spans)

    @property
    def unavailable(self) -> float:
        """Seconds of all outages together."""
        return sum(outage.seconds for outage in self.outages)

    @property
    def longest(self) -> float:
        """Seconds of the longest outage."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    def since(self, moment: float) -> Tally:
        """Only the requests that started at `moment` (monotonic clock) or later."""
        return Tally(tuple(sample for sample in self.samples if sample.started >= moment))


def _merged(spans: list[Outage]) -> tuple[Outage, ...]:
    merged: list[Outage] = []
    for span in sorted(spans, key=lambda each: each.began):
        if merged and span.began <= merged[-1].ended:
            before = merged.pop()
            merged.append(Outage(before.began, max(before.ended, span.ended)))
        else:
            merged.append(span)
    return tuple(merged)


class Client:
    """Sends `rate` requests a second inside a `with` block; some of them write a row.

    The rate does not depend on the answers: while the stack is away, requests fail at the same
    rate. A read asks for a row that was acknowledged; if it is not there, that is a failure.
    """

    def __init__(
        self,
        stack: Stack,
        rate: float = 50.0,
        *,
        writes: float = 0.5,
        keep_alive: bool = True,
        connections: int = 0,
        opened: int = 0,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Say what users do.

        Args:
            stack: is asked through its ingress, by the host name of its API.
            rate: requests a second.
            writes: the share of requests that write a row, from 0 to 1.
            keep_alive: whether a connection is used for more than one request.
            connections: how many there are at most; 0 means as many as requests at one time.
            opened: how many are opened before the first request; they are used in turn.
            timeout: seconds after which a request has failed.
        """
        place = urlsplit(stack.url)
        self._host, self._port = place.hostname or "", place.port or 80
        self._interval = 1.0 / rate
        self._writes = writes
        self._timeout = timeout
        self._opened = opened
        self._keep_alive = keep_alive
        self._headers = f"Host: {stack.api_domain}\r\n"
        self._headers += "" if keep_alive else "Connection: close\r\n"
        self._prefix = f"load-{uuid.uuid4().hex[:8]}-"
        self._samples: list[Sample] = []
        self._idle: deque[Connection] = deque()
        self._slots = asyncio.Semaphore(connections or sys.maxsize)
        self._last_key = ""
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

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
        """Send no more, and wait for the answers that are due."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def tally(self) -> Tally:
        """What it saw so far."""
        return Tally(tuple(sorted(self._samples, key=lambda sample: sample.started)))

    def lost(self, stack: Stack) -> frozenset[str]:
        """Keys of acknowledged rows that the database does not hold; there must never be one."""
        return self.tally().acknowledged - self._stored(stack)

    def unacknowledged(self, stack: Stack) -> frozenset[str]:
        """Keys of rows that were written although the client was told that they failed."""
        return self._stored(stack) - self.tally().acknowledged

    def _stored(self, stack: Stack) -> frozenset[str]:
        sql = f"SELECT key FROM rows WHERE key LIKE '{self._prefix}%'"  # noqa: S608 - our own
        return frozenset(stack.psql(sql).splitlines())

    def _run(self) -> None:
        self._loop.run_until_complete(self._send_all())
        self._loop.close()

    async def _send_all(self) -> None:
        for _ in range(self._opened):
            self._idle.append(await asyncio.open_connection(self._host, self._port))
        begun = time.monotonic()
        flying: set[asyncio.Task[None]] = set()
        number = 0
        while not self._ended.is_set():
            task = asyncio.create_task(self._send(number, begun + number * self._interval))
            flying.add(task)
            task.add_done_callback(flying.discard)
            number += 1
            await asyncio.sleep(max(0.0, begun + number * self._interval - time.monotonic()))
        await asyncio.gather(*flying)
        for _, writer in self._idle:
            writer.close()

    async def _send(self, number: int, due: float) -> None:
        # Spread evenly: a write whenever the sum of the shares passes a whole number.
        share = self._writes
        writes = int((number + 1) * share) > int(number * share) or not self._last_key
        key = f"{self._prefix}{number}" if writes else ""
        request = self._write(key) if writes else self._read(self._last_key)
        sent = due
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                sent = time.monotonic()
                status = await self._exchange(request)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            status = 0
        ok = status == (HTTPStatus.CREATED if writes else HTTPStatus.OK)
        if ok and writes:
            self._last_key = key
        self._samples.append(Sample(due, time.monotonic(), status, ok, key, sent))

    async def _exchange(self, request: bytes) -> int:
        reader, writer = await self._connection()
        reusable = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            await reader.readexactly(length)
            reusable = self._keep_alive and "connection: close" not in head
        finally:
            if reusable:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return int(head.split(" ", 2)[1])

    async def _connection(self) -> Connection:
        """The connection that has been idle for longest, or a new one."""
        while self._idle:
            reader, writer = self._idle.popleft()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    def _write(self, key: str) -> bytes:
        body = json.dumps({"key": key, "body": BODY}).encode()
        head = f"POST /api/v1/rows HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _read(self, key: str) -> bytes:
        return f"GET /api/v1/rows/{key} HTTP/1.1\r\n{self._headers}\r\n".encode()
