"""Compose projects that run on this machine, by the labels that Compose leaves on containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path, PurePosixPath
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.domain.traefik import Routing, routing
from koprogo_agent.settings.sections import Stack

_COMPOSE = "com.docker.compose."
_PROJECT, _SERVICE = f"{_COMPOSE}project", f"{_COMPOSE}service"
_FILES, _FOLDER = f"{_COMPOSE}project.config_files", f"{_COMPOSE}project.working_dir"
_ENV_FILE = f"{_COMPOSE}project.environment_file"
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - not bound here, but read
_LOOPBACK = ("127.", "::1")
_USUAL: tuple[str, ...] = Stack.model_fields["compose_files"].default


@dataclass(frozen=True)
class Door:
    """A port of a container at which users may come in.

    Attributes:
        service: whose it is.
        address: where it is reached from this machine, as `127.0.0.1:443`.
        is_traefik: whether the container runs Traefik, by its image or its command.
        networks: the networks that the container is on.
    """

    service: str
    address: str
    is_traefik: bool
    networks: frozenset[str]


@dataclass(frozen=True)
class Running:
    """A compose project that runs.

    Attributes:
        project: its name.
        services: what it consists of, in alphabetical order.
        open: those of them that other machines can reach, in alphabetical order.
        doors: how those are reached.
        routes: service -> how Traefik routes to it, by its labels.
        networks: the networks that those services are on.
        directory: the folder that its files are laid in, as the repository has them.
        compose_files: those of them that make it up, relative to that folder, in order.
        env_files: where its values are.
    """

    project: str
    services: tuple[str, ...]
    open: tuple[str, ...]
    directory: Path
    compose_files: tuple[str, ...]
    env_files: tuple[Path, ...]
    doors: tuple[Door, ...] = ()
    routes: Mapping[str, Routing] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()

    @property
    def is_koprogo(self) -> bool:
        """Whether it is made of the files that KoproGo's repository has."""
        return self.compose_files == _USUAL


def running(host: str) -> list[Running]:
    """The projects that run on an engine; KoproGo's own first.

    Raises:
        RetryLater: the engine does not answer.
        NeedsOperator: the agent may not talk to it.
    """
    listed = docker_api.read(host, "/containers/json")
    found = projects(listed)
    return sorted(found, key=lambda one: (not one.is_koprogo, one.project))


def projects(containers: Iterable[Mapping[str, Any]]) -> list[Running]:
    """The projects behind containers, as the engine lists these."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for container in containers:
        labels = container["Labels"] or {}
        if labels.get(_PROJECT) and labels.get(_FILES):
            by_name.setdefault(labels[_PROJECT], []).append(container)
    return [_project(name, members) for name, members in by_name.items()]


def _project(name: str, members: list[Mapping[str, Any]]) -> Running:
    labels = members[0]["Labels"]
    folder = PurePosixPath(labels.get(_FOLDER, "/"))
    files = [folder / one for one in labels[_FILES].split(",")]
    directory = _directory(files)
    env_files = [folder / one for one in labels.get(_ENV_FILE, ".env").split(",")]
    routed = [one for one in members if routing(one["Labels"]) is not None]
    return Running(
        project=name,
        services=_services(members),
        open=_services(one for one in members if any(map(_is_open, one.get("Ports") or ()))),
        directory=Path(directory),
        compose_files=tuple(str(one.relative_to(directory)) for one in files),
        env_files=tuple(Path(one) for one in env_files),
        doors=tuple(door for one in members for door in _doors(one)),
        routes={one["Labels"].get(_SERVICE, ""): _route(one) for one in routed},
        networks=frozenset(name for one in routed for name in _networks(one)),
    )


def _route(container: Mapping[str, Any]) -> Routing:
    found = routing(container["Labels"])
    assert found is not None  # noqa: S101 - only asked where there is one
    return found


def _networks(container: Mapping[str, Any]) -> frozenset[str]:
    return frozenset((container.get("NetworkSettings") or {}).get("Networks") or ())


def _doors(container: Mapping[str, Any]) -> Iterator[Door]:
    program = f"{container.get('Image', '')} {container.get('Command', '')}".lower()
    ports = [one for one in container.get("Ports") or () if "PublicPort" in one]
    found = {
        (one["PublicPort"], _here(one.get("IP", ""))) for one in ports if one.get("Type") == "tcp"
    }
    for port, ip in sorted(found):
        service = container["Labels"].get(_SERVICE, "")
        yield Door(service, f"{ip}:{port}", "traefik" in program, _networks(container))


def _here(ip: str) -> str:
    """An address at which this machine reaches what is bound to one."""
    if ip in _EVERYWHERE:
        return "127.0.0.1"
    return f"[{ip}]" if ":" in ip else ip


def _services(containers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted({one["Labels"].get(_SERVICE, "") for one in containers}))


def _is_open(port: Mapping[str, Any]) -> bool:
    return "PublicPort" in port and not port.get("IP", "").startswith(_LOOPBACK)


def _directory(files: list[PurePosixPath]) -> PurePosixPath:
    """The folder of the repository: above KoproGo's own paths, else what all files lie below."""
    for usual in _USUAL:
        for file in files:
            if str(file).endswith(f"/{usual}"):
                return PurePosixPath(str(file).removesuffix(f"/{usual}"))
    return PurePosixPath(commonpath([one.parent for one in files]))


def describe(found: Running, among: Iterable[Running] = ()) -> dict[str, Any]:
    """The keys of `[stack]` with which the agent keeps a running project.

    Args:
        found: the project.
        among: all that run, one of which may be the way in to it.
    """
    return {
        "project": found.project,
        "directory": str(found.directory),
        "compose_files": list(found.compose_files),
        "env_files": [str(one) for one in found.env_files if one.is_file()],
        **_ingress(found, among),
    }


def _ingress(found: Running, among: Iterable[Running]) -> dict[str, Any]:
    """The way in, where it is not KoproGo's own.

    That is what is open to others and writes nothing; else Traefik in another project, where the
    labels of this one speak to it and both are on one network.
    """
    usual = Stack()
    if set(usual.ingress) <= set(found.services):
        return {}
    if ways_in := [one for one in found.open if one not in usual.writers]:
        return {"ingress": ways_in}
    for other in among:
        if other.project != found.project:
            doors = [one for one in other.doors if one.is_traefik]
            shared = {one.service for one in doors if one.networks & found.networks}
            if shared:
                return {"ingress": sorted(shared), "ingress_project": other.project}
    return {}


def doors_of(stack: Mapping[str, Any], among: Iterable[Running]) -> tuple[Door, ...]:
    """Where users come in to a project that is described by these keys of `[stack]`."""
    project = stack.get("ingress_project") or stack.get("project")
    names = stack.get("ingress", Stack().ingress)
    return tuple(
        door
        for one in among
        if one.project == project
        for door in one.doors
        if door.service in names
    )
