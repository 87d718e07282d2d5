"""Waiting rooms that take the routes of services, as the engine and the ingress show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Room
from tests.simulation.images import SimImages
from tests.simulation.machine import Machine

IMAGE = "haproxy:3"


@dataclass
class SimRoom:
    """One room.

    Attributes:
        leads_to: id of the container that it passes requests on to.
        restarts: how often it has restarted, keeping what it was told.
        up: whether it runs.
        since: when it was closed, in seconds since the world began.
        longest: seconds for which it has held a request at most.
    """

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

    def put_up(self, project_name: str, service: str, container: str, limit: float) -> None:  # noqa: ARG002 - the port's
        """Makes one, unless it is there."""
        if self._images.program(IMAGE) is None:
            raise RetryLater(f"no such image: {IMAGE}", code="image.absent")
        rooms = self._machine.rooms
        if service in rooms:
            rooms[service].up = True
            if not rooms[service].leaving:
                return
        self._made += 1
        serves = any(box.id == container and box.serves for box in self._machine.boxes)
        made = SimRoom(service, container, limit, closed=not serves, made=self._made)
        rooms[service] = made
        self._machine.middle("put_up")

    def seen(self, project_name: str) -> tuple[Room, ...]:  # noqa: ARG002 - the port's
        """All."""
        return tuple(
            Room(
                service=one.service,
                run=f"{one.made}/{one.restarts}",
                answers=one.up,
                closed=one.closed and not one.leaving,
                longest=one.longest,
            )
            for one in self._machine.rooms.values()
        )

    def has_route(self, project_name: str, service: str, ingress: Sequence[str]) -> bool:  # noqa: ARG002 - the port's
        """Whether an ingress leads to it."""
        room = self._machine.rooms.get(service)
        serves = any(box.id in ingress and box.serves for box in self._machine.boxes)
        return self.route and serves and room is not None and room.up and not room.leaving

    def close(self, project_name: str, service: str) -> None:  # noqa: ARG002 - the port's
        """Holds."""
        room = self._answering(service)
        if not room.closed:
            room.closed, room.since = True, self._machine.clock.seconds

    def open(self, project_name: str, service: str, container: str) -> None:  # noqa: ARG002 - the port's
        """Passes on."""
        room = self._answering(service)
        if room.closed:
            room.longest = max(room.longest, self._machine.clock.seconds - room.since)
        room.leads_to, room.closed = container, False

    def step_aside(self, project_name: str, service: str) -> None:  # noqa: ARG002 - the port's
        """Gives the route back."""
        self._answering(service).leaving = True

    def remove(self, project_name: str, service: str) -> None:  # noqa: ARG002 - the port's
        """Gone."""
        self._machine.rooms.pop(service, None)

    def note_safe(self, project_name: str, containers: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        """Remembers where users may be led without the agent."""
        self._machine.safe = tuple(containers)

    def forget_safe(self) -> None:
        """There is no hold."""
        self._machine.safe = None

    def _answering(self, service: str) -> SimRoom:
        room = self._machine.rooms.get(service)
        if room is None or not room.up:
            raise RetryLater(f"the room of {service} does not answer", code="room.silent")
        return room


def end_hold(machine: Machine, *, whole: bool) -> set[str]:
    """Does what systemd/end-hold does while there is no agent; the versions users are led to.

    Args:
        machine: the machine.
        whole: whether the agent stays away for long enough that rooms are removed, too.
    """
    boxes = [box for box in machine.boxes if box.id in (machine.safe or ())]
    if not boxes or len(boxes) < len(machine.safe or ()):
        return set()
    for box in boxes:
        machine.start(box)
    machine.pass_time(_HEALTHY_WITHIN)
    for room in list(machine.rooms.values()):
        found = [box for box in boxes if box.service == room.service and box.serves]
        if found and room.up:
            room.leads_to, room.closed = found[0].id, False
            room.leaving = not found[0].one_off
    machine.pass_time(_MINUTE)
    if whole:
        aside = [name for name, room in machine.rooms.items() if room.leaving]
        for name in aside:
            del machine.rooms[name]
        if not machine.rooms:
            machine.safe = None
    machine.pass_time(_MINUTE)
    return {f"v{box.program.version}" for box in boxes if box.service == "backend"}


_HEALTHY_WITHIN = 30.0
_MINUTE = 60.0
