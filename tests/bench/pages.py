"""How long each page of the dashboard takes, of a fleet of 100,000 instances and a year."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from koprogo_agent.fleet.store.database import connect
from koprogo_agent.fleet.store.migrate import migrate
from tests.bench.figure import Figure, middle, spread
from tests.bench.years import fill
from tests.fleet.servers import Fleet, postgresql
from tests.lab.processes import LabError

_PASSWORD = "correct horse battery"
_SLOWEST = 100.0
"""Milliseconds that a page may take."""


def measure(instances: int, rounds: int) -> Iterator[Figure]:
    """Each page, on each database."""
    with TemporaryDirectory(prefix="koprogo-fleet-", dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield from _measure("SQLite", f"sqlite:///{folder}/fleet.db", folder, instances, rounds)
        with postgresql(folder / "postgres") as url:
            yield from _measure("PostgreSQL", url, folder, instances, rounds)


def _measure(
    name: str, database: str, folder: Path, instances: int, rounds: int
) -> Iterator[Figure]:
    engine, now = connect(database), int(time.time())
    migrate(engine)
    names = fill(engine, instances, now)
    engine.dispose()
    fleet = Fleet(database, folder)
    fleet.start()
    fleet.type("user", "ann", answers=f"{_PASSWORD}\n")
    with httpx.Client(base_url=fleet.url, timeout=60) as visitor:
        visitor.post("/login", data={"name": "ann", "password": _PASSWORD})
        slowest = {path: _times(visitor, path, rounds) for path in _paths(names[0], now)}
        deep, pages = _last_page(visitor)
    fleet.stop()
    worst = max(slowest, key=lambda path: middle(slowest[path]))
    yield Figure(
        f"dashboard on {name}, {instances:,} instances and a year: slowest page",
        middle(slowest[worst]),
        "ms",
        limit=_SLOWEST,
        beside=f"{worst.partition('?')[0]}; "
        + ", ".join(
            f"{path.partition('=')[0]} {middle(took):.0f}" for path, took in slowest.items()
        ),
    )
    yield Figure(
        f"  page {pages} of the list of instances",
        middle(deep),
        "ms",
        floor=middle(slowest["/instances?sort=name"]),
        times_floor=1.5,
        beside=f"as a multiple of the first page; {spread(deep, 'ms')}",
    )


def _paths(instance: str, now: int) -> list[str]:
    at = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(now - 7 * 3600))
    return [
        "/?days=7",
        "/?days=30",
        "/?days=365",
        "/releases",
        "/releases/v1.25.0",
        "/instances?sort=name",
        "/instances?sort=since",
        "/instances?code=gate.unhealthy",
        f"/instances/{instance}",
        "/attention",
        f"/then?at={at}",
        "/public",
        "/api/v1/instances?state=held",
    ]


def _times(visitor: httpx.Client, path: str, rounds: int) -> list[float]:
    """Milliseconds of each of so many visits, after a first one."""
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = visitor.get(path)
        took.append(1000 * (time.perf_counter() - began))
        if answer.status_code != httpx.codes.OK or "/login" in str(answer.url):
            raise LabError(f"{path} answers {answer.status_code}")
    return took[1:]


def _last_page(visitor: httpx.Client) -> tuple[list[float], int]:
    """The last 20 pages of the list of all instances, and how many pages there are."""
    took, after = [], ""
    while True:
        began = time.perf_counter()
        page = visitor.get("/api/v1/instances", params={"sort": "name", "after": after}).json()
        took.append(1000 * (time.perf_counter() - began))
        if page["next"] is None:
            return took[-20:], len(took)
        after = page["next"]
