"""The port `Stack` on a real Docker Compose and a real engine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import ceil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api, process
from koprogo_agent.adapters.compose import (
    commands,
    containers,
    failures,
    healthcheck,
    host,
    leftovers,
    networks,
    variables,
)
from koprogo_agent.adapters.compose.containers import PROJECT, Entry
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.host import Host
from koprogo_agent.domain.overlay import without_absent
from koprogo_agent.domain.relocation import relocated
from koprogo_agent.domain.shared import own_networks
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import Project, RunResult, Variable

if TYPE_CHECKING:
    from docker import APIClient

_QUICK = 60.0
_UP_SECONDS = 900.0
_STOP_SECONDS = 10
"""What the engine grants a container that does not say how long it takes to stop."""
_GLANCE = 10.0
"""Seconds for which the engine is asked in one go whether a program has ended."""
_OUTPUT_LINES = 200
_OUTPUT_BYTES = 1 << 16
_OUTPUT_LIMIT = 8 << 20
_NAME_AND_HASH = 2
_ROOT = Path("/")
_MEGA = 1024**2
_START_INTERVAL = (1, 44)
"""The first version of the engine's API with `start_interval`."""


class ComposeStack:
    """Docker Compose through its command line; its containers through the engine's API.

    Args:
        host: the engine's address, `unix://…`; compose is sent to the same one, whatever docker
            context is chosen on this machine.
        environment: where PATH, HOME and DOCKER_CONFIG for compose come from.
        up_seconds: how long bringing services up may take, the stopping of old ones included.
    """

    def __init__(
        self,
        host: str = docker_api.DEFAULT_HOST,
        environment: Mapping[str, str] | None = None,
        up_seconds: float = _UP_SECONDS,
    ) -> None:
        self._host = host
        self._environment = commands.passed_on(os.environ if environment is None else environment)
        self._up_seconds = up_seconds

    @cached_property
    def program(self) -> commands.Program:
        """How Compose is called on this machine.

        Raises:
            NeedsOperator: there is no Compose 2 or later (code `compose.not_found`).
        """
        found = []
        for program in commands.PROGRAMS:
            printed = self._version(program)
            major = commands.major(printed)
            if major is not None and major >= commands.OLDEST_MAJOR:
                return program
            if major is not None:
                found.append(f"{' '.join(program)} {printed}")
        raise failures.no_compose(found)

    def render(self, project: Project) -> dict[str, Any]:
        """The resolved model, its values as containers will see them.

        Compose prints every `$` doubled, so that its output can be fed back; here they are single
        again, and whoever writes a compose file doubles them.
        """
        done = self._ask(commands.config(self.program, project), project)
        if done.returncode:
            raise failures.of_files(done.stderr, project.env_files)
        model = without_absent(json.loads(done.stdout.replace(b"$$", b"$")))
        return model if project.view is None else relocated(model, *map(str, project.view))

    def hashes(self, project: Project) -> dict[str, str]:
        """Compose's hash of each service's definition, as containers carry it in a label."""
        done = self._ask(commands.hashes(self.program, project), project)
        if done.returncode:
            raise failures.of_files(done.stderr, project.env_files)
        lines = (line.split() for line in done.stdout.decode().splitlines())
        return {line[0]: line[1] for line in lines if len(line) == _NAME_AND_HASH}

    def variables(self, project: Project) -> tuple[Variable, ...]:
        """The variables that the compose files use: compose's own list, or a reading of them."""
        done = self._ask(commands.variables(self.program, project), project)
        listed = None if done.returncode else variables.listed(done.stdout)
        if listed is None:
            return variables.scanned(project.files)
        return variables.with_optional(listed, project.files)

    def has_start_interval(self) -> bool:
        """Whether the engine speaks API 1.44 or later."""
        return docker_api.version(self._host) >= _START_INTERVAL

    def containers(self, project_name: str) -> tuple[Container, ...]:
        """The containers of the project's services; costs a poll about 0.2 ms for each."""
        listed = containers.of_services(self._host, project_name)
        return tuple(containers.observed(self._host, listed))

    def host(self) -> Host:
        """What the engine and the kernel have, of any project and of none."""
        return host.read(self._host)

    def try_network(self, name: str, definition: Mapping[str, Any]) -> None:
        """Makes a network and removes it again."""
        networks.try_out(self._host, name, definition)

    def replaced_networks(self, project: Project) -> tuple[str, ...]:
        """The networks that compose would make anew; it knows by a hash in a label of theirs."""
        keys = own_networks(self.render(project))
        if not keys:
            return ()
        asked = commands.networks_dry_run(self.program, project)
        done = self._ask(asked, project, commands.networks_service(keys))
        return networks.replaced(self._host, done)

    def renew_networks(self, project: Project) -> None:
        """Makes the networks as they are defined, and connects containers to them."""
        model = self.render(project)
        if keys := own_networks(model):
            made = commands.networks(self.program, project)
            self._bring(made, project, commands.networks_service(keys))
        networks.connect(self._host, project.name, model)

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Creates and starts services.

        Raises:
            StepFailed: the files are invalid (`compose.invalid`), or a container does not start or
                one that it waits for is unhealthy (`compose.up_failed`).
            NeedsOperator: a variable or env file is missing (`compose.variable_missing`,
                `compose.env_file_missing`).
            RetryLater: the engine does not answer (`engine.unreachable`), an image has gone since
                it was pulled (`image.absent`), or the machine is at fault (`MACHINE_FAULTS`).
        """
        self._bring(commands.up(self.program, project, services), project)

    def create(self, project: Project, services: Sequence[str]) -> None:
        """Creates services without starting them; raises as `up` does."""
        if services:
            self._bring(commands.create(self.program, project, services), project)

    def start(self, project_name: str, services: Sequence[str]) -> None:
        """Starts existing containers.

        Raises:
            StepFailed: one does not start (code `container.start_failed`).
            RetryLater: the machine is at fault (`MACHINE_FAULTS`).
        """
        from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

        def start(api: APIClient, entry: Entry) -> None:
            try:
                api.start(entry.id)
            except APIError as error:
                words = f"{entry.service} does not start: {error.explanation}"
                unfit = failures.of_machine(words)
                raise unfit or StepFailed(words, code="container.start_failed") from error

        self._each(project_name, services, start)

    def stop(self, project_name: str, services: Sequence[str]) -> None:
        """Stops services in this order, each container within its own time.

        A one-off container that a killed agent left behind is ended too: it may write as well.
        """
        self._each(project_name, services, self._stop)
        self._end_one_offs(project_name, services)

    def raise_memory_limit(
        self, project_name: str, services: Sequence[str], megabytes: int
    ) -> None:
        """Changes the limit of running containers; how much they may swap stays the same."""
        wanted = megabytes * _MEGA

        def raise_limit(api: APIClient, entry: Entry) -> None:
            told = containers.details(self._host, entry.id)
            limits = told["HostConfig"] if told else {}
            memory, swap = int(limits.get("Memory") or 0), int(limits.get("MemorySwap") or 0)
            if 0 < memory < wanted:
                # The engine counts memory and swap together; -1 is no limit, 0 that none is set.
                swap = wanted + max(swap - memory, 0) if swap > 0 else swap
                api.update_container(entry.id, mem_limit=wanted, memswap_limit=swap or None)

        self._each(project_name, services, raise_limit)

    def discard(self, project_name: str, services: Sequence[str]) -> None:
        """Stops and removes the containers of these services; their volumes stay."""

        def discard(api: APIClient, entry: Entry) -> None:
            self._stop(api, entry)
            _unless_gone(api.remove_container, entry.id, force=True)

        self._each(project_name, services, discard)
        self._end_one_offs(project_name, services)

    def run(
        self,
        project: Project,
        service: str,
        command: Sequence[str],
        timeout: float,
        goes_on: Callable[[], None],
    ) -> RunResult:
        """Runs a one-off container under a name of its own, and removes it whatever happens.

        Raises:
            StepFailed: the time ran out (code `run.timeout`), or it could not be started: as `up`.
        """
        name = commands.one_off_name(project.name, service)
        leftovers.end_one_offs(self._host, project.name, name)
        try:
            self._bring(commands.run(self.program, project, service, command, name), project)
            return RunResult(self._wait(name, timeout, goes_on), self.logs(name, _OUTPUT_LINES))
        finally:
            leftovers.end_one_offs(self._host, project.name, name)

    def start_beside(self, project: Project, service: str, environment: Mapping[str, str]) -> None:
        """Starts a container beside a service's own; raises as `up` does."""
        name = commands.beside_name(project.name, service)
        leftovers.end_one_offs(self._host, project.name, name)
        self._bring(commands.beside(self.program, project, service, environment), project)

    def beside(self, project_name: str) -> tuple[Container, ...]:
        """The containers beside services' own."""
        return tuple(containers.observed(self._host, self._beside(project_name)))

    def end_beside(self, project_name: str) -> None:
        """Stops them, each within its own time, and removes them."""
        with docker_api.client(self._host) as api:
            for entry in self._beside(project_name):
                self._stop(api, entry)
                _unless_gone(api.remove_container, entry.id, v=True, force=True)

    def address(self, container: str) -> str | None:
        """An IP address at which this host reaches the container, or None while it has none."""
        return containers.address(self._host, container)

    def examine(self, container: str) -> bool:
        """Whether the container's own healthcheck passes when it is run now."""
        return healthcheck.passes(self._host, container)

    def logs(self, container: str, lines: int) -> str:
        """The end of what a container printed; empty where it is gone or its driver keeps none."""
        from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

        with docker_api.client(self._host) as api:
            try:
                printed: bytes = api.logs(container, tail=lines)
            except APIError:
                return ""
        return printed[-_OUTPUT_BYTES:].decode(errors="replace")

    def down(self, project_name: str) -> None:
        """Removes all that the engine has of a scratch project, killing what runs."""
        label = {"label": f"{PROJECT}={project_name}"}
        with docker_api.client(self._host) as api:
            for entry in containers.entries(self._host, project_name):
                _unless_gone(api.remove_container, entry.id, v=True, force=True)
            for network in api.networks(filters=label):
                _unless_gone(api.remove_network, network["Id"])
            for volume in api.volumes(filters=label)["Volumes"] or ():
                _unless_gone(api.remove_volume, volume["Name"], force=True)

    def _beside(self, project_name: str) -> list[Entry]:
        return [
            entry
            for entry in containers.one_offs(self._host, project_name)
            if entry.name == commands.beside_name(project_name, entry.service)
        ]

    def _version(self, program: commands.Program) -> str:
        try:
            done = process.run(commands.version(program), env=self._environment, timeout=_QUICK)
        except (NeedsOperator, process.Overrun):
            return ""
        return "" if done.returncode else done.stdout.decode(errors="replace").strip()

    def _ask(self, argv: Sequence[str], project: Project, stdin: bytes = b"") -> process.Completed:
        try:
            return self._compose(argv, project, _QUICK, stdin)
        except process.TimedOut as error:
            raise RetryLater(
                f"compose is too slow: {error}",
                code="compose.timeout",
                advice="see what keeps the machine busy: uptime; systemctl status docker",
            ) from error
        except process.TooMuchOutput as error:
            raise StepFailed(f"the model is too large: {error}", code="compose.invalid") from error

    def _bring(self, argv: Sequence[str], project: Project, stdin: bytes = b"") -> None:
        """Has compose create or start something, and finds out why where it could not."""
        leftovers.settle_recreated(self._host, project.name)
        try:
            done = self._compose(argv, project, self._up_seconds, stdin)
        except process.Overrun as error:
            docker_api.check(self._host)
            words = f"{error}; it last said: {failures.last_words(error.stderr)}"
            raise StepFailed(words, code="compose.up_failed") from error
        if done.returncode:
            # asked one by one: compose's exit code is the same for all of them
            docker_api.check(self._host)
            self.render(project)
            raise failures.of_start(done.stderr)

    def _compose(
        self, argv: Sequence[str], project: Project, timeout: float, stdin: bytes = b""
    ) -> process.Completed:
        for path in project.env_files:
            if not path.exists():
                raise failures.missing_env_file(str(path))
        for path in project.files:
            if not path.exists():
                raise failures.missing_file(str(path))
        env = commands.environment(project, self._environment, self._host)
        done = process.run(
            argv, env=env, timeout=timeout, limit_output=_OUTPUT_LIMIT, cwd=_ROOT, stdin=stdin
        )
        if project.view is None:
            return done
        # People look for a file where it belongs.
        here, there = (str(one).encode() for one in project.view)
        return replace(done, stderr=done.stderr.replace(here, there))

    def _each(
        self, project_name: str, services: Sequence[str], act: Callable[[APIClient, Entry], None]
    ) -> None:
        entries = containers.of_services(self._host, project_name)
        with docker_api.client(self._host) as api:
            for service in services:
                for entry in entries:
                    if entry.service == service:
                        act(api, entry)

    def _stop(self, api: APIClient, entry: Entry) -> None:
        told = containers.details(self._host, entry.id)
        if told is None:
            return
        granted = told["Config"].get("StopTimeout")
        # said aloud, so that the SDK waits for the answer for as long
        _unless_gone(api.stop, entry.id, timeout=_STOP_SECONDS if granted is None else granted)

    def _end_one_offs(self, project_name: str, services: Sequence[str]) -> None:
        for service in services:
            name = commands.one_off_name(project_name, service)
            leftovers.end_one_offs(self._host, project_name, name)

    def _wait(self, container: str, timeout: float, goes_on: Callable[[], None]) -> int:
        from requests import ConnectionError as Broken  # noqa: PLC0415 - not for an idle daemon
        from requests import Timeout  # noqa: PLC0415

        deadline = monotonic() + timeout
        with docker_api.client(self._host) as api:
            while (left := deadline - monotonic()) > 0:
                goes_on()
                try:
                    code: int = api.wait(container, timeout=ceil(min(left, _GLANCE)))["StatusCode"]
                except (Broken, Timeout):
                    docker_api.check(self._host)
                else:
                    return code
        raise StepFailed(f"{container} did not end within {timeout:g} s", code="run.timeout")


def _unless_gone(act: Callable[..., object], name: str, **options: object) -> None:
    """Does something to what may have gone already."""
    from docker.errors import NotFound  # noqa: PLC0415 - what an idle daemon does not need

    try:
        act(name, **options)
    except NotFound:
        return
