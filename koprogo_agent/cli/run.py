"""`koprogo-agent run`: the daemon. Typer, Rich and asyncio may not be imported on this way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from koprogo_agent import lean

with lean.imports():
    from koprogo_agent import logs, places
    from koprogo_agent.adapters.systemd import Systemd
    from koprogo_agent.cli.begin import begin
    from koprogo_agent.daemon import Daemon
    from koprogo_agent.settings import MIGRATE, find_older

_AFRESH = "_KOPROGO_AGENT_AFRESH"
"""Set by the agent for itself; a leading underscore keeps it apart from the settings."""


def run(config: Path | None) -> None:
    """Runs until SIGTERM."""
    if config is not None:
        # A newer version that is tried out reads the same file.
        os.environ[places.VARIABLE] = str(config)
    settings = begin(config)
    logs.configure(settings.log.level, secrets=settings.secrets)
    for edit in find_older(config):
        advice = places.command(places.locate(config), MIGRATE)
        logs.get_logger().warning("config.older", why=edit.said, advice=advice)
    daemon = Daemon(settings, Systemd(), just_ticked=bool(os.environ.pop(_AFRESH, "")))
    daemon.run()
    if daemon.afresh:
        # The same process to systemd, and everything that is to be remembered is in the journal.
        os.execve(  # noqa: S606 - the words that started this very process
            sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _AFRESH: "1"}
        )
