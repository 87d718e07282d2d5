"""`koprogo-agent config`: write, check, show and carry forward the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from koprogo_agent import __version__, places
from koprogo_agent.cli import render
from koprogo_agent.cli.exits import code_of
from koprogo_agent.cli.first import init
from koprogo_agent.cli.migrate import migrate
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.settings import MIGRATE, Settings, find_older, load
from koprogo_agent.settings.changes import Edit
from koprogo_agent.settings.network import remarks

app = typer.Typer(
    help="Write, check, show and carry forward the configuration.", no_args_is_help=True
)
app.command()(init)
app.command()(migrate)


@app.command()
def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Say whether the configuration is right, and every fault in it."""
    path = places.locate(config)
    file = str(path)
    try:
        settings = load(config)
    except NeedsOperator as error:
        if not as_json:
            raise
        said = {"valid": False, "file": file, "message": error.message, "advice": error.advice}
        render.as_json(said)
        raise typer.Exit(code_of(error)) from None
    older, notes = find_older(config), remarks(settings, os.environ)
    if as_json:
        told = [_told(edit) for edit in older]
        render.as_json({"valid": True, "file": file, "older": told, "notes": notes})
        return
    render.line(f"the configuration in {file} is valid")
    for note in notes:
        render.line(f"  ! {note}", "yellow")
    for edit in older:
        render.line(f"  ! {edit.said}", "yellow")
    if older:
        render.line(f"  → to write it as {__version__} does: {places.command(path, MIGRATE)}")


def _told(edit: Edit) -> dict[str, str | None]:
    now = edit.now and str(edit.now)
    return {"key": str(edit.key), "now": now, "since": edit.version, "said": edit.said}


@app.command()
def show(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what is in force, from file, environment and defaults; secrets are masked."""
    document = load(config).model_dump(mode="json")
    if as_json:
        render.as_json(document)
    else:
        title = f"{places.locate(config)} (* differs from the default)"
        render.table(title, ("key", "value", "meaning"), _rows(document))


def _rows(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """One row a key; what differs from the default is marked."""
    for section, field in Settings.model_fields.items():
        if not isinstance(field.default, BaseModel):
            default = [entry.model_dump(mode="json") for entry in field.default]
            yield _row(section, field, document[section], default)
            continue
        defaults = field.default.model_dump(mode="json")
        for key, inner in type(field.default).model_fields.items():
            yield _row(f"{section}.{key}", inner, document[section][key], defaults[key])


def _row(key: str, field: FieldInfo, value: object, default: object) -> tuple[str, ...]:
    mark = "" if value == default else " *"
    return f"{key}{mark}", render.value(value), field.description or ""
