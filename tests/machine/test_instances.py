"""Two stacks on one engine, each kept current by an agent of its own, on the same bare Debian."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.debian import Debian
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.processes import free_port, wait_until
from tests.lab.recipes import Kind
from tests.lab.stack import MIGRATIONS, Stack, compose_program

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
"""Two installations come before the first test."""

NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""What would go out of the machine fails."""
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
def house(lab_engine: Engine) -> Iterator[Lab]:
    """Whoever publishes for both, and the first stack."""
    with Lab(lab_engine) as lab:
        lab.install(lab.publisher.publish(Kind.GOOD))
        (lab.root / "root.json").write_bytes(lab.association.files["root/1.json"])
        yield lab


@pytest.fixture(scope="module")
def attic(house: Lab) -> Stack:
    """A second stack beside it, by the same release."""
    stack = replace(
        house.stack,
        name=f"{house.name}-attic",
        directory=house.root / "attic",
        http_port=free_port(),
    )
    release = house.publisher.releases[-1]
    stack.write_env(release.tag)
    stack.up(house.export(release, stack.directory / "tree"))
    return stack


@pytest.fixture(scope="module")
def machine(house: Lab, attic: Stack, dist: Path) -> Iterator[Debian]:
    """The bare machine, with an agent for each of the two."""
    socket = Path(house.engine.host.removeprefix("unix://"))
    shared = {
        dist: "/dist",
        house.root: str(house.root),
        socket: "/run/docker.sock",
        Path(compose_program()): "/usr/local/bin/docker-compose",
    }
    with Debian(house.engine, f"{house.name}-debian", shared) as made:
        made.does("groupadd", "--gid", str(socket.stat().st_gid), "docker")
        install(made, house, house.name)
        install(made, house, attic.name, *INSTANCE)
        yield made


def install(machine: Debian, house: Lab, project: str, *words: str) -> str:
    """What the operator types for a stack; what it printed."""
    source = ("--source-url", house.origin.url, "--source-ca", str(house.origin.ca_file))
    trust = ("--trust-root", str(house.root / "root.json"))
    typed = ("--from", "/dist", "--yes", "--project", project, *source, *trust, *words)
    return machine.does("bash", "/dist/install.sh", *typed, environment=NOWHERE)


def hurry(machine: Debian, service: str, file: str) -> None:
    """Has an agent poll every few seconds, and know what this stack is made of."""
    machine.does("sed", "-i", r"s/^\[source\]/&\ninterval = 5/", file)
    machine.does("sed", "-i", r's/^\[stack\]/&\ningress = ["ingress"]/', file)
    machine.does("sh", "-c", f"cat >> {file} <<'END'\n{TIMELY}\nEND")
    machine.does("systemctl", "restart", service)


def wait_until_installed(machine: Debian, tag: str, *instance: str) -> None:
    """Until an agent says that it has installed this release."""

    def is_there() -> bool:
        said = json.loads(machine.does("koprogo-agent", *instance, "status", "--json"))
        return bool(said["installed"] == tag)

    wait_until(is_there, UPDATE_SECONDS, f"{tag} {' '.join(instance)}")


def properties(machine: Debian, service: str) -> str:
    """Which process a service is, and since when."""
    words = ("--property=MainPID,ActiveState,ActiveEnterTimestampMonotonic", service)
    return machine.does("systemctl", "show", *words)


def test_a_second_agent_comes_beside_the_first(machine: Debian, house: Lab, attic: Stack) -> None:
    """Each adopts its own stack and restarts nothing; the second leaves the first as it was."""
    before = house.stack.containers(), attic.containers(), properties(machine, MAIN)
    assert "attic" in install(machine, house, attic.name, *INSTANCE)
    for words in ((), INSTANCE):
        wait_until_installed(machine, house.publisher.releases[-1].tag, *words)
    assert (house.stack.containers(), attic.containers(), properties(machine, MAIN)) == before
    state = machine.does("ls", "/var/lib/koprogo-agent", "/var/lib/koprogo-agent-attic")
    assert state.count("state.db\n") == 2


def test_one_stack_gets_one_agent(machine: Debian, house: Lab) -> None:
    """Two would each undo what the other does."""
    words = ("--from", "/dist", "--yes", "--project", house.name, "--instance", "cellar")
    said = machine.types("bash", "/dist/install.sh", *words, environment=NOWHERE)
    assert said.code == 2
    assert "has an agent already: koprogo-agent" in said.text
    machine.does("bash", "/dist/install.sh", "--purge", "--yes", "--instance", "cellar")


def test_the_limits_of_an_instance_are_those_of_the_first(machine: Debian) -> None:
    """By systemd's own measure, in which less is better."""
    for unit in ("koprogo-agent.service", "koprogo-agent@.service"):
        path = f"/etc/systemd/system/{unit}"
        words = ("security", "--offline=true", "--threshold=15", path)
        machine.does("systemd-analyze", "--no-pager", *words)


def test_both_are_kept_current_by_their_own_service(
    machine: Debian, house: Lab, attic: Stack
) -> None:
    """One does not wait for the other: each has a lock of its own."""
    hurry(machine, MAIN, "/etc/koprogo-agent/config.toml")
    hurry(machine, ATTIC, "/etc/koprogo-agent/attic/config.toml")
    locks = machine.does("sh", "-c", "ls /run/koprogo-agent*/agent.lock").split()
    assert locks == ["/run/koprogo-agent-attic/agent.lock", "/run/koprogo-agent/agent.lock"]
    tag = house.publisher.publish(Kind.GOOD).tag
    for words in ((), INSTANCE):
        wait_until_installed(machine, tag, *words)
    for stack in (house.stack, attic):
        assert stack.state("backend")["Running"]


def test_the_first_cannot_go_before_the_others(machine: Debian) -> None:
    """It has the program, and keeps it current."""
    for word in ("--uninstall", "--purge"):
        said = machine.types("bash", "/dist/install.sh", word, "--yes")
        assert said.code == 2
        assert f"install.sh {word} --instance attic" in said.text
    assert "active" in properties(machine, MAIN)


def test_one_goes_and_the_other_runs_on(machine: Debian, house: Lab, attic: Stack) -> None:
    """Its stack runs on too; uninstall keeps what is the operator's, purge does not."""
    before = house.stack.containers(), attic.containers(), properties(machine, MAIN)
    machine.does("bash", "/dist/install.sh", "--uninstall", *INSTANCE)
    assert machine.types("systemctl", "is-active", ATTIC).code
    machine.does("test", "-e", "/etc/koprogo-agent/attic/config.toml")
    machine.does("test", "-e", "/var/lib/koprogo-agent-attic/state.db")
    machine.does("bash", "/dist/install.sh", "--purge", "--yes", *INSTANCE)
    for path in ("/etc/koprogo-agent/attic", "/var/lib/koprogo-agent-attic"):
        assert machine.types("test", "-e", path).code
    assert (house.stack.containers(), attic.containers(), properties(machine, MAIN)) == before
    tag = house.publisher.publish(Kind.GOOD).tag
    wait_until_installed(machine, tag)
    machine.does("bash", "/dist/install.sh", "--purge", "--yes")
    assert machine.types("id", "koprogo-agent").code
