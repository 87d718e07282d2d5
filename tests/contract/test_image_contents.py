"""The port `ImageContents`: in memory and on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from koprogo_agent.adapters.images import EngineImageContents, RegistryImages
from koprogo_agent.errors import StepFailed
from koprogo_agent.ports import ImageContents, PullProgress
from tests.contract.conftest import GROUNDS
from tests.lab import tidy
from tests.lab.engine import Engine
from tests.lab.oci import Image, Settings, Tree, push
from tests.lab.registry import Registry
from tests.simulation.succeeding import SimContents

FILES = {"requirements.lock": b"locked\n", "wheels/a.whl": b"wheel" * 100_000}


@dataclass(frozen=True)
class Shelf:
    """The port, and a local image that holds the files below /dist."""

    contents: ImageContents
    reference: str


@pytest.fixture(params=GROUNDS)
def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    """The port."""
    if request.param == "simulation":
        yield Shelf(SimContents({"held": FILES}), "held")
        return
    engine: Engine = request.getfixturevalue("lab_engine")
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        tree = Tree()
        for name, data in FILES.items():
            tree.write(f"/dist/{name}", data)
        made = push(Image((tree.layer(),), Settings()), registry, "lab/held")
        reference = f"{made.repository}@{made.digest}"
        RegistryImages(engine.host).pull(reference, _nobody)
        yield Shelf(EngineImageContents(engine.host), reference)
        tidy.after("no-project", registry.address, engine)


def _nobody(_: PullProgress) -> None:
    """Nobody listens."""


def test_the_files_of_a_folder_come_out_whole(shelf: Shelf, tmp_path: Path) -> None:
    """With the folders that they lie in, and without what lies elsewhere."""
    shelf.contents.unpack(shelf.reference, "/dist", tmp_path)
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in files} == FILES


def test_a_folder_that_is_not_there_is_the_images_fault(shelf: Shelf, tmp_path: Path) -> None:
    """No other try would find it."""
    with pytest.raises(StepFailed) as caught:
        shelf.contents.unpack(shelf.reference, "/nowhere", tmp_path)
    assert caught.value.code == "image.contents"
