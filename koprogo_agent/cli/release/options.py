"""Arguments that several verbs of `koprogo-release` have, and how they are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

_SPAN = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_span(text: str) -> timedelta:
    """How long: `90m`, `48h`, `3d`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time such as 90m, 48h or 3d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read_instant(text: str) -> datetime:
    """When: ISO 8601, in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no instant such as 2026-11-24T08:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_named(text: str) -> tuple[str, str]:
    """`NAME=KEY`: a name and what is given for it."""
    name, equals, given = text.partition("=")
    if not (name and equals and given):
        raise typer.BadParameter(f"{text!r} is not of the form NAME=FILE.pub")
    return name, given


DraftFile = Annotated[Path, typer.Argument(metavar="FILE", help="The draft: a .draft.json.")]
KeyName = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Name of the key, if several are at hand."),
]
VersionText = Annotated[str, typer.Argument(metavar="VERSION", help="The release: v1.2.0.")]
NoPush = Annotated[bool, typer.Option("--no-push", help="Publish in this clone alone.")]
Reason = Annotated[str, typer.Option(help="Why, for everybody who runs an instance.")]
EVERYBODY = 100
"""Percent of the instances that a rollout reaches, if nobody says otherwise."""

Share = Annotated[
    int, typer.Option(min=0, max=100, help="Percent of the instances that it reaches.")
]
Start = Annotated[
    datetime | None,
    typer.Option(
        parser=read_instant, metavar="INSTANT", help="When the rollout begins; now if not given."
    ),
]
