"""Two stacks on one engine, each kept current by an agent of its own, on the same bare Debian."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.debian import Debian
from tests.lab.lab import Lab
from tests.lab.processes import free_port
from tests.lab.recipes import Kind
from tests.lab.stack import MIGRATIONS, Stack
from tests.machine.installing import NOWHERE, bare, install, logged, make_docker_group

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
"""Two installations come before the first test."""

MAIN, ATTIC = "koprogo-agent.service", "koprogo-agent@attic.service"
INSTANCE = ("--instance", "attic")
UPDATE_SECONDS = 240.0
TIMELY = f"""
[migration]
path = "{MIGRATIONS}"
[gate]
samples = 2
interval = 0.5
deadline = 120
[soak]
duration = 0
[rehearsal]
when = "never"
[backup]
daily_at = ""
"""
"""Appended to what `config init` writes: what the lab's stack has otherwise than KoproGo."""


@pytest.fixture(scope="module")
def attic(running: Lab) -> Stack:
    """A second stack beside it, by the same release."""
    stack = replace(
        running.stack,
        name=f"{running.name}-attic",
        directory=running.root / "attic",
        http_port=free_port(),
    )
    release = running.publisher.releases[-1]
    stack.write_env(release.version)
    stack.up(running.export(release, stack.tree))
    return stack


@pytest.fixture(scope="module")
def machine(running: Lab, attic: Stack, dist: Path) -> Iterator[Debian]:
    """The bare machine, with an agent for each of the two."""
    with bare(running, dist, "debian") as made:
        make_docker_group(made, running)
        install(made, running)
        install_beside(made, running, attic)
        yield made


def install_beside(machine: Debian, running: Lab, attic: Stack) -> str:
    """Types what installs the second agent; of two projects the last one counts."""
    return install(machine, running, *INSTANCE, "--project", attic.name)


def hurry(machine: Debian, service: str, file: str) -> None:
    """Has an agent poll every few seconds, and know what this stack is made of."""
    machine.does("sed", "-i", r"s/^\[source\]/&\ninterval = 5/", file)
    machine.does("sh", "-c", f"cat >> {file} <<'END'\n{TIMELY}\nEND")
    machine.does("systemctl", "restart", service)


def wait_until_installed(machine: Debian, tag: str, *instance: str) -> None:
    """Until an agent has adopted this release, or brought it; it says so itself."""
    service = ATTIC if instance else MAIN
    brought = logged("operation.ended", service, tag=tag)
    there = f"{logged('stack.adopted', service, tag=tag)} || {brought}"
    machine.awaits(there, UPDATE_SECONDS, f"{tag} {' '.join(instance)}")
    said = json.loads(machine.does("koprogo-agent", *instance, "status", "--json"))
    assert said["installed"] == tag


def properties(machine: Debian, service: str) -> str:
    """Which process a service is, and since when."""
    words = ("--property=MainPID,ActiveState,ActiveEnterTimestampMonotonic", service)
    return machine.does("systemctl", "show", *words)


def test_a_second_agent_comes_beside_the_first(machine: Debian, running: Lab, attic: Stack) -> None:
    """Each adopts its own stack and restarts nothing; the second leaves the first as it was."""
    before = running.stack.containers(), attic.containers(), properties(machine, MAIN)
    assert "attic" in install_beside(machine, running, attic)
    for words in ((), INSTANCE):
        wait_until_installed(machine, running.publisher.releases[-1].tag, *words)
    assert (running.stack.containers(), attic.containers(), properties(machine, MAIN)) == before
    state = machine.does("ls", "/var/lib/koprogo-agent", "/var/lib/koprogo-agent-attic")
    assert state.count("state.db\n") == 2


def test_one_stack_gets_one_agent(machine: Debian, running: Lab) -> None:
    """Two would each undo what the other does."""
    words = ("--from", "/dist", "--yes", "--project", running.name, "--instance", "cellar")
    said = machine.types("bash", "/dist/install.sh", *words, environment=NOWHERE)
    assert said.code == 2
    assert "has an agent already: koprogo-agent" in said.text
    machine.does("bash", "/dist/install.sh", "--purge", "--yes", "--instance", "cellar")


def test_the_limits_of_an_instance_are_those_of_the_first(machine: Debian) -> None:
    """By systemd's own measure, in which less is better."""
    for service in (MAIN, ATTIC):
        told = machine.does("systemd-analyze", "--no-pager", "security", service)
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        assert exposure, told
        assert float(exposure[1]) <= 1.5


def test_both_are_kept_current_by_their_own_service(
    machine: Debian, running: Lab, attic: Stack
) -> None:
    """One does not wait for the other: each has a lock of its own."""
    hurry(machine, MAIN, "/etc/koprogo-agent/config.toml")
    hurry(machine, ATTIC, "/etc/koprogo-agent/attic/config.toml")
    locks = machine.does("sh", "-c", "ls /run/koprogo-agent*/agent.lock").split()
    assert locks == ["/run/koprogo-agent-attic/agent.lock", "/run/koprogo-agent/agent.lock"]
    tag = running.publisher.publish(Kind.GOOD).tag
    for words in ((), INSTANCE):
        wait_until_installed(machine, tag, *words)
    for stack in (running.stack, attic):
        assert stack.state("backend")["Running"]


def test_the_first_cannot_go_before_the_others(machine: Debian) -> None:
    """It has the program, and keeps it current."""
    for word in ("--uninstall", "--purge"):
        said = machine.types("bash", "/dist/install.sh", word, "--yes")
        assert said.code == 2
        assert f"install.sh {word} --instance attic" in said.text
    assert "active" in properties(machine, MAIN)


def test_one_goes_and_the_other_runs_on(machine: Debian, running: Lab, attic: Stack) -> None:
    """Its stack runs on too; uninstall keeps what is the operator's, purge does not."""
    before = running.stack.containers(), attic.containers(), properties(machine, MAIN)
    machine.does("bash", "/dist/install.sh", "--uninstall", *INSTANCE)
    assert machine.types("systemctl", "is-active", ATTIC).code
    machine.does("test", "-e", "/etc/koprogo-agent/attic/config.toml")
    machine.does("test", "-e", "/var/lib/koprogo-agent-attic/state.db")
    machine.does("bash", "/dist/install.sh", "--purge", "--yes", *INSTANCE)
    for path in ("/etc/koprogo-agent/attic", "/var/lib/koprogo-agent-attic"):
        assert machine.types("test", "-e", path).code
    assert (running.stack.containers(), attic.containers(), properties(machine, MAIN)) == before
    tag = running.publisher.publish(Kind.GOOD).tag
    wait_until_installed(machine, tag)
    machine.does("bash", "/dist/install.sh", "--purge", "--yes")
    assert machine.types("id", "koprogo-agent").code
