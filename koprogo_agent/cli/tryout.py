"""`koprogo-agent try`: whether this version can work here; the version before it asks.

It is typed by an agent that is older than this code: its words may never change their meaning.
"""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import koprogo_agent
from koprogo_agent.cli import log, render
from koprogo_agent.cli.begin import begin
from koprogo_agent.cli.doctor import patient_of
from koprogo_agent.cli.options import ConfigPath
from koprogo_agent.doctor.examination import HERE, examine
from koprogo_agent.errors import StepFailed
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.status import read_status

_SERVER = ("koprogo_agent.fleet", "koprogo_agent.cli.fleet")
"""What no agent runs: what it needs is not installed beside one."""


def try_out(
    version: Annotated[str, typer.Option("--as", metavar="VERSION", help="What it must be.")],
    journal: Annotated[Path, typer.Option(help="Copy of the journal; it may be changed.")],
    config: ConfigPath = None,
) -> None:
    """Find out whether this version can work on this machine."""
    if version != koprogo_agent.__version__:
        raise StepFailed(
            f"it is {koprogo_agent.__version__}, and should be {version}", code="agent.version"
        )
    settings = begin(config)
    log.configure(settings)
    _import_everything()
    now = datetime.now(UTC)
    with closing(Journal(journal, now)) as opened:
        if opened.set_aside is not None:
            raise StepFailed("it cannot read the journal", code="agent.journal")
        read_status(opened, settings, now)
    # That it can look is what counts: what it finds is this machine's, whichever version looks. And
    # a source that does not answer today would keep a good version out for good.
    found = examine(patient_of(config, settings), lambda _name: None, HERE)
    render.line(f"{version} can work here; it looked at {len(found)} things")


def _import_everything() -> None:
    """What the daemon imports late would fail late: on an update, with the stack stopped."""
    for module in pkgutil.walk_packages(koprogo_agent.__path__, "koprogo_agent."):
        if module.name.startswith(_SERVER):
            continue
        try:
            importlib.import_module(module.name)
        except Exception as error:
            raise StepFailed(
                f"{module.name} cannot be imported: {error!r}", code="agent.import"
            ) from error
