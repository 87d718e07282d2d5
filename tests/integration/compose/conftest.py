"""An empty project for each test, on an engine that holds a small image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from koprogo_agent.ports import Project
from tests.integration.compose.bench import Bench, stack_of
from tests.lab import images, tidy
from tests.lab.engine import Engine
from tests.lab.oci import Pushed, push
from tests.lab.registry import Registry


@pytest.fixture(scope="module")
def image(lab_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """A small image that the engine holds, under a digest and two tags."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        pushed = push(images.web(), registry, "lab/web", ("1", "2"))
        with closing(lab_engine.client()) as client:
            for reference in (":1", ":2", f"@{pushed.digest}"):
                client.images.pull(f"{pushed.repository}{reference}")
            yield pushed
            tidy.after("no-project", registry.address, lab_engine)


@pytest.fixture
def bench(lab_engine: Engine, image: Pushed, tmp_path: Path) -> Iterator[Bench]:
    """An empty project; what a test makes of it goes afterwards."""
    folder = tmp_path / "stack"
    folder.mkdir()
    project = Project(tidy.new_name(), folder, (folder / "compose.yml",))
    with closing(lab_engine.client()) as client:
        bench = Bench(project, stack_of(lab_engine), client, image.repository)
        yield bench
        bench.stack.down(project.name)
