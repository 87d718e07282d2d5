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
_USUAL: tuple[str, ...] = Stack.model_fields["compose_files"].default


@dataclass(frozen=True)
class Running:
    """A compose project that runs.

    Attributes:
        project: its name.
        services: what it consists of, in alphabetical order.
        directory: the folder that its files are laid in, as the repository has them.
        compose_files: those of them that make it up, relative to that folder, in order.
        env_files: where its values are.
    """

    project: str
    services: tuple[str, ...]
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
    found = projects(container["Labels"] or {} for container in listed)
    return sorted(found, key=lambda one: (not one.is_koprogo, one.project))


def projects(containers: Iterable[Mapping[str, str]]) -> list[Running]:
    """The projects behind the labels of containers."""
    by_name: dict[str, list[Mapping[str, str]]] = {}
    for labels in containers:
        if labels.get(_PROJECT) and labels.get(_FILES):
            by_name.setdefault(labels[_PROJECT], []).append(labels)
    return [_project(name, members) for name, members in by_name.items()]


def _project(name: str, members: list[Mapping[str, str]]) -> Running:
    labels = members[0]
    folder = PurePosixPath(labels.get(_FOLDER, "/"))
    files = [folder / one for one in labels[_FILES].split(",")]
    directory = _directory(files)
    env_files = [folder / one for one in labels.get(_ENV_FILE, ".env").split(",")]
    return Running(
        project=name,
        services=tuple(sorted({one.get(_SERVICE, "") for one in members})),
        directory=Path(directory),
        compose_files=tuple(str(one.relative_to(directory)) for one in files),
        env_files=tuple(Path(one) for one in env_files),
    )


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
    }
