"""Waiting rooms that take the routes of services, as the engine and the ingress show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Room
from tests.simulation.images import SimImages
from tests.simulation.machine import Box, Machine

IMAGE = "haproxy:3"


@dataclass
class SimRoom:
    """One room.

    Attributes:
        project: whose service it is for.
        leads_to: id of the container that it passes requests on to.
        restarts: how often it has restarted, keeping what it was told.
        up: whether it runs.
        since: when it was closed, in seconds since the world began.
        longest: seconds for which it has held a request at most.
    """

    project: str
    service: str
    leads_to: str
    limit: float
    closed: bool = False
    leaving: bool = False
    restarts: int = 0
    up: bool = True
    made: int = 0
    since: float = 0.0
    longest: float = 0.0


class SimRooms:
    """The rooms port.

    Attributes:
        route: whether the ingress hands routes over at all.
    """

    def __init__(self, machine: Machine, images: SimImages) -> None:
        self._machine = machine
        self._images = images
        self._made = 0
        self.route = True

    def put_up(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Makes one, unless it is there."""
        box = self._box(container)
        closed = box is not None and box.state != "running"
        self._put_up(SimRoom(project_name, service, container, limit, closed=closed))

    def put_up_again(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Starts the one that is there, or a closed one."""
        self._put_up(SimRoom(project_name, service, container, limit, closed=True))

    def seen(self, project_name: str) -> tuple[Room, ...]:
        """All of a project."""
        return tuple(
            Room(
                service=one.service,
                run=f"{one.made}/{one.restarts}",
                answers=one.up,
                closed=one.up and one.closed,
                longest=one.longest if one.up else 0.0,
            )
            for one in self._machine.rooms.values()
            if one.project == project_name
        )

    def has_route(self, project_name: str, service: str, ingress: Sequence[str]) -> bool:
        """Whether an ingress leads to it."""
        room = self._of(project_name, service)
        serves = any(box.id in ingress and box.serves for box in self._machine.boxes)
        return self.route and serves and room is not None and room.up and not room.leaving

    def close(self, project_name: str, service: str) -> None:
        """Holds."""
        room = self._answering(project_name, service)
        if not room.closed:
            room.closed, room.since = True, self._machine.clock.seconds

    def open(self, project_name: str, service: str, container: str) -> None:
        """Passes on."""
        room, box = self._answering(project_name, service), self._box(container)
        if box is None or box.state != "running":
            raise RetryLater(f"{container} does not run", code="room.no_address")
        if room.closed:
            room.longest = max(room.longest, self._machine.clock.seconds - room.since)
        room.leads_to, room.closed = container, False

    def step_aside(self, project_name: str, service: str) -> None:
        """Gives the route back."""
        self._answering(project_name, service).leaving = True

    def remove(self, project_name: str, service: str) -> None:
        """Gone."""
        if self._of(project_name, service) is not None:
            self._machine.rooms.pop(service)

    # --- inside

    def _put_up(self, wanted: SimRoom) -> None:
        if self._box(wanted.leads_to) is None:
            raise RetryLater(f"{wanted.service} has no container", code="room.failed")
        there = self._of(wanted.project, wanted.service)
        if there is None:
            if self._images.program(IMAGE) is None:
                raise RetryLater(f"no such image: {IMAGE}", code="image.absent")
            self._made += 1
            wanted.made, wanted.since = self._made, self._machine.clock.seconds
            self._machine.rooms[wanted.service] = wanted
        elif not there.up:
            there.up = True
            there.restarts += 1
        self._machine.middle("put_up")

    def _box(self, container: str) -> Box | None:
        return next((box for box in self._machine.boxes if box.id == container), None)

    def _of(self, project_name: str, service: str) -> SimRoom | None:
        room = self._machine.rooms.get(service)
        return room if room is not None and room.project == project_name else None

    def _answering(self, project_name: str, service: str) -> SimRoom:
        room = self._of(project_name, service)
        if room is None or not room.up:
            raise RetryLater(f"the room of {service} does not answer", code="room.silent")
        return room
