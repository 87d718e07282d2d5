"""A container of the simulated engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from koprogo_agent.domain.gate import MAY_END, Container, Health
from koprogo_agent.domain.host import Port
from koprogo_agent.domain.traefik import routing
from tests.simulation.images import Program

_CHECKED_AFTER = 10.0
"""Seconds until the engine comes to the healthcheck of what serves."""


@dataclass
class Box:
    """A container.

    Attributes:
        definition: hash of all that compose made it from.
        stopped: whether somebody stopped it on purpose: a reboot then leaves it stopped.
        phase: of its process: starting, migrating, serving.
        since: when that phase began.
        again: when it restarts, while it is restarting.
        one_off: whether it belongs to no service.
        beside: whether it is such a one that stands beside a service's own.
        memory: what it may take, in MB; 0: no limit.
        number: which of its service's containers it is.
        runs: how often it has been started.
        joined: id -> run, at its own start, of the containers whose namespaces it shares.
        wanted: the networks of its service.
        attached: the networks that it is in -> which one of this name, should it be made anew.
    """

    id: str
    project: str
    service: str
    image: str
    program: Program
    definition: str
    spec: Mapping[str, Any]
    state: str = "created"
    exit_code: int = 0
    restarts: int = 0
    stopped: bool = False
    phase: str = "starting"
    since: float = 0.0
    again: float = 0.0
    printed: list[str] = field(default_factory=list)
    one_off: bool = False
    beside: bool = False
    memory: int = 0
    number: int = 1
    runs: int = 0
    joined: dict[str, int] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()
    attached: dict[str, int] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, compose's own among them."""
        return {**self.spec.get("labels", {}), "com.docker.compose.config-hash": self.definition}

    @cached_property
    def is_routed(self) -> bool:
        """Whether Traefik routes to it, by its labels."""
        return routing(self.labels) is not None

    @property
    def name(self) -> str:
        """The name that the engine gives it; a one-off's is another one."""
        usual = self.spec.get("container_name") or f"{self.project}-{self.service}-{self.number}"
        return f"{usual}-{self.id}" if self.one_off else str(usual)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that it publishes while it runs; a one-off publishes none."""
        published = () if self.one_off else self.spec.get("ports", ())
        return tuple(Port(one.get("host_ip", ""), int(one["published"])) for one in published)

    @property
    def restart(self) -> str:
        """Its restart policy."""
        return str(self.spec.get("restart", "no"))

    @property
    def serves(self) -> bool:
        """Whether it does its work, and is reached."""
        reached = self.wanted <= self.attached.keys()
        return self.state == "running" and self.phase == "serving" and reached

    def health(self, now: float) -> Health:
        """What its healthcheck says."""
        if "healthcheck" not in self.spec or self.state != "running":
            return Health.NONE
        if self.phase == "serving":
            return Health.STARTING if now - self.since < _CHECKED_AFTER else Health.HEALTHY
        return Health.STARTING if now - self.since < 30 else Health.UNHEALTHY

    def seen(self, now: float, networks: Mapping[str, int]) -> Container:
        """As the engine shows it."""
        return Container(
            service=self.service,
            id=self.id,
            image=self.image,
            image_id=self.program.image_id,
            state=self.state,
            health=self.health(now),
            exit_code=self.exit_code,
            restarts=self.restarts,
            labels=self.labels,
            may_end=self.restart in MAY_END and "healthcheck" not in self.spec,
            networks=frozenset(
                name for name, one in self.attached.items() if networks.get(name) == one
            ),
        )
