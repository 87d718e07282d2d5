"""`koprogo-release freshness`, `hold`, `release-hold`, `yank` and `rollout`: what counts now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from koprogo_agent.cli import render
from koprogo_agent.cli.release.options import (
    EVERYBODY,
    KeyName,
    NoPush,
    Reason,
    Share,
    Start,
    VersionText,
    read_span,
)
from koprogo_agent.cli.release.sending import fetched, send
from koprogo_agent.domain.freshness import Rollout
from koprogo_agent.release import announce
from koprogo_agent.release.freshening import VALID

Valid = Annotated[
    timedelta | None,
    typer.Option(parser=read_span, metavar="TIME", help="How long it is good; 48h if not given."),
]
Push = Annotated[bool, typer.Option("--push", help="Publish it at the remote too.")]
Duration = Annotated[
    timedelta, typer.Option(parser=read_span, metavar="TIME", help="In which time: 3d.")
]


def freshness(valid: Valid = None, push: Push = False, key: KeyName = None) -> None:
    """Say again which releases are the newest; a job types this every few hours."""
    product, now = fetched(not push), datetime.now(UTC)
    send(product, announce.again(product, now, valid or VALID, key), not push)


def hold(
    version: VersionText, reason: Reason, no_push: NoPush = False, key: KeyName = None
) -> None:
    """Ask instances not to take a release for now."""
    product, now = fetched(no_push), datetime.now(UTC)
    send(product, announce.hold(product, version, reason, now, key), no_push)
    render.line(f"  to let it go: koprogo-release release-hold {version}")


def release_hold(version: VersionText, no_push: NoPush = False, key: KeyName = None) -> None:
    """Let a release go that was held."""
    product, now = fetched(no_push), datetime.now(UTC)
    send(product, announce.release_hold(product, version, now, key), no_push)


def yank(
    version: VersionText, reason: Reason, no_push: NoPush = False, key: KeyName = None
) -> None:
    """Take a release back for ever: nobody shall take it any more."""
    product, now = fetched(no_push), datetime.now(UTC)
    send(product, announce.yank(product, version, reason, now, key), no_push)
    render.line("  whoever runs it is told, and keeps it: publish a higher version")


def rollout(
    version: VersionText,
    duration: Duration,
    start: Start = None,
    share: Share = EVERYBODY,
    no_push: NoPush = False,
    key: KeyName = None,
) -> None:
    """Let a release reach the fleet little by little."""
    product, now = fetched(no_push), datetime.now(UTC)
    plan = Rollout(start or now, int(duration.total_seconds()), share)
    send(product, announce.roll_out(product, version, plan, now, key), no_push)
