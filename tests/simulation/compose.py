"""Docker Compose: reads compose files (JSON is YAML), and makes containers of services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from koprogo_agent.adapters.compose.failures import missing_env_file
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.host import NAME_TAKEN, NETWORK_USED, NO_ADDRESSES, Host
from koprogo_agent.domain.overlay import replicas
from koprogo_agent.domain.relocation import relocated
from koprogo_agent.domain.shared import networks_of
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import Project, RunResult, Variable
from tests.simulation import rendering, sharing
from tests.simulation.box import Box
from tests.simulation.disk import Disk
from tests.simulation.images import Program, SimImages
from tests.simulation.machine import Machine


class SimStack:
    """The stack port."""

    def __init__(self, machine: Machine, images: SimImages, disk: Disk) -> None:
        self._machine = machine
        self._images = images
        self._disk = disk

    def render(self, project: Project) -> dict[str, Any]:
        """The resolved model."""
        known: dict[str, str] = {}
        for path in project.env_files:
            if not path.exists():
                raise missing_env_file(str(path))
            known |= {
                name: value or "" for name, value in rendering.dotenv(path.read_text()).items()
            }
        known |= project.environment
        texts = tuple(self._text(path) for path in project.files)
        model = rendering.render(texts, frozenset(known.items()), project.directory)
        model = {**model, "networks": rendering.named(project, model)}
        return model if project.view is None else relocated(model, *map(str, project.view))

    def hashes(self, project: Project) -> dict[str, str]:
        """What its containers carry."""
        model = self.render(project)["services"]
        return {name: rendering.hash_of(one) for name, one in model.items()}

    def variables(self, project: Project) -> tuple[Variable, ...]:
        """The variables used."""
        found = {}
        for path in project.files:
            for name, kind, value in rendering.VARIABLE.findall(self._text(path)):
                if name:
                    default = value if kind.endswith("-") else ""
                    found[name] = Variable(
                        name, default, kind.endswith("?"), optional=kind.endswith("-")
                    )
        return tuple(found.values())

    def has_start_interval(self) -> bool:
        """An older engine."""
        return False

    def containers(self, project_name: str) -> tuple[Container, ...]:
        """The containers of services."""
        now = self._machine.clock.seconds
        boxes, networks = self._machine.of(project_name), self._machine.networks
        return tuple(box.seen(now, networks) for box in boxes if not box.one_off)

    def host(self) -> Host:
        """What the machine has."""
        return self._machine.host()

    def try_network(self, name: str, definition: Mapping[str, Any]) -> None:
        """Whether there are addresses for it."""
        mine = [one.get("subnet") for one in definition.get("ipam", {}).get("config", ())]
        if self._machine.subnets.intersection(mine) or self._machine.lacks_addresses:
            raise RetryLater(f"{name}: no address pool", code=NO_ADDRESSES)

    def replaced_networks(self, project: Project) -> tuple[str, ...]:
        """Those that are there, and are defined otherwise."""
        return self._replaced(self.render(project))

    def renew_networks(self, project: Project) -> None:
        """Makes them, and connects containers."""
        machine, model = self._machine, self.render(project)
        for name in self.replaced_networks(project):
            self._check_empty(name)
        for name, definition in rendering.definitions(model).items():
            if machine.defined.get(name) != definition:
                machine.make_network(name, definition)
                machine.middle("network: made")
        for box in machine.of(project.name):
            if box.service in model["services"] and not box.one_off:
                machine.connect(box, networks_of(model, box.service))
                machine.middle("network: connected")

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Creates, recreates, starts."""
        for box in self._made(project, services):
            try:
                self._machine.start(box)
            except StepFailed as error:
                raise StepFailed(error.message, code="compose.up_failed") from error
            self._machine.middle("up")

    def create(self, project: Project, services: Sequence[str]) -> None:
        """Creates and recreates."""
        for _ in self._made(project, services):
            self._machine.middle("create")

    def start(self, project_name: str, services: Sequence[str]) -> None:
        """Starts what exists."""
        for box in self._in_order(project_name, services):
            self._machine.start(box)
            self._machine.middle("start")

    def stop(self, project_name: str, services: Sequence[str]) -> None:
        """Stops; one-off containers of the services too."""
        for box in self._in_order(project_name, services):
            self._machine.stop(box)
            if box.one_off:
                self._machine.remove(box)
            self._machine.middle("stop")

    def raise_memory_limit(
        self, project_name: str, services: Sequence[str], megabytes: int
    ) -> None:
        """Raises it where there is one."""
        for box in self._in_order(project_name, services):
            if box.memory:
                box.memory = max(box.memory, megabytes)

    def discard(self, project_name: str, services: Sequence[str]) -> None:
        """Removes containers."""
        for box in self._in_order(project_name, services):
            self._machine.remove(box)
            self._machine.middle("discard")

    def run(
        self,
        project: Project,
        service: str,
        command: Sequence[str],
        timeout: float,
        goes_on: Callable[[], None],
    ) -> RunResult:
        """A one-off container."""
        machine = self._machine
        for left in self._one_offs(project.name, service):
            machine.remove(left)
        whole = self.render(project)
        self._ensure_networks(project.name, whole, (service,))
        spec = self._of_one_off(project, service)
        spec |= {"restart": "no", "hash": rendering.hash_of(spec)}
        if command:
            spec["command"] = list(command)
        box = machine.make(project.name, service, self._program(spec), spec)
        box.one_off = True
        machine.connect(box, networks_of(whole, service))
        machine.start(box)
        machine.middle("run")
        began = machine.clock.seconds
        while box.state == "running" and machine.clock.seconds - began < timeout:
            goes_on()
            machine.pass_time(1.0)
        ended = box.state != "running"
        machine.remove(box)
        if not ended:
            raise StepFailed(f"{service} did not end within {timeout:g} s", code="run.timeout")
        return RunResult(box.exit_code, "\n".join(box.printed))

    def start_beside(self, project: Project, service: str, environment: Mapping[str, str]) -> None:
        """A container beside the service's own."""
        machine = self._machine
        for left in [box for box in machine.of(project.name, (service,)) if box.beside]:
            machine.remove(left)
        whole = self.render(project)
        self._ensure_networks(project.name, whole, (service,))
        model = self._of_one_off(project, service)
        spec = {**model, "restart": "no", "hash": rendering.hash_of(model)}
        spec["environment"] = {**model.get("environment", {}), **environment}
        box = machine.make(project.name, service, self._program(spec), spec)
        box.one_off = box.beside = True
        machine.connect(box, networks_of(whole, service))
        machine.middle("start_beside")
        machine.start(box)

    def beside(self, project_name: str) -> tuple[Container, ...]:
        """Those containers."""
        now = self._machine.clock.seconds
        boxes, networks = self._machine.of(project_name), self._machine.networks
        return tuple(box.seen(now, networks) for box in boxes if box.beside)

    def end_beside(self, project_name: str) -> None:
        """Removes them."""
        for box in [box for box in self._machine.of(project_name) if box.beside]:
            self._machine.remove(box)
            self._machine.middle("end_beside")

    def address(self, container: str) -> str | None:
        """Where a running container is reached."""
        running = (box for box in self._machine.boxes if box.state == "running")
        return next((f"box-{box.id}" for box in running if box.id == container), None)

    def examine(self, container: str) -> bool:
        """Whether its healthcheck passes."""
        boxes = (box for box in self._machine.boxes if box.id == container)
        return any(box.serves and "healthcheck" in box.spec for box in boxes)

    def logs(self, container: str, lines: int) -> str:
        """What it printed."""
        boxes = (box for box in self._machine.boxes if box.id == container)
        return next(("\n".join(box.printed[-lines:]) for box in boxes), "")

    def down(self, project_name: str) -> None:
        """Nothing of the project is left."""
        for box in self._machine.of(project_name):
            self._machine.remove(box)
            self._machine.middle("down")
        for name in [one for one in self._machine.defined if one.startswith(f"{project_name}_")]:
            del self._machine.networks[name], self._machine.defined[name]
        self._machine.servers.pop(project_name, None)
        self._machine.buckets.discard(project_name)

    # --- inside

    def _text(self, path: Path) -> str:
        content = self._disk.texts.get(path)
        if content is None:
            raise NeedsOperator(f"there is no {path}", code="compose.file_missing")
        return content.decode()

    def _made(self, project: Project, services: Sequence[str]) -> list[Box]:
        """The containers of services, those anew whose definition or image changed.

        All are made before any is started, each service after those that it depends on.
        """
        whole = self.render(project)
        model = whole["services"]
        self._settle_recreated(project.name)
        self._ensure_networks(project.name, whole, services or tuple(model))
        for name in services or model:
            if name not in model:
                raise StepFailed(f"no such service: {name}", code="compose.up_failed")
        order = sharing.in_order(model, services or model)
        for name in order:
            followers = [one for one in order if _restarts_with(model[one], name)]
            self._ensure(project.name, name, whole, followers)
        return [box for name in order for box in self._own(project.name, name)]

    def _ensure_networks(
        self, project_name: str, model: Mapping[str, Any], services: Sequence[str]
    ) -> None:
        """Makes the networks of services; one that is defined otherwise is made anew.

        As Compose does it: it stops and disconnects the services that it is told of, and then the
        engine does not remove the network while others are in it.
        """
        machine, replaced = self._machine, set(self._replaced(model))
        used = {name for one in services for name in networks_of(model, one)}
        for name, definition in rendering.definitions(model).items():
            if name not in used or machine.defined.get(name) == definition:
                continue
            if name not in machine.networks:
                self.try_network(name, rendering.by_name(model)[name])
            told = [box for box in machine.of(project_name, services) if not box.one_off]
            if name in replaced:
                for box in told:
                    machine.stop(box)
                    box.attached.pop(name, None)
                    machine.middle("network: disconnected")
                self._check_empty(name)
            machine.make_network(name, definition)
            for box in told:
                if name in box.wanted:
                    box.attached[name] = machine.networks[name]

    def _replaced(self, model: Mapping[str, Any]) -> tuple[str, ...]:
        defined = self._machine.defined
        return tuple(
            n for n, one in rendering.definitions(model).items() if defined.get(n, one) != one
        )

    def _check_empty(self, network: str) -> None:
        """The engine removes no network that a running container is in, such as a room."""
        inside = [one for one in self._machine.host().holders if network in one.networks]
        if self._machine.rooms or any(one.state == "running" for one in inside):
            raise RetryLater(f"network {network} has active endpoints", code=NETWORK_USED)

    def _ensure(
        self, project_name: str, name: str, whole: Mapping[str, Any], followers: Sequence[str]
    ) -> None:
        """Makes the containers of a service, as many as it is to have.

        As Compose does it: it creates a new one under a name of its own, then it stops and removes
        the old one, and renames. What is to be restarted with it is stopped before that.
        """
        machine, service = self._machine, whole["services"][name]
        count, networks = replicas(service), networks_of(whole, name)
        spec = sharing.resolved(service, lambda one: self._first(project_name, one))
        spec["hash"] = rendering.hash_of(spec)
        program = self._program(spec)
        same = (spec["hash"], program)
        there = self._own(project_name, name)
        there.sort(key=lambda box: ((box.definition, box.program) != same, box.number))
        for box in there[count:]:
            machine.stop(box)
            machine.remove(box)
            machine.middle("scale down: removed")
        for box in there[:count]:
            lost = box.state == "running" and not networks.keys() <= box.attached.keys()
            if lost or (box.definition, box.program) != same:
                self.stop(project_name, followers)
                self._recreate(box, program, spec, networks)
        last = max((box.number for box in there), default=0)
        for number in range(last + 1, last + 1 + count - len(there)):
            self._check_name(project_name, name, spec, number)
            made = machine.make(project_name, name, program, spec, number)
            machine.connect(made, networks)

    def _recreate(
        self, box: Box, program: Program, spec: Mapping[str, Any], networks: Iterable[str]
    ) -> None:
        machine = self._machine
        made = machine.make(box.project, box.service, program, spec, box.number)
        machine.connect(made, networks)
        machine.middle("recreate: created")
        machine.stop(box)
        machine.middle("recreate: stopped")
        machine.remove(box)
        machine.middle("recreate: removed")

    def _of_one_off(self, project: Project, service: str) -> dict[str, Any]:
        model = self.render(project)["services"][service]
        return sharing.resolved(model, lambda one: self._first(project.name, one))

    def _own(self, project_name: str, service: str) -> list[Box]:
        return [box for box in self._machine.of(project_name, (service,)) if not box.one_off]

    def _first(self, project_name: str, service: str) -> str | None:
        there = sorted(self._own(project_name, service), key=lambda box: box.number)
        return there[0].id if there else None

    def _check_name(
        self, project_name: str, service: str, spec: Mapping[str, Any], number: int
    ) -> None:
        """The engine gives no name twice."""
        name = spec.get("container_name") or f"{project_name}-{service}-{number}"
        if any(one.name == name for one in self._machine.host().holders):
            raise RetryLater(f'container name "/{name}" is already in use', code=NAME_TAKEN)

    def _settle_recreated(self, project_name: str) -> None:
        """What a killed Compose has made beside what it was to replace goes first."""
        seen = set[tuple[str, int]]()
        for box in self._machine.of(project_name):
            if box.one_off:
                continue
            if (box.service, box.number) in seen and box.state == "created":
                self._machine.remove(box)
            seen.add((box.service, box.number))

    def _program(self, spec: Mapping[str, Any]) -> Program:
        program = self._images.program(spec["image"])
        if program is None:
            raise RetryLater(f"no such image: {spec['image']}", code="image.absent")
        return program

    def _in_order(self, project_name: str, services: Sequence[str]) -> list[Box]:
        found = [box for box in self._machine.of(project_name) if not box.beside]
        return [box for service in services for box in found if box.service == service]

    def _one_offs(self, project_name: str, service: str) -> list[Box]:
        return [box for box in self._in_order(project_name, (service,)) if box.one_off]


def _restarts_with(service: Mapping[str, Any], other: str) -> bool:
    """Whether compose restarts a service when it has made another one anew."""
    return bool(service.get("depends_on", {}).get(other, {}).get("restart"))
