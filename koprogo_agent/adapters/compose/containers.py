"""The containers of compose projects, as the engine shows them: reading, no acting."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.domain.gate import MAY_END, Container, Health

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
REPLACES = "com.docker.compose.replace"

_HOST_NETWORK = "host"
_SHARED = "container:"

Details = Mapping[str, Any]
"""What the engine tells of one container."""


@dataclass(frozen=True)
class Entry:
    """A line of the engine's list of containers."""

    id: str
    name: str
    state: str
    labels: Mapping[str, str]

    @property
    def service(self) -> str:
        """The compose service that it belongs to."""
        return self.labels.get(SERVICE, "")


def entries(host: str, project_name: str, *labels: str) -> tuple[Entry, ...]:
    """The containers of a project that carry these labels too, stopped ones included."""
    filters = json.dumps({"label": [f"{PROJECT}={project_name}", *labels]})
    listed = docker_api.read(host, "/containers/json", all="1", filters=filters) or []
    found = (
        Entry(
            one["Id"],
            # a container that others link to has more names, with the links in them
            min((name.removeprefix("/") for name in one["Names"] or ("",)), key=len),
            one["State"],
            one["Labels"] or {},
        )
        for one in listed
    )
    return tuple(sorted(found, key=lambda one: (one.service, one.name)))


def of_services(host: str, project_name: str) -> tuple[Entry, ...]:
    """The containers of a project's services, one-off containers left out."""
    return entries(host, project_name, f"{ONE_OFF}=False")


def one_offs(host: str, project_name: str) -> tuple[Entry, ...]:
    """The one-off containers of a project."""
    return entries(host, project_name, f"{ONE_OFF}=True")


def details(host: str, container: str) -> Details | None:
    """What the engine tells of a container, or None when it is gone."""
    told: Details | None = docker_api.read(host, f"/containers/{container}/json")
    return told


def observed(host: str, listed: Iterable[Entry]) -> Iterator[Container]:
    """Containers as the gate looks at them."""
    networks = {str(one["Id"]) for one in docker_api.read(host, "/networks") or []}
    for entry in listed:
        told = details(host, entry.id)
        # one that went between the two questions is not there
        if told is not None:
            yield _container(entry, told, networks)


def _container(entry: Entry, told: Details, networks: Collection[str]) -> Container:
    state = told["State"]
    health = state.get("Health", {}).get("Status") or Health.NONE
    return Container(
        service=entry.service,
        id=entry.id,
        image=told["Config"]["Image"],
        image_id=told["Image"],
        state=state["Status"],
        health=Health(health),
        exit_code=state["ExitCode"],
        restarts=told.get("RestartCount", 0),
        labels=dict(entry.labels),
        may_end=_may_end(told),
        # One that has stopped stays in a network that was removed since, and cannot start.
        networks=frozenset(
            name for name, identity in endpoints(told).items() if identity in {"", *networks}
        ),
    )


def endpoints(told: Details) -> dict[str, str]:
    """Network -> its id, for a container; empty where it was not started since it is in it."""
    listed = told["NetworkSettings"]["Networks"] or {}
    return {name: str(one["NetworkID"]) for name, one in listed.items()}


def _may_end(told: Details) -> bool:
    policy = told["HostConfig"]["RestartPolicy"]["Name"] or "no"
    check = (told["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    return policy in MAY_END and check == ["NONE"]


def address(host: str, container: str) -> str | None:
    """An IP address at which this host reaches a container, or None while it has none."""
    told = details(host, container)
    if told is None or not told["State"]["Running"]:
        return None
    mode = told["HostConfig"]["NetworkMode"]
    if mode == _HOST_NETWORK:
        return "127.0.0.1"
    if mode.startswith(_SHARED):
        return address(host, mode.removeprefix(_SHARED))
    networks = sorted((told["NetworkSettings"]["Networks"] or {}).items())
    found = [net[key] for key in ("IPAddress", "GlobalIPv6Address") for _, net in networks]
    return next(filter(None, found), None)
