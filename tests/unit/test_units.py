"""The service of one of several stacks is that of the first, but for what must be its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
FIRST = UNITS / "koprogo-agent.service"


def said(unit: str) -> list[str]:
    """The lines of a unit that systemd heeds."""
    return [line for line in unit.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def template() -> str:
    """What install.sh puts in place as koprogo-agent@.service."""
    words = ["sed", "-f", str(UNITS / "instance.sed"), str(FIRST)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_they_differ_only_where_they_must(template: str) -> None:
    """Every limit of the one is a limit of the other, also of those that are added one day."""
    first, instance = said(FIRST.read_text()), said(template)
    assert [line for line in first if line not in instance] == [
        "Description=KoproGo agent",
        "StartLimitIntervalSec=10min",
        "StartLimitBurst=5",
        "OnFailure=koprogo-agent-rescue@failed.service",
        "RestartSec=3s",
        "StateDirectory=koprogo-agent",
        "RuntimeDirectory=koprogo-agent",
        "ReadWritePaths=/opt/koprogo-agent",
    ]
    assert [line for line in instance if line not in first] == [
        "Description=KoproGo agent (%i)",
        "StartLimitIntervalSec=0",
        "Environment=KOPROGO_AGENT_CONFIG=/etc/koprogo-agent/%i/config.toml",
        "RestartSec=10s",
        "StateDirectory=koprogo-agent-%i",
        "RuntimeDirectory=koprogo-agent-%i",
    ]


def test_its_comments_speak_of_itself(template: str) -> None:
    """What somebody reads on the machine is true of that unit."""
    assert "systemctl edit koprogo-agent@NAME" in template
    assert "the rescue has its turn" not in template


@pytest.mark.parametrize("unit", sorted(UNITS.glob("koprogo-agent*")), ids=lambda one: one.name)
def test_every_unit_is_installed_and_what_wakes_others_is_awake(unit: Path) -> None:
    """One that install.sh forgets would be on no machine."""
    script = (UNITS.parent / "install.sh").read_text()
    placed, awake = (
        script.split(f"readonly {name}=(")[1].split(")")[0].split() for name in ("UNITS", "AWAKE")
    )
    assert unit.name in placed
    assert (unit.suffix in {".path", ".timer"}) == (unit.name in awake)


def test_every_script_that_a_unit_runs_is_installed() -> None:
    """As `rescue` and `end-hold`."""
    script = (UNITS.parent / "install.sh").read_text()
    placed = script.split("readonly SCRIPTS=(")[1].split(")")[0].split()
    for unit in UNITS.glob("koprogo-agent*.service"):
        for line in said(unit.read_text()):
            if line.startswith("ExecStart=/usr/local/libexec/koprogo-agent/"):
                assert line.split("/")[-1].split()[0] in placed
