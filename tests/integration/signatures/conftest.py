"""Real keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.lab.keys import Keys


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    """Keys of every kind; below a short path, because a socket of GnuPG's lies in it."""
    with TemporaryDirectory(prefix="kpk", dir="/tmp") as folder:
        made = Keys.create(Path(folder))
        yield made
        made.close()
