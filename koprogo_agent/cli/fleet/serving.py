"""Verbs for whoever hosts the server. Its settings are environment variables: docs/fleet.md."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from koprogo_agent import logs
from koprogo_agent.cli import render
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.settings import FleetSettings, load
from koprogo_agent.fleet.store import migrate as migrations
from koprogo_agent.fleet.store.bulletins import Bulletins, Entry, What
from koprogo_agent.fleet.store.database import connect
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.fleet.store.staff import Staff

Note = Annotated[str, typer.Argument(help="Whose it is: for the association's eyes alone.")]
Name = Annotated[str, typer.Argument(help="The instance's random name.")]


def serve() -> None:
    """Serve, for ever."""
    from koprogo_agent.fleet import serving  # noqa: PLC0415 - a second, of which others need none

    settings = load()
    logs.configure("info", secrets=settings.secrets)
    with database(settings) as engine:
        serving.serve(settings, engine)


def migrate() -> None:
    """Bring the database to this version's schema; `serve` does so, too."""
    with database(load()):
        render.line("the database has this version's schema")


def token(note: Note) -> None:
    """Make a single-use token: the instance that sends it counts as known to the association."""
    made = secrets.token_urlsafe(24)
    with database(load()) as engine:
        Store(engine).make_token(made, note, int(time.time()))
    typer.echo(made)


def erase(name: Name) -> None:
    """Forget an instance and all that it has told."""
    with database(load()) as engine:
        known = Store(engine).erase(name)
        if known:  # servers that run must forget it as well
            now = int(time.time())
            Bulletins(engine).publish([Entry(name, now, 0, What.ERASED)], now)
    render.line("it is forgotten" if known else "there is no such instance")


def user(
    name: Annotated[str, typer.Argument(help="Of somebody of the association's staff.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them out instead.")] = False,
    oidc: Annotated[
        bool, typer.Option("--oidc", help="Without a password: by OpenID Connect alone.")
    ] = False,
) -> None:
    """Let somebody look at the dashboard; a password is asked, or read from standard input."""
    with database(load()) as engine:
        staff = Staff(engine)
        if remove:
            gone = staff.remove(name)
            render.line(f"{name} is out" if gone else f"there is no {name}")
            return
        if oidc:
            staff.add_vouched(name, int(time.time()))
        else:
            staff.add(name, _password(), int(time.time()))
        render.line(f"{name} may look at the dashboard")


def _password() -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return given
    return sys.stdin.readline().rstrip("\n")


@contextmanager
def database(settings: FleetSettings) -> Iterator[Engine]:
    """The database, with this version's schema.

    Raises:
        NeedsOperator: it cannot be used (code `fleet.database`).
    """
    engine = connect(settings.database)
    try:
        migrations.migrate(engine)
        yield engine
    except DBAPIError as error:
        raise NeedsOperator(
            f"cannot use the database: {str(error.orig).splitlines()[0]}",
            code="fleet.database",
            advice="see that it runs, and KOPROGO_FLEET_DATABASE",
        ) from error
    finally:
        engine.dispose()
