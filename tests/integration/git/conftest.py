"""A fresh origin for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.git.bench import Bench
from tests.lab.ca import Authority
from tests.lab.origin import Origin


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh origin."""
    authority = Authority.create(tmp_path, "lab")
    with Origin(tmp_path, authority, Authority.create(tmp_path, "stranger")) as origin:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        yield Bench(origin, state)
