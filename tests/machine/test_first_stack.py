"""install.sh on a machine where no stack runs yet: the agent brings the first release itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.debian import Debian
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import COMPOSE_FILES, QUICK
from tests.machine.installing import NOWHERE, answers, bare, logged, make_docker_group, status

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

FIRST = 180.0
"""Seconds for a first installation, beside other tests."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An engine on which nothing runs: the installer adopts whatever does."""
    with Engine(own=True) as engine, Lab(engine) as made:
        yield made


@pytest.fixture
def machine(lab: Lab, dist: Path) -> Iterator[Debian]:
    """The bare machine."""
    with bare(lab, dist, "first") as made:
        make_docker_group(made, lab)
        yield made


def test_the_first_release_is_brought(machine: Debian, lab: Lab) -> None:
    """The operator writes an env file and says where the stack shall be; users are served."""
    release = lab.publisher.publish(Kind.GOOD)
    lab.stack.write_env(release.version, **{**QUICK, "HEALTH_INTERVAL": "3s"})
    folder = lab.stack.tree
    words = ["--directory", str(folder), "--env-file", str(lab.stack.env_file)]
    words += [word for file in COMPOSE_FILES for word in ("--compose-file", file)]
    every = ("/dist/install.sh", "--from", "/dist", *answers(lab), *words)
    said = machine.does("bash", *every, environment=NOWHERE)
    assert f"will install KoproGo in {folder}" in said
    machine.awaits(logged("step.done", step="commit"), FIRST, "the release")
    assert status(machine)["installed"] == release.tag
    assert {"backend", "postgres", "traefik"} <= set(lab.stack.containers())
    assert lab.stack.state("backend")["Status"] == "running"
