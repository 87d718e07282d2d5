"""One instance for the attacks of a module: lean, because others prove what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.field import LEAN, Field
from tests.attacks.letters import Letterbox
from tests.instance import Instance
from tests.lab.forgeries import Forger
from tests.lab.lab import Lab


@pytest.fixture(scope="module")
def field(lab: Lab, instance: Instance) -> Iterator[Field]:
    """Whoever attacks it can push to the source and has keys, but none that is trusted."""
    with Letterbox() as letters:
        lean = instance.changed(**LEAN, notify={"urls": [letters.url]})
        yield Field(lean, Forger(lab.publisher, lab.keys), letters)
