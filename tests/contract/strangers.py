"""Other people on the machine: what they run, the ports that they have, what they pause."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

import docker
from docker.models.containers import Container

from koprogo_agent.domain.host import Holder, Port
from tests.lab.lab import Lab
from tests.lab.stack import ONE_SHOT
from tests.simulation.machine import Machine
from tests.simulation.people import PROJECT


class Strangers(Protocol):
    """What the suite has them do; each ends with its block."""

    def listen(self) -> AbstractContextManager[int]:
        """A program listens at a port of 127.0.0.1."""

    def has_container(self, name: str) -> AbstractContextManager[None]:
        """There is a container of this name, of no project."""

    def pauses(self, service: str) -> AbstractContextManager[None]:
        """A service's container is paused."""

    def a_subnet(self) -> str:
        """A subnet that a network of the engine has."""


@dataclass(frozen=True)
class SimStrangers:
    """On the fake machine."""

    machine: Machine

    @contextmanager
    def listen(self) -> Iterator[int]:
        """A program listens."""
        port = Port("127.0.0.1", 45678)
        self.machine.listening.append(port)
        yield port.number
        self.machine.listening.remove(port)

    @contextmanager
    def has_container(self, name: str) -> Iterator[None]:
        """A container."""
        holder = Holder(name, "", "", "created")
        self.machine.others.append(holder)
        yield
        self.machine.others.remove(holder)

    @contextmanager
    def pauses(self, service: str) -> Iterator[None]:
        """A pause."""
        self.machine.pause(PROJECT, service)
        yield
        self.machine.pause(PROJECT, service)

    def a_subnet(self) -> str:
        """A subnet."""
        return next(iter(self.machine.subnets))


@dataclass(frozen=True)
class LabStrangers:
    """On the lab's engine."""

    lab: Lab

    @contextmanager
    def listen(self) -> Iterator[int]:
        """A program listens."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    @contextmanager
    def has_container(self, name: str) -> Iterator[None]:
        """A container."""
        with closing(self.lab.engine.client()) as client:
            image = self._of(client, ONE_SHOT).image
            assert image is not None
            made = client.containers.create(image, name=name)
            yield
            made.remove()

    @contextmanager
    def pauses(self, service: str) -> Iterator[None]:
        """A pause."""
        with closing(self.lab.engine.client()) as client:
            container = self._of(client, service)
            container.pause()
            yield
            container.unpause()

    def a_subnet(self) -> str:
        """A subnet."""
        with closing(self.lab.engine.client()) as client:
            pools = [one.attrs["IPAM"]["Config"] for one in client.networks.list()]
            return next(str(one[0]["Subnet"]) for one in pools if one)

    def _of(self, client: docker.DockerClient, service: str) -> Container:
        wanted = [f"{label}={value}" for label, value in self._labels(service).items()]
        return client.containers.list(all=True, filters={"label": wanted})[0]

    def _labels(self, service: str) -> dict[str, str]:
        label = "com.docker.compose"
        return {f"{label}.project": self.lab.stack.project, f"{label}.service": service}
