"""The engine's containers: processes that start, serve, crash and restart while time goes by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from koprogo_agent.domain.host import NETWORK_LOST, PAUSED, PORT_TAKEN, Holder, Host, Port
from koprogo_agent.errors import RetryLater, StepFailed
from tests.simulation.box import Box
from tests.simulation.clock import SimClock
from tests.simulation.images import Program
from tests.simulation.postgres import Server
from tests.simulation.sharing import joined_by
from tests.simulation.storage import no_bucket, no_storage

if TYPE_CHECKING:
    from tests.simulation.rooms import SimRoom

_STEP = 1.0
_QUIET_STEP = 20.0
_LONGEST_PAUSE = 8.0


def nothing(_name: str) -> None:
    """Nobody strikes in the middle."""


def _is_scratch(box: Box) -> bool:
    return box.project.endswith("-rehearsal")


class Machine:
    """All containers, the PostgreSQL servers behind some of them, and what time does to them.

    Attributes:
        boxes: in the order in which they were made.
        servers: project -> its PostgreSQL, which outlives the container as its volume does.
        rooms: service -> its waiting room.
        safe: ids of the containers to which users may be led without the agent; None: no hold.
        buckets: projects in whose storage the bucket was made.
        others: containers of others.
        listening: ports at which other programs listen.
        networks: the engine's networks -> which one of this name it is.
        defined: the networks that compose has made -> how they were defined.
        subnets: those that its networks have.
        lacks_addresses: whether it has none for one more network.
        middle: called in the middle of effects that have one, so that a fault can strike there.
        busy: called whenever a second has gone by, for those who use what runs here.
    """

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.boxes: list[Box] = []
        self.servers: dict[str, Server] = {}
        self.rooms: dict[str, SimRoom] = {}
        self.safe: tuple[str, ...] | None = None
        self.buckets: set[str] = set()
        self.others: list[Holder] = []
        self.listening: list[Port] = []
        self.subnets: set[str] = {"172.17.0.0/16"}
        self.lacks_addresses = False
        self.networks: dict[str, int] = {"bridge": 0, "host": 0, "none": 0}
        self.defined: dict[str, str] = {}
        self.middle: Callable[[str], None] = nothing
        self.busy: Callable[[], None] | None = None
        self._made = 0
        clock.moves = self.pass_time

    # --- looking

    def of(self, project: str, services: Sequence[str] | None = None) -> list[Box]:
        """The containers of a project, of some services or of all."""
        return [
            box
            for box in self.boxes
            if box.project == project and (services is None or box.service in services)
        ]

    def one(self, project: str, service: str) -> Box | None:
        """A service's container."""
        found = [box for box in self.of(project, (service,)) if not box.one_off]
        return found[0] if found else None

    def uses(self, image_id: str) -> bool:
        """Whether a container is made from an image."""
        return any(box.program.image_id == image_id for box in self.boxes)

    def server(self, project: str) -> Server | None:
        """The project's PostgreSQL while it answers."""
        serving = any(box.program.kind == "postgres" and box.serves for box in self.of(project))
        return self.servers.get(project) if serving else None

    def host(self) -> Host:
        """What is there, of any project and of none."""
        mine = [
            Holder(
                name=box.name,
                project=box.project,
                service=box.service,
                state=box.state,
                one_off=box.one_off,
                ports=box.ports if box.state in {"running", "paused"} else (),
                networks=frozenset(box.attached),
            )
            for box in self.boxes
        ]
        return Host((*mine, *self.others), tuple(self.listening), frozenset(self.networks))

    # --- acting

    def make(
        self,
        project: str,
        service: str,
        program: Program,
        spec: Mapping[str, Any],
        number: int = 1,
    ) -> Box:
        """Creates a container; `spec` is the service as compose rendered and resolved it."""
        self._made += 1
        name = f"{self._made:012d}"
        box = Box(name, project, service, spec["image"], program, spec["hash"], spec)
        box.number = number
        box.memory = spec.get("mem_limit", 0)
        self.boxes.append(box)
        return box

    def make_network(self, name: str, definition: str) -> None:
        """Creates a network, in the place of one of this name; what was in that one is not."""
        self.networks[name] = self.networks.get(name, 0) + 1
        self.defined[name] = definition

    def connect(self, box: Box, networks: Iterable[str]) -> None:
        """Connects a container to networks, and to no other."""
        box.wanted = frozenset(networks)
        box.attached = {name: self.networks.get(name, 0) for name in networks}

    def remove(self, box: Box) -> None:
        """Removes a container."""
        self.boxes.remove(box)

    def start(self, box: Box) -> None:
        """Starts a container unless it runs; the engine refuses what is paused, or lacks a port."""
        if box.state == "paused":
            words = f"{box.service}: cannot start a paused container, try unpause instead"
            raise RetryLater(words, code=PAUSED)
        if box.state not in {"running", "restarting"}:
            self._check_joined(box)
            if any(self.networks.get(name) != one for name, one in box.attached.items()):
                raise RetryLater(f"{box.service}: network not found", code=NETWORK_LOST)
            self._bind(box)
            box.stopped = False
            self._begin(box)

    def _check_joined(self, box: Box) -> None:
        """The engine shares namespaces of what runs only."""
        up = {one.id for one in self.boxes if one.state in {"running", "paused"}}
        if lost := set(joined_by(box.spec)) - up:
            words = f"{box.service}: cannot join namespace of a non running container {min(lost)}"
            raise StepFailed(words, code="container.start_failed")

    def is_cut_off(self, box: Box) -> bool:
        """Whether a running container shares the namespaces of a run that has ended."""
        runs = {one.id: one.runs for one in self.boxes}
        return box.state == "running" and any(runs.get(n) != run for n, run in box.joined.items())

    def _bind(self, box: Box) -> None:
        """Gives it its ports."""
        taken = [*self.listening, *(port for one in self.others for port in one.ports)]
        taken += [
            port
            for one in self.boxes
            if one is not box and one.state in {"running", "paused"}
            for port in one.ports
        ]
        for port in box.ports:
            if any(port.collides(other) for other in taken):
                words = f"{box.service}: Bind for {port.number} failed: port is already allocated"
                raise RetryLater(words, code=PORT_TAKEN)

    def stop(self, box: Box) -> None:
        """Stops a container on purpose."""
        if box.state in {"running", "restarting", "paused"}:
            box.state, box.exit_code = "exited", 0
        box.stopped = True

    def pause(self, project: str, service: str) -> None:
        """A person pauses a service's container, or lets it go on."""
        box = self.one(project, service)
        assert box is not None
        box.state = "running" if box.state == "paused" else "paused"

    def crash_of_power(self) -> None:
        """The power goes and comes back: what was to restart does, the rest stays as it fell."""
        for box in self.boxes:
            was_up = box.state in {"running", "restarting"}
            if box.restart == "always" or (was_up and box.restart == "unless-stopped"):
                # What was stopped on purpose stays so, but with `always`: that is Docker's rule.
                self._begin(box)
            elif was_up:
                box.state, box.exit_code = "exited", 255
        for room in self.rooms.values():
            room.restarts += 1

    def crash_of_engine(self) -> None:
        """The engine is killed; 20.10 then takes what restarts for stopped by hand."""
        for box in self.boxes:
            if box.state in {"running", "restarting"}:
                box.state, box.exit_code, box.stopped = "exited", 255, True
        for room in self.rooms.values():
            room.fall(math.inf)

    # --- time

    def pass_time(self, seconds: float) -> None:
        """Lets time go by, in small steps while something is on its way."""
        left = seconds
        while left > 0:
            step = min(left, _STEP if self._unsettled() else _QUIET_STEP)
            self.clock.move(step)
            for box in list(self.boxes):
                self._live(box)
            for room in self.rooms.values():
                if room.back <= self._now:
                    room.start()
            if self.busy is not None:
                self.busy()
            left -= step

    def _unsettled(self) -> bool:
        return any(
            box.state == "restarting"
            or (box.state == "running" and (box.phase != "serving" or box.program.dies_after))
            for box in self.boxes
        )

    def _begin(self, box: Box) -> None:
        box.state, box.phase, box.since, box.exit_code = "running", "starting", self._now, 0
        box.runs += 1
        shared = set(joined_by(box.spec))
        box.joined = {one.id: one.runs for one in self.boxes if one.id in shared}

    @property
    def _now(self) -> float:
        return self.clock.seconds

    def _live(self, box: Box) -> None:
        if box.state == "restarting" and self._now >= box.again:
            box.restarts += 1
            self._begin(box)
        if box.state != "running":
            return
        age = self._now - box.since
        if box.phase == "starting" and age >= box.program.start_seconds:
            self._started(box)
        elif box.phase == "migrating":
            self._migrate(box, age)
        elif box.phase == "serving" and 0 < box.program.dies_after <= age:
            self.exit(box, 1, "thread 'main' panicked")

    def _started(self, box: Box) -> None:
        match box.program.kind:
            case "postgres":
                server = self.servers.setdefault(box.project, Server(major=box.program.major))
                if server.major == box.program.major:
                    self._serve(box)
                else:
                    self.exit(box, 1, "database files are incompatible with server")
            case "shot" if reason := no_storage(self, box):
                self.exit(box, 1, reason)
            case "shot":
                self.buckets.add(box.project)
                self.exit(box, 0, "done")
            case "server" if box.program.exits == "beside production" and _is_scratch(box):
                self.exit(box, 1, "the address is taken")
            case "backend" if box.spec.get("command"):
                self._start_migrating(box)
            case "backend":
                self._start_backend(box)
            case _:
                self._serve(box)

    def _start_migrating(self, box: Box) -> None:
        """A command of the backend's image that migrates and ends."""
        server = self.server(box.project)
        if server is None:
            self.exit(box, 1, "connection refused")
        elif reason := server.live.refusal(box.program):
            self.exit(box, 1, reason)
        else:
            box.phase, box.since = "migrating", self._now
            self._migrate(box, 0)

    def _start_backend(self, box: Box) -> None:
        program, server = box.program, self.server(box.project)
        if program.exits == "at start":
            self.exit(box, 1, "cannot read the configuration")
        elif server is None:
            self.exit(box, 1, "connection refused")
        elif reason := no_bucket(self, box) or server.live.refusal(program):
            self.exit(box, 1, reason)
        elif server.live.lacking(program) and not program.migrates_at_start:
            self.exit(box, 1, "the schema is too old")
        else:
            box.phase, box.since = "migrating", self._now
            self._migrate(box, 0)

    def _migrate(self, box: Box, age: float) -> None:
        program, server = box.program, self.server(box.project)
        if server is None:
            self.exit(box, 1, "the connection to the database is lost")
            return
        lacking = server.live.lacking(program)
        if lacking:
            if program.migration == "hangs":
                return
            server.work()
            if age < program.migration_seconds * len(lacking):
                return
            if error := server.live.migrate(program):
                self.exit(box, 1, error)
                return
        if box.spec.get("command"):
            self.exit(box, 0, "migrated")
            return
        later = program.exits == "in production" and not _is_scratch(box)
        if later or program.exits == "after migration":
            self.exit(box, 1, "cannot go on")
        else:
            self._serve(box)

    def _serve(self, box: Box) -> None:
        box.phase, box.since = "serving", self._now

    def exit(self, box: Box, code: int, output: str) -> None:
        """The container's process ends."""
        box.printed.append(output)
        box.exit_code = code
        again = box.restart in {"always", "unless-stopped"} or (
            box.restart == "on-failure" and code != 0
        )
        box.state = "restarting" if again else "exited"
        box.again = self._now + min(2.0 ** min(box.restarts, 9), _LONGEST_PAUSE)
