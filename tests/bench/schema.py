"""What data costs: backup and rehearsal beforehand, and the hold of an update with schema change.

Floors are measured on the same database in the same run: the copy inside PostgreSQL by `psql`, the
migration by the application's own books, the backend's start by the engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import docker

from tests.bench.figure import Figure, middle, spread
from tests.bench.site import SHIPPED_GATE, Agent, Site, Update
from tests.lab.data import fill, size
from tests.lab.processes import LabError, wait_until
from tests.lab.recipes import Kind
from tests.lab.stack import DATABASE

MARGIN_SECONDS = 2.0
SWAP_SECONDS = 1.0
START_SECONDS = 60.0
COPY = f'CREATE DATABASE bench_copy TEMPLATE "{DATABASE}" STRATEGY FILE_COPY'
COPY_AWAY = "DROP DATABASE bench_copy"
MIGRATION = "SELECT execution_time / 1e9 FROM _sqlx_migrations ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True)
class Floors:
    """What cannot be done faster, in seconds."""

    point: float
    migration: float
    start: float

    @property
    def together(self) -> float:
        """One after the other."""
        return self.point + self.migration + self.start


def measure_precautions(site: Site, megabytes: int) -> Iterator[Figure]:
    """What backup and rehearsal add with so much data; all of it before anything stops."""
    _grow(site, megabytes)
    careful = site.kept.changed(gate=SHIPPED_GATE)
    with Agent(careful) as agent:
        update = site.by_agent(agent)
    dumped, rehearsed = update.steps["backup"], update.steps["rehearse"]
    yield Figure(
        f"backup and rehearsal add, {_amount(site)} of data",
        dumped + rehearsed,
        "s",
        beside=f"backup {dumped:.1f} s, rehearsal {rehearsed:.1f} s; nothing has stopped yet;"
        f" unavailable in that update: {update.tally.unavailable:.1f} s",
    )


def measure(site: Site, rounds: int, megabytes: int) -> Iterator[Figure]:
    """Updates with schema change on so much data, and one that has to go back."""
    _grow(site, megabytes)
    with Agent(site.kept) as agent:
        updates = [site.by_agent(agent, Kind.GOOD_WITH_MIGRATION) for _ in range(rounds)]
        floors = _floors(site)
        yield _held(site, updates, floors)
        broken = site.by_agent(agent, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "rolled_back")
    yield _swapped(site, broken)


def _grow(site: Site, megabytes: int) -> None:
    """Fills the database up to so much data."""
    fill(site.stack, max(0.0, megabytes - size(site.stack) / 1e6))


def _held(site: Site, updates: list[Update], floors: Floors) -> Figure:
    lost = [one.tally.unavailable for one in updates]
    steps = ", ".join(
        f"{name} {middle([one.steps[name] for one in updates]):.1f}"
        for name in ("hold", "point", "switch", "gate", "release")
    )
    return Figure(
        f"unavailable, update with schema change, {_amount(site)} of data",
        middle(lost),
        "s",
        floor=floors.together,
        limit=floors.together + MARGIN_SECONDS,
        beside=f"floor: point {floors.point:.1f} + migration {floors.migration:.2f}"
        f" + backend start {floors.start:.1f}; limit: floor + 2 s; steps: {steps};"
        f" {spread(lost, 's')}",
    )


def _swapped(site: Site, update: Update) -> Figure:
    return Figure(
        f"rollback of the data (swap), {_amount(site)}",
        update.steps["undo point"],
        "s",
        limit=SWAP_SECONDS,
        beside="release broken in production after its migration; unavailable in all:"
        f" {update.tally.unavailable:.1f} s",
    )


def _floors(site: Site) -> Floors:
    """The same three by hand."""
    migration = float(site.stack.psql(MIGRATION))
    starts, points = [], []
    with closing(docker.DockerClient(base_url=site.stack.docker_host, timeout=120)) as client:
        backend = client.containers.get(f"{site.stack.name}-backend")
        for _ in range(3):
            backend.stop()
            points.append(_timed_copy(site))
            began = time.monotonic()
            backend.start()
            wait_until(
                lambda: _health(site) == "healthy", START_SECONDS, "the backend to be healthy"
            )
            starts.append(time.monotonic() - began)
    return Floors(middle(points), migration, middle(starts))


def _timed_copy(site: Site) -> float:
    began = time.monotonic()
    site.stack.psql(COPY, database="postgres")
    seconds = time.monotonic() - began
    site.stack.psql(COPY_AWAY, database="postgres")
    return seconds


def _health(site: Site) -> str:
    health = site.stack.state("backend").get("Health")
    if not isinstance(health, dict):
        raise LabError("the backend has no healthcheck")
    return str(health["Status"])


def _amount(site: Site) -> str:
    megabytes = size(site.stack) / 1e6
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 500 else f"{megabytes:.0f} MB"
