"""When a hold is ended without the agent, and when not: the script beside a docker of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from koprogo_agent.adapters.lock import agent_lock
from koprogo_agent.adapters.rooms import HoldNote
from koprogo_agent.durable import Folder
from koprogo_agent.errors import NeedsOperator

SCRIPT = Path(__file__).parents[2] / "systemd/end-hold"
DOCKER = """#!/bin/sh
echo "$DOCKER_HOST $*" >>"$ASKED"
case $* in
start*) exit "${GONE:-0}" ;;
*State.Status*) echo running/healthy ;;
esac
"""
TOOLS = ("sh", "cat", "date", "stat", "flock", "mktemp", "rm", "grep", "sleep")


@dataclass
class Place:
    """A machine with an agent's folders.

    Attributes:
        folder: holds them.
        instance: of which agent, as `-name`; empty: the one without a name.
        env: what else the script is told.
    """

    folder: Path
    instance: str = ""
    env: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The agent's state directory."""
        return self.folder / f"state{self.instance}"

    @property
    def run(self) -> Path:
        """Where its lock is."""
        return self.folder / f"run{self.instance}"

    @property
    def note(self) -> Path:
        """What the agent has left."""
        return self.state / "hold"

    def leaves(self, *containers: str, seconds_ago: int = 3600) -> None:
        """The agent wrote its note so long ago."""
        self.state.mkdir(exist_ok=True)
        self.run.mkdir(exist_ok=True)
        note = HoldNote(self.state, "unix:///the.sock")
        note.write("immo", dict.fromkeys(containers, 8080))
        then = time.time() - seconds_ago
        os.utime(self.note, (then, then))

    def type(self) -> str:
        """What the script says."""
        done = subprocess.run(
            ["sh", SCRIPT],
            env={
                "PATH": str(self.folder / "bin"),
                "KOPROGO_AGENT_STATES": str(self.folder / "state"),
                "KOPROGO_AGENT_RUNS": str(self.folder / "run"),
                "ASKED": str(self.folder / "asked"),
                **self.env,
            },
            executable=shutil.which("sh"),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    @property
    def asked(self) -> str:
        """What docker was asked."""
        log = self.folder / "asked"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One on which no agent runs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name) or "")
    systemctl = '#!/bin/sh\necho "$*" >>"$ASKED.systemctl"\ntest "$3" = "$ACTIVE"\n'
    for name, text in (("docker", DOCKER), ("systemctl", systemctl)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Place(tmp_path)


@pytest.mark.parametrize("instance", ["", "-immo-2"])
def test_what_ran_is_started_and_the_note_goes(place: Place, instance: str) -> None:
    """There is no room: the ingress was stopped, and is started again, by the engine it names."""
    place.instance = instance
    place.leaves("backend-id", "traefik-id")
    assert "the hold of immo is over" in place.type()
    assert "unix:///the.sock start backend-id" in place.asked
    assert "unix:///the.sock start traefik-id" in place.asked
    assert not place.note.exists()
    service = f"koprogo-agent{'@' + instance[1:] if instance else ''}.service"
    assert service in (place.folder / "asked.systemctl").read_text()


def test_nothing_without_a_note(place: Place) -> None:
    """It costs nothing."""
    assert place.type() == ""
    assert place.asked == ""


def test_not_while_the_agent_may_be_back_at_once(place: Place) -> None:
    """Systemd starts it again within seconds; the note is as old as its last change."""
    place.leaves("backend-id", seconds_ago=170)
    assert place.type() == ""
    assert place.asked == ""


def test_not_while_the_service_runs(place: Place) -> None:
    """It may pause, or be HELD: it keeps to its own bounds."""
    place.leaves("backend-id")
    place.env["ACTIVE"] = "koprogo-agent.service"
    assert place.type() == ""
    assert place.asked == ""


def test_not_while_an_agent_acts(place: Place) -> None:
    """One that somebody typed runs under no service."""
    place.leaves("backend-id")
    with agent_lock(place.run):
        assert place.type() == ""
    assert place.asked == ""


def test_not_while_nothing_is_safe(place: Place) -> None:
    """A release was being tried: users are led nowhere, and the note stays for the agent."""
    place.leaves()
    assert "only the agent can tell" in place.type()
    assert place.asked == ""
    assert place.note.exists()


def test_not_to_what_is_there_no_more(place: Place) -> None:
    """Somebody made other containers meanwhile; the note does not speak of those."""
    place.leaves("backend-id", "traefik-id")
    place.env["GONE"] = "1"
    assert "not there any more" in place.type()
    assert "traefik-id" not in place.asked
    assert place.note.exists()


def test_without_docker_it_says_so(place: Place) -> None:
    """The agent needs the engine's socket only."""
    place.leaves("backend-id")
    (place.folder / "bin/docker").unlink()
    assert "without the program docker" in place.type()


def test_a_note_that_cannot_be_written_is_none(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps nobody waiting, and what was safe before may not be now."""
    place.leaves("backend-id")

    def full(*_: object) -> None:
        raise NeedsOperator("no space left", code="disk.full", advice="free some")

    monkeypatch.setattr(Folder, "write", full)
    HoldNote(place.state, "unix:///the.sock").write("immo", {})
    assert not place.note.exists()
