"""Fixtures that bring up real parts, shared as widely as their state allows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.instance import PATIENT_GATE, Instance
from tests.lab.engine import Engine
from tests.lab.ingress import Ingress
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK

LONGEST = tuple(
    f"test_{name}"
    for name in (
        *("trials", "migrations", "updates", "crashes", "power_cuts", "selfupdate"),
        *("faults", "install", "adoption", "instances", "connections", "hold_kills"),
    )
)
"""Files that take minutes, the longest first; but the second one on a bare machine begins when the
first has made what both of them install."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest: a worker that came to it last would end long after all."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def lab_engine() -> Iterator[Engine]:
    """One Docker engine for the whole run."""
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def ingress() -> Ingress:
    """The proxy in front of a module's stack; a module that needs another overrides this."""
    return Ingress.TRAEFIK


@pytest.fixture(scope="module")
def lab(lab_engine: Engine, ingress: Ingress) -> Iterator[Lab]:
    """One lab for a module's tests: registry, git server, keys and a stack of its own.

    Health checks are quick: what users wait for is measured elsewhere.
    """
    with Lab(lab_engine, settings=QUICK, ingress=ingress) as lab:
        yield lab


@pytest.fixture(scope="module")
def instance(lab: Lab) -> Instance:
    """An agent that has installed the first release."""
    release = lab.publisher.publish(Kind.GOOD)
    lab.stack.write_env(release.version)
    instance = Instance.create(lab)
    with instance.changed(gate=PATIENT_GATE).engine() as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome == "committed", ran.operation.state.cause
    return instance
