"""`koprogo-agent backup`: make, list, verify and put back dumps of the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from koprogo_agent.backup_record import read_record
from koprogo_agent.cli import render, words
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.progress import watching
from koprogo_agent.cli.session import acting, reading
from koprogo_agent.cli.update import carry_out
from koprogo_agent.domain.plan import Action, Step
from koprogo_agent.ports import Dump
from koprogo_agent.update.requests import Requests
from koprogo_agent.update.restoring import require_restorable
from koprogo_agent.update.runner import Ran
from koprogo_agent.wiring import build_world

app = typer.Typer(help="Make, list, verify and put back backups.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="The backup, as `list` shows it.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AlthoughUnrestorable = Annotated[
    bool,
    typer.Option(
        "--although-unrestorable", help="Try one again that could not be restored; users wait."
    ),
]


@app.command()
def create(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Dump the database now, and read the dump back; it is kept until you remove it."""
    action, began = Action(Step.BACKUP), time.monotonic()
    with watching(silent=as_json) as progress, acting(config, progress) as agent:
        progress.begins(action, "backup by hand")
        dump = agent.engine.backups.by_hand()
        took = time.monotonic() - began
        progress.finished(action, took, {"bytes": dump.size, "seconds": took})
    if as_json:
        render.as_json(_document(dump))
    else:
        render.line(f"made: {dump.path}", "bold green")


@app.command("list")
def list_all(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the backups that are kept, oldest first."""
    with reading(config) as read:
        dumps, now = build_world(read.settings).files.backups(), read.now
        folder = read.settings.backup.directory
    if as_json:
        render.as_json([_document(dump) for dump in dumps])
    elif not dumps:
        render.line(f"there is no backup in {folder}; to make one: koprogo-agent backup create")
    else:
        headings = ("file", "made", "size", "for", "data of")
        render.table(str(folder), headings, _rows(dumps, now))
        for dump in dumps:
            if dump.unrestorable:
                render.line(f"  ! {_said(dump)}", "bold red")


@app.command()
def verify(file: File, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Read a backup whole, and compare it with what was recorded when it was made."""
    with acting(config) as agent:
        dump = agent.engine.backups.find(file)
        with render.console().status(f"reading {dump.path.name}"):
            agent.engine.backups.verify(dump)
    if as_json:
        render.as_json({**_document(dump), "whole": True})
    elif dump.unrestorable:
        render.line(f"{dump.path.name} is whole: {words.size(dump.size)}, and cannot be restored")
        render.line(f"  ! {_said(dump)}", "bold red")
    else:
        render.line(f"{dump.path.name} is whole: {words.size(dump.size)}", "bold green")
    if dump.unrestorable:
        raise typer.Exit(Exit.OPERATOR)


@app.command()
def restore(
    file: File,
    yes: Yes = False,
    although_unrestorable: AlthoughUnrestorable = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup back, with the release that its data belongs to."""
    with reading(config) as read:
        now = read.now
    with acting(config) as agent:
        dump = agent.engine.backups.find(file)
        release = agent.engine.backups.release_of(dump)
        if not although_unrestorable:
            require_restorable(dump)
        folder = agent.settings.backup.directory
    if not yes:
        made = _made(dump)
        since = words.when(made, now) if made else "it was made"
        render.line(f"{dump.path.name} is put back, with {release.tag}, to which it belongs")
        render.line(f"  lost to users: every row written since {since}", "bold yellow")
        render.line(f"  kept: a backup of what is there now is made first, in {folder};")
        render.line("  the database itself is put aside until the new one is healthy")
        render.line("  users wait meanwhile")
        typer.confirm("go on?", abort=True)

    def wish(requests: Requests) -> Ran:
        asked = replace(requests, although_unrestorable=although_unrestorable)
        return asked.restore(dump.path.name)

    carry_out(wish, config, as_json=as_json)


def _said(dump: Dump) -> str:
    return f"{dump.path.name} cannot be restored: {dump.unrestorable}"


def _made(dump: Dump) -> datetime | None:
    record = read_record(dump.path)
    return datetime.fromisoformat(record.made_at) if record else None


def _rows(dumps: tuple[Dump, ...], now: datetime) -> Iterator[tuple[str, ...]]:
    for dump in dumps:
        made = _made(dump)
        sort, _, rest = dump.label.partition("-")
        release = rest.partition("-")[2]  # behind the operation's number, or the instant
        when = words.when(made, now) if made else "unknown"
        yield dump.path.name, when, words.size(dump.size), sort, release


def _document(dump: Dump) -> dict[str, Any]:
    return {
        "path": str(dump.path),
        "file": dump.path.name,
        "bytes": dump.size,
        "sha256": dump.sha256,
        "made": words.iso(_made(dump)),
        "unrestorable": dump.unrestorable or None,
    }
