"""Waiting rooms that take the routes of services, as the engine and the ingress show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Room
from tests.simulation.box import Box
from tests.simulation.images import SimImages
from tests.simulation.machine import Machine

IMAGE = "haproxy:3"


@dataclass
class SimRoom:
    """One room.

    Attributes:
        project: whose service it is for.
        leads_to: id of the container that it passes requests on to.
        restarts: how often it has restarted, keeping what it was told.
        up: whether it runs.
        finished: whether it was started once; what was not may lack its files.
        back: when it runs again by its restart policy, in seconds since the world began.
        since: when it was closed, in seconds since the world began.
        longest: seconds for which it has held a request at most.
        passing: requests that it has passed on and that are not answered yet.
    """

    project: str
    service: str
    leads_to: str
    limit: float
    closed: bool = False
    leaving: bool = False
    restarts: int = 0
    up: bool = False
    finished: bool = False
    made: int = 0
    back: float = math.inf
    since: float = 0.0
    longest: float = 0.0
    passing: int = 0

    def fall(self, back: float) -> None:
        """Its process ends."""
        self.up, self.back = False, back

    def start(self) -> None:
        """It runs, as another run than before if it had fallen."""
        self.restarts += self.finished and not self.up
        self.up, self.finished, self.back = True, True, math.inf


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
                closed=one.up and one.closed and not one.leaving,
                passing=one.passing,
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

    def note_safe(self, project_name: str, containers: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        """Remembers where users may be led without the agent."""
        self._machine.safe = tuple(containers)

    def forget_safe(self) -> None:
        """There is no hold."""
        self._machine.safe = None

    # --- inside

    def _put_up(self, wanted: SimRoom) -> None:
        if self._box(wanted.leads_to) is None:
            raise RetryLater(f"{wanted.service} has no container", code="room.failed")
        there = self._of(wanted.project, wanted.service)
        if there is None or there.leaving or not there.finished:
            if self._images.program(IMAGE) is None:
                raise RetryLater(f"no such image: {IMAGE}", code="image.absent")
            self._made += 1
            wanted.made, wanted.since = self._made, self._machine.clock.seconds
            self._machine.rooms[wanted.service] = there = wanted
        self._machine.middle("put_up")
        if not there.up:
            there.start()

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
    for name, room in list(machine.rooms.items()):
        if not room.finished:
            del machine.rooms[name]
            continue
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
