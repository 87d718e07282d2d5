"""What the self-hoster types on a bare machine, and what can be seen there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.lab.debian import Debian
from tests.lab.lab import Lab
from tests.lab.stack import compose_program

SERVICE = "koprogo-agent.service"
SUITE = os.environ.get("KOPROGO_SUITE", "bookworm")
"""Which Debian or Ubuntu: `make machine SUITE=noble` says so."""
NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""What would go out of the machine fails."""


def bare(lab: Lab, dist: Path, name: str) -> Debian:
    """A bare machine: it shares the engine, the stack's folder and the files to install from."""
    socket = _socket(lab)
    shared = {
        dist: "/dist",
        lab.root: str(lab.root),
        socket: "/run/docker.sock",
        Path(compose_program()): "/usr/local/bin/docker-compose",
        Path(shutil.which("docker") or ""): "/usr/local/bin/docker",
    }
    return Debian(lab.engine, f"{lab.name}-{name}", shared, SUITE)


def make_docker_group(machine: Debian, lab: Lab) -> None:
    """As Docker's own packages do."""
    machine.does("groupadd", "--gid", str(_socket(lab).stat().st_gid), "docker")


def install(machine: Debian, lab: Lab, *besides: str) -> str:
    """Types what installs the agent beside the stack that runs; what it printed."""
    every = ("/dist/install.sh", "--from", "/dist", *answers(lab), *besides)
    return machine.does("bash", *every, environment=NOWHERE)


def answers(lab: Lab) -> tuple[str, ...]:
    """What it would ask."""
    words = ("--yes", "--project", lab.name, "--reports", "no")
    source = ("--source-url", lab.origin.url, "--source-ca", str(lab.origin.ca_file))
    trust = ("--trust-root", str(lab.root / "root.json"))
    (lab.root / "root.json").write_bytes(lab.association.files["root/1.json"])
    return (*words, *source, *trust)


def status(machine: Debian) -> Mapping[str, object]:
    """What the agent says of itself."""
    said: Mapping[str, object] = json.loads(machine.does("koprogo-agent", "status", "--json"))
    return said


def logged(name: str, service: str = SERVICE, **facts: str) -> str:
    """A command that succeeds once a service has logged something."""
    said = [f'"{key}": "{value}"' for key, value in {"event": name, **facts}.items()]
    lines = " | ".join(f"grep -F {shlex.quote(each)}" for each in said)
    return f"journalctl -u {service} -o cat | {lines} | grep -q ."


def is_active(service: str = SERVICE) -> str:
    """A command that succeeds while a service runs and is ready."""
    return f"systemctl is-active --quiet {service}"


def another_process_than(process: str) -> str:
    """A command that succeeds once the daemon is a process, and not this one."""
    shown = f"systemctl show -p MainPID --value {SERVICE}"
    return f"{shown} | grep -vx -e 0 -e {process}"


def main_process(machine: Debian) -> str:
    """The daemon's process id; 0 while there is none."""
    return machine.does("systemctl", "show", "-p", "MainPID", "--value", SERVICE).strip()


def _socket(lab: Lab) -> Path:
    return Path(lab.engine.host.removeprefix("unix://"))
