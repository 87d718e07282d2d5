"""`koprogo-agent run`: the daemon. Neither Typer nor Rich may be imported on this way."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent import logs
from koprogo_agent.adapters.systemd import Systemd
from koprogo_agent.daemon import Daemon
from koprogo_agent.settings import load


def run(config: Path | None) -> None:
    """Runs until SIGTERM."""
    settings = load(config)
    logs.configure(settings.log.level, secrets=settings.secrets)
    Daemon(settings, Systemd()).run()
