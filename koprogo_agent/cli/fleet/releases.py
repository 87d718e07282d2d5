"""Verbs with which the association names its releases to the fleet server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from koprogo_agent.cli import render
from koprogo_agent.cli.fleet.serving import database
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.settings import load
from koprogo_agent.fleet.store.releases import Releases

Tag = Annotated[str | None, typer.Argument(help="Its tag, such as v1.2.3; without one: list them.")]
Published = Annotated[
    str | None, typer.Option(help="When its tag was pushed, such as 2026-11-26T10:15Z; now.")
]
Security = Annotated[bool, typer.Option("--security", help="What is below it is not safe.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="Take its name back instead.")]


def release(
    tag: Tag = None,
    published: Published = None,
    security: Security = False,
    withdraw: Withdraw = False,
) -> None:
    """Name a release: agents poll for it a little sooner, and pages measure from its moment."""
    with database(load()) as engine:
        releases = Releases(engine)
        if tag is None:
            _list(releases)
        elif withdraw:
            gone = releases.withdraw(tag)
            render.line(f"{tag} is not named any more" if gone else f"{tag} was not named")
        else:
            at = _moment(published) if published else datetime.now(UTC)
            releases.name(Release(tag, int(at.timestamp()), security))
            render.line(f"{tag} is named, published {at:%Y-%m-%d %H:%M} UTC")


def _list(releases: Releases) -> None:
    for one in releases.named:
        at = datetime.fromtimestamp(one.published, UTC)
        beside = "  security" if one.security else ""
        render.line(f"{one.tag}  {at:%Y-%m-%d %H:%M} UTC{beside}")
    if not releases.named:
        render.line("no release is named yet")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise NeedsOperator(
            f"{text[:40]!r} is no moment",
            code="release.moment",
            advice="type it like 2026-11-26T10:15Z",
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
