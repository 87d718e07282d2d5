"""The unit that ends a hold without the agent, on a bare machine whose agent cannot start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.debian import Debian
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK
from tests.machine.installing import SERVICE, bare, install, logged, make_docker_group, status

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

NOTE = "/var/lib/koprogo-agent/hold"
UNIT = "koprogo-agent-hold.service"
SOON = "[Service]\nEnvironment=KOPROGO_AGENT_PATIENCE=5\n"
"""The unit's patience, which is three minutes."""


@pytest.fixture
def running(lab_engine: Engine) -> Iterator[Lab]:
    """A stack behind Traefik that somebody started by hand."""
    with Lab(lab_engine, settings=QUICK, shared=True) as lab:
        lab.install(lab.publisher.publish(Kind.GOOD))
        yield lab


@pytest.fixture
def machine(running: Lab, dist: Path) -> Iterator[Debian]:
    """A machine with an agent that has adopted it."""
    with bare(running, dist, "held") as made:
        make_docker_group(made, running)
        install(made, running)
        room = running.publisher.room
        words = f'\n[hold]\nimage = "{room.repository}@{room.digest}"\n'
        made.does("sh", "-c", f"printf '%s' '{words}' >> /etc/koprogo-agent/config.toml")
        made.does("systemctl", "restart", SERVICE)
        made.awaits(logged("stack.adopted"), 60, "the first poll")
        yield made


def test_an_agent_that_cannot_start_leaves_nobody_waiting(machine: Debian, running: Lab) -> None:
    """Killed in the hold, its program gone: users are let through; once it is back, it goes on."""
    write = f"mkdir -p /run/systemd/system/{UNIT}.d; cat > /run/systemd/system/{UNIT}.d/test.conf"
    machine.does("sh", "-ec", f"{write} <<'END'\n{SOON}END\nsystemctl daemon-reload")
    room = f"{running.stack.project}-backend-koprogo-agent-room"
    release = running.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    machine.does("systemctl", "restart", SERVICE)

    versions = "/opt/koprogo-agent/versions"
    held = f"grep -q ^safe {NOTE} && docker inspect {room}"
    strike = f"mv {versions} {versions}.away; systemctl kill --signal=KILL {SERVICE}"
    loop = f"until {held}; do sleep 0.05; done >/dev/null 2>&1; {strike}"
    machine.does("timeout", "240", "sh", "-c", loop)

    machine.awaits(f"! test -e {NOTE}", 240, "the hold to be over")
    machine.awaits(f"! docker inspect {room}", 10, "the room to be gone")
    said = machine.does("journalctl", "-u", UNIT, "-o", "cat")
    assert "the hold of" in said
    assert "is over" in said

    machine.does("sh", "-ec", f"mv {versions}.away {versions}; systemctl reset-failed {SERVICE}")
    machine.does("systemctl", "restart", SERVICE)
    over = logged("operation.ended", tag=release.tag)
    soaks = logged("step.begins", step="soak", tag=release.tag)
    machine.awaits(f"{soaks} || {over}", 300, "the update to be finished or taken back")
    assert status(machine)["held"] is None
