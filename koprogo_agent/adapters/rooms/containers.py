"""The containers of waiting rooms.

A room needs nothing of the machine but the engine: its files are copied into it before it starts,
and it is worked over the network that it shares with the service.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.rooms.control import BASE, PORT, Door, leads_to_room
from koprogo_agent.adapters.rooms.note import HoldNote
from koprogo_agent.domain.traefik import rate_limit, room_labels, routing
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Room

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "be.koprogo.agent.room"
"""On a room's container: the service whose routes it takes."""
_PROJECT = "be.koprogo.agent.room.project"
_TOKEN = "be.koprogo.agent.room.token"  # noqa: S105 - the name of a label
_FOLDER = "/koprogo-room"
_FILES = ("haproxy.cfg", "room.lua", "page.json")
_MEMORY = 256 * 1024**2
_NOWHERE = "127.0.0.1:1"
"""HAProxy wants an address also of the server that a closed room does not lead to yet."""
_SECOND = 10**9
# A busy machine may take seconds to run a check: a room that is called unhealthy for that would
# lose its routes, with users behind its closed door.
_HEALTH = {"Interval": _SECOND // 2, "Timeout": 10 * _SECOND, "Retries": 3}


@dataclass(frozen=True)
class _Found:
    """A room's container, as the engine tells of it."""

    service: str
    token: str
    details: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.details["Id"])

    @property
    def addresses(self) -> dict[str, str]:
        return _addresses(self.details)

    @property
    def door(self) -> Door | None:
        """None while it does not run."""
        address = next(iter(self.addresses.values()), None)
        return Door(address, self.token) if address else None

    @property
    def was_started(self) -> bool:
        """False where its agent was killed while it made it: it may lack its files."""
        return bool(self.details["State"]["Status"] != "created")

    @property
    def leaves(self) -> bool:
        """Whether it gives its route back."""
        told = self.door.state() if self.door else None
        return bool(told and told["leaving"])

    def as_seen(self) -> Room:
        """The room with what it says of itself."""
        run = f"{self.id}@{self.details['State']['StartedAt']}"
        door = self.door
        told = door.state() if door else None
        if told is None:
            return Room(self.service, run, answers=False)
        return Room(
            service=self.service,
            run=run,
            answers=True,
            # A room that gives its route back holds no request.
            closed=bool(told["closed"]) and not told["leaving"],
            held=int(told["held"]),
            passing=int(told["passing"]),
            longest=float(told["longest"]),
            late=int(told["late"]),
        )


@dataclass(frozen=True)
class _Wanted:
    """A room that is to be put up.

    Attributes:
        leads_to: `IP:PORT`; empty: its door is closed.
    """

    project: str
    service: str
    limit: float
    leads_to: str = ""


