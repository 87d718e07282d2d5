"""Bare machines beside a stack that somebody started by hand, and what is installed on them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.agent import Workshop
from tests.lab.debian_image import SUITES
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK
from tests.machine.installing import SUITE
from tests.machine.site import Site, founded_site


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workshop:
    """What `make dist` makes, once for all workers, and versions of it with something wrong."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    made = Workshop(tmp_path_factory.mktemp("workshop"), shared / "checkout")
    with (shared / "checkout.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.dist.exists():
            made.build(SUITES[SUITE].python)
    return made


@pytest.fixture(scope="session")
def dist(workshop: Workshop) -> Path:
    """What the agent is installed from."""
    return workshop.dist


@pytest.fixture(scope="module")
def running(lab_engine: Engine) -> Iterator[Lab]:
    """A stack of KoproGo's kind that somebody started by hand.

    It is adopted and mostly left alone.
    """
    with Lab(lab_engine, settings=QUICK, shared=True) as lab:
        lab.install(lab.publisher.publish(Kind.GOOD))
        yield lab


@pytest.fixture(scope="module")
def site(running: Lab, workshop: Workshop) -> Iterator[Site]:
    """A machine beside that stack, whose agent looks for versions of itself."""
    with founded_site(running, workshop) as made:
        yield made
