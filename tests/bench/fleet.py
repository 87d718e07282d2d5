"""Reports a second that a fleet server takes, with whoever sends them on the same processors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.wire.report import encode
from tests.bench.figure import Figure
from tests.fleet.machines import Machine
from tests.fleet.servers import NO_LIMITS, Fleet, postgresql
from tests.lab.processes import LabError

_CONNECTIONS = 16
_FASTEST = 0.5
"""Milliseconds of a report where 2,000 come in a second."""
_RATE, _SLOWEST = 556.0, 50.0
"""Reports a second of 100,000 instances, and milliseconds within which 99 of 100 are answered."""


def measure(instances: int) -> Iterator[Figure]:
    """On each database: as fast as they come, and at the pace of a fleet."""
    with TemporaryDirectory(prefix="koprogo-fleet-", dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield from _measure("SQLite", f"sqlite:///{folder}/fleet.db", folder, instances)
        with postgresql(folder / "postgres") as url:
            yield from _measure("PostgreSQL", url, folder, instances)


def _measure(name: str, database: str, folder: Path, instances: int) -> Iterator[Figure]:
    fleet = Fleet(database, folder, NO_LIMITS)
    fleet.start()
    machines = [Machine(fleet.url) for _ in range(instances)]
    enrolled = send(fleet.port, prepared(machines))
    fast = send(fleet.port, prepared(machines))
    steady = send(fleet.port, prepared(machines), _RATE)
    fleet.stop()
    yield Figure(
        f"fleet server on {name}: a report, as fast as they come",
        1000 / fast.rate,
        "ms",
        limit=_FASTEST,
        beside=f"{fast.rate:.0f} a second; {enrolled.rate:.0f} of instances that are new",
    )
    yield Figure(
        f"  the same at {_RATE:.0f} a second: 99 of 100 within",
        1000 * steady.slowest(0.99),
        "ms",
        limit=_SLOWEST,
        beside="whoever sends them runs on the same processors",
    )
    if {*enrolled.statuses, *fast.statuses, *steady.statuses} != {200}:
        raise LabError("not every report was taken")


@dataclass(frozen=True)
class Load:
    """What came of it.

    Attributes:
        seconds: that it took.
        waits: seconds that each answer took, in rising order.
        statuses: of the answers.
    """

    seconds: float
    waits: Sequence[float]
    statuses: frozenset[int]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def slowest(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]


def prepared(machines: Iterable[Machine]) -> list[bytes]:
    """The next report of each, signed and ready to be sent: signing is the instances' work."""
    return [_wire(machine) for machine in machines]


def _wire(machine: Machine) -> bytes:
    request = machine.request(encode(machine.report()))
    host = machine.url.removeprefix("http://")
    fields = {"Host": host, "Content-Length": str(len(request.body)), **request.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /api/v1/reports HTTP/1.1\r\n{head}\r\n".encode() + request.body


def send(port: int, requests: Sequence[bytes], rate: float | None = None) -> Load:
    """Sends all of it: as fast as it is answered, or at a rate."""
    return asyncio.run(_send(port, requests, rate))


async def _send(port: int, requests: Sequence[bytes], rate: float | None) -> Load:
    began = time.monotonic()
    waiting = iter(enumerate(requests))
    waits: list[float] = []
    statuses: set[int] = set()

    async def speak() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in waiting:
            if rate is not None:
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            waits.append(time.monotonic() - sent)
            statuses.add(int(head.split(b" ", 2)[1]))
        writer.close()

    await asyncio.gather(*(speak() for _ in range(_CONNECTIONS)))
    return Load(time.monotonic() - began, sorted(waits), frozenset(statuses))