class HaproxyRooms:
    """Waiting rooms by HAProxy: the port `Rooms`.

    Args:
        host: the engine's address.
        image: reference of HAProxy's image; it must be here.
        note: by which a hold can be ended without the agent.
    """

    def __init__(self, host: str, image: str, note: HoldNote) -> None:
        self._host = host
        self._image = image
        self._note = note

    def put_up(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Starts a room for a service, or starts the one that is there."""
        made_for = self._container_of(service, container)
        leads_to = _upstream(made_for, dict.fromkeys(_networks(made_for), ""))
        self._put_up(_Wanted(project_name, service, limit, leads_to), made_for)

    def put_up_again(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Starts the room that is there, or one with its door closed."""
        made_for = self._container_of(service, container)
        self._put_up(_Wanted(project_name, service, limit), made_for)

    def seen(self, project_name: str) -> tuple[Room, ...]:
        """The rooms of a project."""
        return tuple(room.as_seen() for room in self._all(project_name))

    def has_route(self, project_name: str, service: str, ingress: Sequence[str]) -> bool:
        """Asks each container of the ingress, on all ports that it exposes."""
        room = self._find(project_name, service)
        if room is None:
            return False
        for container in ingress:
            details = self._details(container)
            if details is not None and any(
                leads_to_room(address, _ports(details), room.token)
                for address in _ingress_addresses(details)
            ):
                return True
        return False

    def close(self, project_name: str, service: str) -> None:
        """Holds new requests."""
        self._tell(project_name, service, "close")

    def open(self, project_name: str, service: str, container: str) -> None:
        """Passes requests on to a container."""
        room = self._find(project_name, service)
        details = self._details(container)
        if room is None or not room.addresses:
            raise _silent(service)
        leads_to = _upstream(details, room.addresses) if details else ""
        if not leads_to:
            raise RetryLater(
                f"the waiting room of {service} cannot lead to container {container[:12]}: "
                "it does not run, or shares no network with the room",
                code="room.no_address",
                advice=f"see why it does not run: docker logs {container[:12]}",
            )
        self._tell(project_name, service, "open", leads_to)

    def step_aside(self, project_name: str, service: str) -> None:
        """Becomes unhealthy."""
        self._tell(project_name, service, "leave")

    def remove(self, project_name: str, service: str) -> None:
        """Removes a room."""
        from docker.errors import NotFound  # noqa: PLC0415 - what an idle daemon does not need

        with docker_api.client(self._host) as api:
            for room in self._all(project_name):
                if room.service == service:
                    try:
                        api.remove_container(room.id, v=True, force=True)
                    except NotFound:
                        continue

    def note_safe(self, project_name: str, containers: Sequence[str]) -> None:
        """Notes their ports as well: the script that reads it knows no labels."""
        found = ((one, self._details(one)) for one in containers)
        self._note.write(project_name, {one: _port(d) for one, d in found if d is not None})

    def forget_safe(self) -> None:
        """Removes the note."""
        self._note.remove()

    # --- inside

    def _put_up(self, wanted: _Wanted, made_for: Mapping[str, Any]) -> None:
        from docker.errors import APIError, ImageNotFound  # noqa: PLC0415 - not for an idle daemon

        with docker_api.client(self._host) as api:
            # Here, because `client` makes one fault of all of the engine's.
            try:
                room = self._find(wanted.project, wanted.service)
                if room is not None and (room.leaves or not room.was_started):
                    api.remove_container(room.id, v=True, force=True)
                    room = None
                if room is None:
                    self._create(api, wanted, made_for)
                elif not room.details["State"]["Running"]:
                    api.start(room.id)
            except ImageNotFound as error:
                raise RetryLater(
                    f"cannot put up a waiting room: the image {self._image} is not here",
                    code="image.absent",
                ) from error
            except APIError as error:
                raise RetryLater(
                    f"the waiting room of {wanted.service} does not start: {error.explanation}",
                    code="room.failed",
                ) from error

    def _tell(self, project_name: str, service: str, verb: str, argument: str = "") -> None:
        room = self._find(project_name, service)
        door = room.door if room else None
        if door is None or not door.tell(verb, argument):
            raise _silent(service)

    def _find(self, project_name: str, service: str) -> _Found | None:
        return next((one for one in self._all(project_name) if one.service == service), None)

    def _all(self, project_name: str) -> list[_Found]:
        filters = json.dumps({"label": [f"{_PROJECT}={project_name}"]})
        listed = docker_api.read(self._host, "/containers/json", all="1", filters=filters) or []
        found = [(one["Labels"], self._details(one["Id"])) for one in listed]
        return [
            _Found(labels[LABEL], labels[_TOKEN], details)
            for labels, details in found
            if details is not None
        ]

    def _details(self, container: str) -> Mapping[str, Any] | None:
        """What the engine tells of a container, or None when it is gone."""
        told: Mapping[str, Any] | None = docker_api.read(
            self._host, f"/containers/{container}/json"
        )
        return told

    def _container_of(self, service: str, container: str) -> Mapping[str, Any]:
        """What the engine tells of the container that a room is made for."""
        details = self._details(container)
        if details is None:
            raise RetryLater(f"{service} has no container any more", code="room.failed")
        return details

    def _create(self, api: APIClient, wanted: _Wanted, made_for: Mapping[str, Any]) -> None:
        token = secrets.token_hex(16)
        networks = _networks(made_for)
        own = {LABEL: wanted.service, _PROJECT: wanted.project, _TOKEN: token}
        # Two stacks behind one ingress may have services of the same name.
        tag = f"koprogo-room-{wanted.project}-{wanted.service}-"
        labels = room_labels(made_for["Config"]["Labels"], tag, PORT, f"{BASE}{token}/")
        health = f"http://127.0.0.1:{PORT}{BASE}{token}/health"
        made = api.create_container(
            image=self._image,
            name=f"{wanted.project}-{wanted.service}-koprogo-agent-room",
            entrypoint=["haproxy"],
            command=["-db", "-f", f"{_FOLDER}/haproxy.cfg"],
            environment={
                "KOPROGO_ROOM": _FOLDER,
                "KOPROGO_ROOM_TOKEN": token,
                "KOPROGO_ROOM_ADDRESS": wanted.leads_to or _NOWHERE,
                "KOPROGO_ROOM_DOOR": "open" if wanted.leads_to else "closed",
                "KOPROGO_ROOM_LIMIT": str(wanted.limit),
                "KOPROGO_ROOM_PACE": str(rate_limit(made_for["Config"]["Labels"])),
            },
            labels=labels | own,
            healthcheck={"Test": ["CMD", "wget", "-q", "-O", "/dev/null", health], **_HEALTH},
            host_config=api.create_host_config(
                restart_policy={"Name": "unless-stopped"}, mem_limit=_MEMORY
            ),
            networking_config={"EndpointsConfig": {networks[0]: {}}},
        )
        for network in networks[1:]:
            api.connect_container_to_network(made["Id"], network)
        api.put_archive(made["Id"], "/", _archive())
        api.start(made["Id"])


def _silent(service: str) -> RetryLater:
    return RetryLater(f"the waiting room of {service} does not answer", code="room.silent")


def _networks(details: Mapping[str, Any]) -> list[str]:
    """The networks of a container, running or not."""
    return list(details["NetworkSettings"]["Networks"] or {})


def _addresses(details: Mapping[str, Any]) -> dict[str, str]:
    """Network -> IP address, of a running container."""
    networks = details["NetworkSettings"]["Networks"] or {}
    return {name: one["IPAddress"] for name, one in networks.items() if one["IPAddress"]}


def _ingress_addresses(details: Mapping[str, Any]) -> list[str]:
    """Where this machine reaches the container of an ingress."""
    if details["HostConfig"]["NetworkMode"] == "host":
        return ["127.0.0.1"]
    return list(_addresses(details).values())


def _upstream(details: Mapping[str, Any], shared: Mapping[str, str]) -> str:
    """`IP:PORT` of a container on a network that the room shares with it, or an empty string."""
    address = next((ip for name, ip in _addresses(details).items() if name in shared), "")
    return f"{address}:{_port(details)}" if address else ""


def _port(details: Mapping[str, Any]) -> int:
    """What the container's labels say, else the lowest port that it exposes, as Traefik does."""
    found = routing({**details["Config"]["Labels"], "traefik.enable": "true"})
    port = found.port if found else None
    return port or min(_ports(details), default=80)


def _ports(details: Mapping[str, Any]) -> list[int]:
    """The TCP ports that a container exposes."""
    exposed = details["Config"].get("ExposedPorts") or {}
    return sorted(int(one.split("/")[0]) for one in exposed if one.endswith("/tcp"))


def _archive() -> bytes:
    """The files of a room as a tar, in a folder that HAProxy's own user may write to."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo(_FOLDER.removeprefix("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o777
        archive.addfile(folder)
        for name, content in _contents():
            entry = tarfile.TarInfo(f"{folder.name}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _contents() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a room; the page once in each language."""
    here = files(__package__)
    for name in _FILES:
        yield name, (here / name).read_bytes()
    page = Template((here / "page.html").read_text("utf-8"))
    for language, words in json.loads((here / "page.words.json").read_text("utf-8")).items():
        yield f"page.{language}.html", page.substitute(words, language=language).encode()
