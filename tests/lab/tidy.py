"""Leaves an engine as it was found: after a lab, and after labs that were killed."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
from docker.errors import APIError
from docker.models.images import Image

from tests.lab.engine import Engine

PREFIX = "kplab"
NAME = re.compile(PREFIX + r"-(\d+)-[0-9a-f]{4}")
# Sockets of GnuPG lie in here, and their paths must be short.
ROOTS = Path("/tmp")  # noqa: S108 - names are unguessable enough, and the lab's machine is its own
REGISTRY = re.compile(r"127\.0\.0\.1:\d+")
KEPT = "koprogo-lab-layers"


def new_name() -> str:
    """A name for a lab, with the process in it that answers for it."""
    return f"{PREFIX}-{os.getpid()}-{os.urandom(2).hex()}"


def after(name: str, registry: str, engine: Engine) -> None:
    """Remove what the lab of this name and registry made on the engine."""
    if engine.owned and not engine.answers():
        engine.start()
    with closing(engine.client()) as client:
        _remove_project(client, name)
        _remove_images(client, f"{registry}/")
        if engine.owned:
            client.images.prune()


def after_the_dead(engine: Engine) -> None:
    """Remove what labs left behind whose process is gone."""
    with closing(engine.client()) as client:
        for name in _dead(_names(client)):
            _remove_project(client, name)
        if engine.owned:
            for registry in _closed_registries(client):
                _remove_images(client, f"{registry}/")
    for name in _dead(path.name for path in ROOTS.glob(f"{PREFIX}-*")):
        shutil.rmtree(ROOTS / name, ignore_errors=True)


def keep_layers(engine: Engine, registry: str, images: Iterable[str]) -> None:
    """Have an own engine keep the big layers under names of its own, for the next lab's pulls.

    `images` are names in the registry, with tags.
    """
    with closing(engine.client()) as client:
        for name in images:
            image = client.images.pull(f"{registry}/{name}")
            image.tag(KEPT, name.rpartition("/")[2].partition(":")[0])
            client.images.remove(f"{registry}/{name}")


def _dead(names: Iterable[str]) -> set[str]:
    """The names among these that belong to labs whose process is gone."""
    found = {match.group(0) for match in map(NAME.match, names) if match}
    return {name for name in found if not Path(f"/proc/{name.split('-')[1]}").exists()}


def _names(client: docker.DockerClient) -> Iterator[str]:
    """Every name on the engine that a lab can have given."""
    for container in client.containers.list(all=True, ignore_removed=True):
        yield container.name or ""
    for network in client.networks.list():
        yield network.name or ""
    for volume in client.volumes.list():
        yield volume.name


def _remove_project(client: docker.DockerClient, name: str) -> None:
    """Remove containers, networks and volumes of a project, and what was named after it."""
    for container in client.containers.list(all=True, ignore_removed=True):
        project = container.labels.get("com.docker.compose.project", "")
        if name in ((container.name or "")[: len(name)], project[: len(name)]):
            container.remove(force=True, v=True)
    for network in client.networks.list():
        if (network.name or "").startswith(name):
            network.remove()
    for volume in client.volumes.list():
        if volume.name.startswith(name):
            volume.remove(force=True)


def _closed_registries(client: docker.DockerClient) -> set[str]:
    """Registries of labs that images are named after, and that listen no more."""
    images = client.images.list()
    named = {name.partition("/")[0] for image in images for name in _names_of(image)}
    return {name for name in named if REGISTRY.fullmatch(name) and not _listens(name)}


def _names_of(image: Image) -> list[str]:
    """All names of an image: by tag and by digest."""
    return [*image.tags, *(image.attrs.get("RepoDigests") or [])]


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _remove_images(client: docker.DockerClient, prefix: str) -> None:
    """Forget every name below `prefix`; an image without another name goes."""
    for image in client.images.list(all=True):
        for name in _names_of(image):
            if name.startswith(prefix):
                # Removing a tag can take the digest's name with it.
                with suppress(APIError):
                    client.images.remove(name)
