"""Fixtures of the simulation: instances in memory, their journals where a flush costs nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog

from tests.simulation.instance import Instance

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of operations are run; what they log is no output of a test."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, in memory where the machine has one: journals flush at every write."""
    if not _MEMORY.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=_MEMORY) as name:
        yield Path(name)


@pytest.fixture
def instance(folder: Path) -> Instance:
    """An instance that runs v1.0.0, installed by the agent."""
    made = Instance.new(folder)
    made.install()
    return made
