"""The port `ImageContents` on a real engine: files come out of an image, and nothing of it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import docker
import pytest

from koprogo_agent.adapters.images import EngineImageContents, RegistryImages
from koprogo_agent.adapters.images import contents as module
from koprogo_agent.errors import StepFailed
from koprogo_agent.ports import PullProgress
from tests.lab import tidy
from tests.lab.engine import Engine
from tests.lab.oci import Image, Settings, Tree, push
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

FILES = {"requirements.lock": b"locked\n", "wheels/a.whl": os.urandom(3_000_000)}


@dataclass
class Shelf:
    """Images that hold files, and the adapter.

    Attributes:
        client: of the engine, to look at it.
    """

    registry: Registry
    images: RegistryImages
    contents: EngineImageContents
    client: docker.DockerClient
    numbers: Iterator[int]

    def image(self, change: Callable[[Tree], None] = lambda _tree: None) -> str:
        """An image with the files, and whatever is done to it besides; pulled."""
        tree = Tree()
        for name, data in FILES.items():
            tree.write(f"/dist/{name}", data)
        tree.write("/besides", b"not wanted")
        change(tree)
        made = push(
            Image((tree.layer(),), Settings()), self.registry, f"lab/held{next(self.numbers)}"
        )
        reference = f"{made.repository}@{made.digest}"
        self.images.pull(reference, _nobody)
        return reference


@pytest.fixture(scope="module")
def shelf(lab_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A registry without TLS, on the loopback."""
    with (
        Registry(tmp_path_factory.mktemp("registry")) as registry,
        closing(lab_engine.client()) as client,
    ):
        contents = EngineImageContents(lab_engine.host)
        yield Shelf(registry, RegistryImages(lab_engine.host), contents, client, count())
        tidy.after("no-project", registry.address, lab_engine)


def _nobody(_: PullProgress) -> None:
    """Nobody listens."""


def found(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_files_of_a_folder_come_out_whole(shelf: Shelf, tmp_path: Path) -> None:
    """Everybody may read them, whatever the umask; no container is left, and none ever ran."""
    reference = shelf.image(lambda tree: tree.write("/dist/run", b"program", 0o744))
    before = os.umask(0o077)
    try:
        shelf.contents.unpack(reference, "/dist", tmp_path)
    finally:
        os.umask(before)
    assert found(tmp_path) == {**FILES, "run": b"program"}
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o755, 0o644}
    assert not shelf.client.containers.list(all=True, filters={"name": "unpacking"})


def test_one_that_was_killed_is_no_obstacle(shelf: Shelf, tmp_path: Path) -> None:
    """Its container has the name that is needed."""
    reference = shelf.image()
    shelf.client.api.create_container(reference, ["nothing"], name="koprogo-agent-unpacking")
    shelf.contents.unpack(reference, "/dist", tmp_path)
    assert found(tmp_path) == FILES


def link(tree: Tree) -> None:
    """A way out of the folder."""
    tree.links["/dist/wheels/b.whl"] = "/etc/passwd"


def many(tree: Tree) -> None:
    """More files than any release has."""
    for number in range(module._MOST_FILES):  # noqa: SLF001 - the limit itself
        tree.write(f"/dist/{number}", b"")


@pytest.mark.parametrize(
    ("change", "words"), [(link, "is no plain file"), (many, "it has more than")]
)
def test_what_is_no_tree_of_plain_files_is_refused(
    shelf: Shelf, tmp_path: Path, change: Callable[[Tree], None], words: str
) -> None:
    """Signed or not: a link could lead what is written elsewhere."""
    with pytest.raises(StepFailed, match=words) as caught:
        shelf.contents.unpack(shelf.image(change), "/dist", tmp_path)
    assert caught.value.code == "image.contents"
    assert not shelf.client.containers.list(all=True, filters={"name": "unpacking"})


def test_bytes_beyond_the_limit_are_refused(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is shared with the application's data."""
    monkeypatch.setattr(module, "_MOST_BYTES", 1_000_000)
    with pytest.raises(StepFailed, match="bytes"):
        shelf.contents.unpack(shelf.image(), "/dist", tmp_path)


def test_a_folder_that_is_not_there_is_the_images_fault(shelf: Shelf, tmp_path: Path) -> None:
    """No other try would find it."""
    with pytest.raises(StepFailed, match="cannot be used"):
        shelf.contents.unpack(shelf.image(), "/nowhere", tmp_path)
