"""Compose, the containers of a project, and the HTTP questions that they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.host import Host


@dataclass(frozen=True)
class Project:
    """A compose project: what `docker compose` needs to know to act on it.

    Attributes:
        name: the project's name.
        directory: the project directory, against which relative paths are resolved.
        files: compose files in order, absolute.
        env_files: env files in order, absolute.
        environment: variables set by the agent; they win over the env files.
        view: a folder that shows another one as it will be, and that other one: paths below the
            first are given as below the second. None: the project is where it runs.
    """

    name: str
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    view: tuple[Path, Path] | None = None


@dataclass(frozen=True)
class Variable:
    """A variable that the compose files use.

    Attributes:
        default: its value where none is given.
        required: whether Compose refuses to go on without a value.
        optional: whether the files say what to do without a value, be it nothing: `${X:-}`.
    """

    name: str
    default: str
    required: bool
    optional: bool = False

    @property
    def needs_value(self) -> bool:
        """Whether a value must be given."""
        return self.required or not (self.default or self.optional)


@dataclass(frozen=True)
class RunResult:
    """How a one-off container ended: exit code, and the end of what it printed."""

    exit_code: int
    output: str


class Stack(Protocol):
    """Docker Compose, and the containers of its projects."""

    def render(self, project: Project) -> dict[str, Any]:
        """The resolved compose model (`config --format json`).

        Raises:
            StepFailed: the compose files are invalid (code `compose.invalid`), in its words.
        """

    def hashes(self, project: Project) -> dict[str, str]:
        """Service -> compose's hash of its definition, as its containers carry it in a label.

        Raises:
            StepFailed: the compose files are invalid, as with `render`.
        """

    def variables(self, project: Project) -> tuple[Variable, ...]:
        """The variables that the compose files of the project use."""

    def has_start_interval(self) -> bool:
        """Whether the engine checks health more often while a container starts (Engine 25)."""

    def containers(self, project_name: str) -> tuple[Container, ...]:
        """The containers of the project's services, one-off containers left out."""

    def host(self) -> Host:
        """What the machine has already: containers of any project, ports, networks, volumes."""

    def try_network(self, name: str, definition: Mapping[str, Any]) -> None:
        """Finds out whether the engine can make a network, and has addresses; it does not stay.

        One of this name that is there gives up its addresses.

        Raises:
            RetryLater: it has none (code `engine.addresses`).
        """

    def replaced_networks(self, project: Project) -> tuple[str, ...]:
        """The networks, by name, that compose would remove and make anew: their definition differs.

        Raises:
            RetryLater: compose does not say so (code `compose.dry_run`).
        """

    def renew_networks(self, project: Project) -> None:
        """Makes the project's networks as they are defined, and connects its services' containers.

        Containers keep what they are: those that are not in a network of their service are
        connected to it. No running container may be in a network that is to be made anew.

        Raises:
            RetryLater: one is (code `network.used`); nothing has changed then. Or the machine is at
                fault in another way.
            StepFailed: the engine does not make a network as it is defined.
        """

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Creates and starts services (all when none are named), recreating what changed.

        Never pulls, never builds, does not wait for health. With services named, only those are
        touched, their dependencies are not. Containers of other files stay, also where they belong
        to the project.

        Raises:
            StepFailed: the files are invalid, or a container does not start.
            RetryLater: the machine is at fault (`domain.host.MACHINE_FAULTS`): a port, a name, a
                paused container, addresses, a disk.
        """

    def create(self, project: Project, services: Sequence[str]) -> None:
        """Creates services without starting them, recreating what changed."""

    def start(self, project_name: str, services: Sequence[str]) -> None:
        """Start containers that have run before; running ones are left alone.

        Only `up` may start new containers: Compose injects contents, secrets and hooks then.
        """

    def stop(self, project_name: str, services: Sequence[str]) -> None:
        """Stops the containers of these services and waits until they have stopped."""

    def raise_memory_limit(
        self, project_name: str, services: Sequence[str], megabytes: int
    ) -> None:
        """Lets the containers of these services take at least so much memory.

        It holds until a container is made anew. What has no limit, or a higher one, is left alone.

        Raises:
            RetryLater: the engine refuses it.
        """

    def discard(self, project_name: str, services: Sequence[str]) -> None:
        """Stops and removes the containers of these services; their volumes stay."""

    def run(
        self,
        project: Project,
        service: str,
        command: Sequence[str],
        timeout: float,
        goes_on: Callable[[], None],
    ) -> RunResult:
        """Runs a one-off container of a service, without its dependencies, and removes it.

        Args:
            project: the project.
            service: the service whose definition is used.
            command: replaces the service's command; empty keeps it.
            timeout: seconds after which the container is killed.
            goes_on: called now and then while it runs.

        Raises:
            StepFailed: the time ran out (code `run.timeout`).
        """

    def start_beside(self, project: Project, service: str, environment: Mapping[str, str]) -> None:
        """Starts a second container of a service beside its own; one from before is removed first.

        It has the service's definition but for ports, restarts and its name, and no ingress routes
        to it by its labels.

        Args:
            project: the project.
            service: the service whose definition is used.
            environment: variables that differ there.

        Raises:
            StepFailed: it does not start, as `up`.
        """

    def beside(self, project_name: str) -> tuple[Container, ...]:
        """The containers that `start_beside` has made."""

    def end_beside(self, project_name: str) -> None:
        """Stops and removes the containers that `start_beside` has made."""

    def address(self, container: str) -> str | None:
        """An address at which this host reaches the container, or None while it has none."""

    def examine(self, container: str) -> bool:
        """Whether the container's own healthcheck passes when it is run now.

        False too where it has none, has no running container, or takes longer than it may.
        """

    def logs(self, container: str, lines: int) -> str:
        """The end of what a container printed."""

    def down(self, project_name: str) -> None:
        """Removes the project's containers, networks and volumes. For scratch projects only."""


@dataclass(frozen=True)
class HttpProbe:
    """One HTTP question and the answer that counts as good.

    Attributes:
        name: how people call it.
        url: where to ask.
        host: value of the Host header, or None for the URL's own.
        status: expected status code.
        contains: JSON members that the answer must have with these values; empty: any body.
    """

    name: str
    url: str
    host: str | None = None
    status: int = 200
    contains: Mapping[str, str] = field(default_factory=dict)


class Prober(Protocol):
    """Asks HTTP questions."""

    def ask(self, probe: HttpProbe) -> str | None:
        """None when the answer is as expected; otherwise what was wrong, in a few words."""
