"""The agent updates itself on a real systemd: to good and bad versions, through power cuts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.agent import AgentPublisher, Fault, Workshop, agent_origin
from tests.lab.debian import Debian
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.machine.installing import SERVICE, bare, install, make_docker_group, status

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

HOME = "/opt/koprogo-agent"
FIRST = "0.1.0"
TWO_MINUTES = 120.0
BROUGHT = 300.0
"""Seconds within which a version is unpacked, put together and tried, on a busy machine."""


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
    def current(self) -> str:
        """The version that is started next."""
        return self.machine.does("readlink", f"{HOME}/current").strip().removeprefix("versions/")

    @property
    def versions(self) -> set[str]:
        """The versions that are there."""
        return set(self.machine.does("ls", f"{HOME}/versions").split())

    @property
    def serves(self) -> bool:
        """Whether a version runs, polls and is on no trial."""
        on_trial = not self.machine.types("test", "-e", f"{HOME}/trial").code
        state = self.machine.types("systemctl", "is-active", SERVICE).text.strip()
        return state == "active" and not on_trial

    def wait_brought(self, version: str) -> None:
        """Until a version was put on trial, or put aside before that."""
        wait_until(
            lambda: (
                self.logged("agent.update.on_trial", version=version)
                or self.logged("agent.put_aside", tag=f"v{version}")
            ),
            BROUGHT,
            f"{version} to be brought here",
        )

    def wait_served_by(self, version: str, seconds: float) -> None:
        """Until a version serves."""
        wait_until(lambda: self.current == version and self.serves, seconds, f"{version} to serve")

    def looks_again(self) -> None:
        """Until it has looked for newer versions once more."""
        before = self._looked
        wait_until(lambda: self._looked != before, 60, "the agent to look once more")

    def _logged(self) -> list[Mapping[str, Any]]:
        lines = self.machine.does("journalctl", "-u", SERVICE, "-o", "cat").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def _looked(self) -> object:
        own = status(self.machine)["agent"]
        assert isinstance(own, dict)
        return own["looked"]


@pytest.fixture(scope="module")
def site(running: Lab, workshop: Workshop) -> Iterator[Site]:
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


BAD = {
    Fault.SYNTAX: "agent.unfit",
    Fault.REQUIREMENT: "agent.unfit",
    Fault.UNLOCKED: "agent.assemble",
    Fault.HANGS_AT_IMPORT: "agent.unfit",
    Fault.SYNTAX_IN_THE_DAEMON: "agent.trial",
    Fault.DAEMON_HANGS_AT_IMPORT: "agent.trial",
    Fault.CRASHES_LATER: "agent.trial",
    Fault.HANGS_AFTER_READY: "agent.trial",
}
"""What is wrong, and where it is noticed: before the version runs, or on trial."""


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_version_gives_way_with_no_hand_on_it(site: Site, fault: Fault) -> None:
    """The old one serves again within two minutes, and the bad one is not tried again."""
    version = f"0.2.{list(BAD).index(fault)}"
    site.publisher.publish(version, fault)
    site.wait_brought(version)
    site.wait_served_by(FIRST, TWO_MINUTES)
    wait_until(
        lambda: site.logged("agent.put_aside", tag=f"v{version}", code=BAD[fault]),
        30,
        f"{version} to be put aside",
    )
    site.looks_again()
    assert site.events("agent.update.begins", tag=f"v{version}") == 1
    assert site.versions == {FIRST}


def test_a_good_version_is_blessed(site: Site) -> None:
    """After all those; the one before is kept, and people can see what runs."""
    site.publisher.publish("0.3.0")
    site.wait_brought("0.3.0")
    site.wait_served_by("0.3.0", TWO_MINUTES)
    assert site.events("agent.updated", version="0.3.0") == 1
    assert site.versions == {FIRST, "0.3.0"}
    own = status(site.machine)["agent"]
    assert isinstance(own, dict)
    assert (own["version"], len(own["quarantined"])) == ("0.3.0", len(BAD))


TRIAL = f"echo 0.3.0 {FIRST} > {HOME}/trial"
CUTS = {
    "before the switch": f"{TRIAL}; ln -sfnT versions/{FIRST} {HOME}/current",
    "after the switch": TRIAL,
    "while the rescue puts it aside": f"{TRIAL}; printf '\\n0.3.0\\n' > {HOME}/quarantined",
    "before the rescue forgets the trial": (
        f"{TRIAL}; printf '\\n0.3.0\\n' > {HOME}/quarantined;"
        f" ln -sfnT versions/{FIRST} {HOME}/current"
    ),
}
"""What lies on the disk when the power fails at a step of the switch, and which version serves."""


@pytest.mark.parametrize("cut", CUTS)
def test_a_power_cut_in_the_switch_ends_on_a_version_that_serves(site: Site, cut: str) -> None:
    """Whichever it is: it serves within two minutes of the boot."""
    put_aside = "rescue" in cut
    site.machine.does("systemctl", "stop", SERVICE)
    newer = f"{HOME}/versions/0.3.0"
    # What is put aside is removed.
    site.machine.does("sh", "-ec", f"rm -rf /root/kept; cp -a {newer} /root/kept")
    site.machine.does("sh", "-c", CUTS[cut])
    site.machine.cut_power()
    site.machine.boot()
    try:
        if put_aside:
            site.wait_served_by(FIRST, TWO_MINUTES)
        else:
            wait_until(lambda: site.serves, TWO_MINUTES, "a version to serve")
    finally:
        # As it was: the next cut begins from here.
        site.machine.does("systemctl", "stop", SERVICE)
        again = f"rm -f {HOME}/trial {HOME}/quarantined; ln -sfnT versions/0.3.0 {HOME}/current"
        site.machine.does("sh", "-ec", f"test -e {newer} || cp -a /root/kept {newer}; {again}")
        site.machine.does("systemctl", "start", SERVICE)


def test_a_power_cut_while_a_version_is_put_together_is_made_up_for(site: Site) -> None:
    """It is begun anew, and blessed in the end."""
    site.publisher.publish("0.4.0")
    half = f"{HOME}/versions/0.4.0/pyvenv.cfg"
    wait_until(lambda: not site.machine.types("test", "-e", half).code, BROUGHT, half)
    site.machine.cut_power()
    site.machine.boot()
    wait_until(
        lambda: site.logged("agent.updated", version="0.4.0"), BROUGHT + TWO_MINUTES, "0.4.0"
    )
    assert site.versions == {"0.3.0", "0.4.0"}


def test_it_survives_another_python(site: Site) -> None:
    """An upgrade of the system takes away the one that its environment was made with."""
    folder = f"{HOME}/versions/0.4.0/bin"
    gone = "-exec ln -sfn /usr/bin/python3.10 {} ;"
    site.machine.does("find", folder, "-lname", "/usr/bin/python3*", *gone.split())
    python = f"{folder}/python"
    assert site.machine.types(python, "-c", "").code
    site.machine.does("systemctl", "restart", "--no-block", SERVICE)
    wait_until(
        lambda: not site.machine.types(python, "-c", "").code and site.serves,
        BROUGHT,
        "the rescue to put it together again",
    )
    assert status(site.machine)["installed"] is not None
    strangers = site.machine.does("find", f"{HOME}/versions", "!", "-user", "koprogo-agent")
    assert strangers == ""
