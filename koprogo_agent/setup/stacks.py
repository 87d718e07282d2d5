"""Compose projects that run on this machine, by the labels that Compose leaves on containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path, PurePosixPath
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.settings.sections import Stack

_COMPOSE = "com.docker.compose."
_PROJECT, _SERVICE = f"{_COMPOSE}project", f"{_COMPOSE}service"
_FILES, _FOLDER = f"{_COMPOSE}project.config_files", f"{_COMPOSE}project.working_dir"
_ENV_FILE = f"{_COMPOSE}project.environment_file"
_LOOPBACK = ("127.", "::1")
_USUAL: tuple[str, ...] = Stack.model_fields["compose_files"].default


@dataclass(frozen=True)
class Running:
    """A compose project that runs.

    Attributes:
        project: its name.
        services: what it consists of, in alphabetical order.
        open: those of them that other machines can reach, in alphabetical order.
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
    return Running(
        project=name,
        services=_services(members),
        open=_services(one for one in members if any(map(_is_open, one.get("Ports") or ()))),
        directory=Path(directory),
        compose_files=tuple(str(one.relative_to(directory)) for one in files),
        env_files=tuple(Path(one) for one in env_files),
    )


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


def describe(found: Running) -> dict[str, Any]:
    """The keys of `[stack]` with which the agent keeps a running project."""
    return {
        "project": found.project,
        "directory": str(found.directory),
        "compose_files": list(found.compose_files),
        "env_files": [str(one) for one in found.env_files if one.is_file()],
        **_ingress(found),
    }


def _ingress(found: Running) -> dict[str, list[str]]:
    """The way in, where it is not KoproGo's own: what is open to others and writes nothing."""
    usual = Stack()
    if set(usual.ingress) <= set(found.services):
        return {}
    ways_in = [one for one in found.open if one not in usual.writers]
    return {"ingress": ways_in} if ways_in else {}
