"""A machine whose agent updates itself, and what can be seen of that from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.lab.agent import AgentPublisher, Fault, Workshop, agent_origin
from tests.lab.debian import Debian
from tests.lab.lab import Lab
from tests.machine.installing import (
    SERVICE,
    bare,
    install,
    is_active,
    logged,
    make_docker_group,
    status,
)

HOME = "/opt/koprogo-agent"
FIRST = "0.1.0"
TWO_MINUTES = 120.0
BROUGHT = 300.0
"""Seconds within which a version is unpacked, put together and tried, on a busy machine."""
SERVES = f"test ! -e {HOME}/trial && {is_active()}"
"""A command that succeeds while a version runs, polls and is on no trial."""


@dataclass
class Site:
    """A machine with an agent, and the association that releases it."""

    machine: Debian
    publisher: AgentPublisher

    def events(self, name: str, **facts: str) -> int:
        """How often something was logged."""
        wanted = {"event": name, **facts}
        return sum(wanted.items() <= one.items() for one in self._logged())

    def logged(self, name: str, **facts: str) -> bool:
        """Whether something was logged."""
        return self.events(name, **facts) > 0

    @property
    def versions(self) -> set[str]:
        """The versions that are there."""
        return set(self.machine.does("ls", f"{HOME}/versions").split())

    def wait_brought(self, version: str) -> None:
        """Until a version was put on trial, or put aside before that."""
        on_trial = logged("agent.update.on_trial", version=version)
        put_aside = logged("agent.put_aside", tag=f"v{version}")
        self.machine.awaits(f"{on_trial} || {put_aside}", BROUGHT, f"{version} to be brought here")

    def gives_way(self, version: str, fault: Fault, code: str) -> None:
        """Publishes a bad version, and sees that the first one goes on with no hand on it.

        Args:
            version: its name; never used before.
            fault: what is wrong with it.
            code: why it is put aside.
        """
        self.publisher.publish(version, fault)
        self.wait_brought(version)
        self.wait_served_by(FIRST, TWO_MINUTES)
        put_aside = logged("agent.put_aside", tag=f"v{version}", code=code)
        self.machine.awaits(put_aside, 30, f"{version} to be put aside")
        self.looks_again()
        assert self.events("agent.update.begins", tag=f"v{version}") == 1, "tried again"
        assert self.versions == {FIRST}

    def brings(self, version: str) -> None:
        """Publishes a good version, and waits until it was blessed."""
        self.publisher.publish(version)
        self.wait_brought(version)
        self.wait_served_by(version, TWO_MINUTES)

    def wait_served_by(self, version: str, seconds: float) -> None:
        """Until a version serves."""
        current = f'test "$(readlink {HOME}/current)" = versions/{version}'
        self.machine.awaits(f"{current} && {SERVES}", seconds, f"{version} to serve")

    def looks_again(self) -> None:
        """Until it has looked for newer versions once more."""
        before = self._looked
        self.machine.wait_until(lambda: self._looked != before, 60, "the agent to look once more")

    def _logged(self) -> list[Mapping[str, Any]]:
        lines = self.machine.does("journalctl", "-u", SERVICE, "-o", "cat").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def _looked(self) -> object:
        own = status(self.machine)["agent"]
        assert isinstance(own, dict)
        return own["looked"]


@contextmanager
def founded_site(running: Lab, workshop: Workshop) -> Iterator[Site]:
    """The first version, installed, which looks for others every few seconds."""
    with (
        agent_origin(running.root / "agent", running.authority, running.keys) as founded,
        bare(running, workshop.dist, "debian") as machine,
    ):
        origin, association = founded
        root = running.root / "agent-root.json"
        root.write_bytes(association.files["root/1.json"])
        make_docker_group(machine, running)
        install(machine, running, "--agent-root", str(root))
        config = "/etc/koprogo-agent/config.toml"
        own = f'\n[agent]\nurl = "{origin.url}"\ninterval = 5\n'
        machine.does("sh", "-c", f"sed -i '/^\\[source\\]/a interval = 10' {config}")
        machine.does("sh", "-c", f"printf '%s' '{own}' >> {config}")
        machine.does("systemctl", "restart", SERVICE)
        yield Site(machine, AgentPublisher(workshop, origin, running.registry, running.keys))
