"""Fixtures of the simulation: instances in memory, their journals where a flush costs nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
import structlog

from tests.simulation.instance import Instance
from tests.simulation.operators import OVERRIDE, write

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of operations are run; what they log is no output of a test."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def memory() -> Iterator[Callable[[], Path]]:
    """Makes empty folders, in memory where the machine has one: journals flush at every write."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        yield lambda: Path(mkdtemp(dir=name))


@pytest.fixture
def folder(memory: Callable[[], Path]) -> Path:
    """An empty folder."""
    return memory()


@pytest.fixture
def instance(folder: Path) -> Instance:
    """An instance that runs v1.0.0, installed by the agent."""
    made = Instance.new(folder)
    made.install()
    return made


@pytest.fixture
def watched(instance: Instance) -> Instance:
    """An instance whose users count from now on."""
    instance.scene.users.failed.clear()
    instance.watcher.began.clear()
    return instance


@pytest.fixture
def overriding(folder: Path) -> Instance:
    """An instance with an override file of the operator's, which has no services yet."""
    made = Instance.new(folder, stack={"overrides": (OVERRIDE,)})
    write(made, {})
    made.install()
    return made
