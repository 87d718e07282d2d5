"""The parts of a hold that nothing can do faster, measured by hand on the same database."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import docker

from koprogo_agent import docker_api
from tests.bench.figure import middle
from tests.bench.site import Site
from tests.lab.data import fill, size
from tests.lab.processes import wait_until
from tests.lab.stack import DATABASE, UP_SECONDS, Stack

START_SECONDS = 60.0
ROUNDS = 3
COPY = f'CREATE DATABASE bench_copy TEMPLATE "{DATABASE}" STRATEGY FILE_COPY'
COPY_AWAY = "DROP DATABASE bench_copy"
MIGRATION = "SELECT execution_time / 1e9 FROM _sqlx_migrations ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True)
class Floors:
    """What cannot be done faster, in seconds.

    Attributes:
        point: the copy inside PostgreSQL, by `psql`.
        migration: by the application's own books.
        start: from `docker start` until the program answers on its port.
    """

    point: float
    migration: float
    start: float

    @property
    def together(self) -> float:
        """One after the other."""
        return self.point + self.migration + self.start


def grow(stack: Stack, megabytes: int) -> None:
    """Fills a database up to so much data."""
    fill(stack, max(0.0, megabytes - size(stack) / 1e6))


def amount(stack: Stack) -> str:
    """How much data there is, in words."""
    megabytes = size(stack) / 1e6
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 500 else f"{megabytes:.0f} MB"


def measure_floors(site: Site) -> Floors:
    """All three, while nobody else is there."""
    migration = float(site.stack.psql(MIGRATION))
    starts, points = [], []
    with closing(docker.DockerClient(base_url=site.stack.docker_host, timeout=120)) as client:
        backend = client.containers.get(f"{site.stack.name}-backend")
        for _ in range(ROUNDS):
            backend.stop()
            points.append(_timed_copy(site.stack))
            began = time.monotonic()
            backend.start()
            wait_until(lambda: _answers(site.stack), START_SECONDS, "the backend to answer", 0.02)
            starts.append(time.monotonic() - began)
    # The ingress leads to it again once the engine calls it healthy.
    wait_until(site.stack.serves, UP_SECONDS, "the ingress to lead to the backend")
    return Floors(middle(points), migration, middle(starts))


def _timed_copy(stack: Stack) -> float:
    began = time.monotonic()
    stack.psql(COPY, database="postgres")
    seconds = time.monotonic() - began
    stack.psql(COPY_AWAY, database="postgres")
    return seconds


def _answers(stack: Stack) -> bool:
    """Whether the program answers on its own port, whatever the engine thinks of it."""
    details: Mapping[str, dict[str, dict[str, dict[str, str]]]] = docker_api.read(
        stack.docker_host, f"/containers/{stack.name}-backend/json"
    )
    networks = details["NetworkSettings"]["Networks"].values()
    address = next((one["IPAddress"] for one in networks if one["IPAddress"]), "")
    if not address:
        return False
    connection = http.client.HTTPConnection(address, 8080, timeout=1)
    try:
        with closing(connection):
            connection.request("GET", "/api/v1/health")
            return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
