"""`koprogo-fleet export`: what is kept, to be taken elsewhere, or shown to whom it is of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from koprogo_agent.cli import render
from koprogo_agent.cli.fleet.serving import database
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.settings import load
from koprogo_agent.fleet.store.export import TABLES, Kept
from koprogo_agent.fleet.store.export import export as kept

Folder = Annotated[
    Path | None, typer.Argument(help="A file for each table goes here; else to standard output.")
]
OfInstance = Annotated[
    str | None, typer.Option("--instance", help="Only what is kept of the instance of this name.")
]


def export(folder: Folder = None, instance: OfInstance = None) -> None:
    """Write all that is kept as JSON Lines, without any hash of a password, session or token."""
    with database(load()) as engine:
        rows = kept(engine, instance)
        if folder is None:
            count = _print(rows)
        else:
            with _files(folder) as write:
                count = _write(rows, write)
    whose = f" of {instance}" if instance else ""
    render.console(stderr=True).print(render.styled(f"{count} rows are kept{whose}"))


def _print(rows: Iterable[Kept]) -> int:
    return _write(rows, lambda one: typer.echo(_json({"table": one.table, **one.row})))


def _write(rows: Iterable[Kept], write: Callable[[Kept], object]) -> int:
    count = 0
    for one in rows:
        write(one)
        count += 1
    return count


@contextmanager
def _files(folder: Path) -> Iterator[Callable[[Kept], object]]:
    """Files that nobody else may read, and that are not there yet.

    Raises:
        NeedsOperator: they cannot be made (code `export.folder`).
    """
    with ExitStack() as opened:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = {
                table.name: opened.enter_context(_new(folder / f"{table.name}.jsonl"))
                for table in TABLES
            }
        except OSError as error:
            raise NeedsOperator(
                f"cannot write to {folder}: {error}",
                code="export.folder",
                advice="name a folder that is empty, or not there yet",
            ) from error
        yield lambda one: files[one.table].write(_json(one.row) + "\n")


def _new(path: Path) -> IO[str]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8")


def _json(row: dict[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))
