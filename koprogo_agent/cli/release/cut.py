"""`koprogo-release prepare`, `sign`, `cosign` and `publish`: from a commit to a release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from koprogo_agent.cli import render, roots
from koprogo_agent.cli.release import show
from koprogo_agent.cli.release.options import (
    EVERYBODY,
    DraftFile,
    KeyName,
    NoPush,
    Share,
    Start,
    VersionText,
    read_span,
)
from koprogo_agent.cli.release.sending import fetched, send
from koprogo_agent.domain.freshness import Rollout
from koprogo_agent.domain.root import Root
from koprogo_agent.release import files
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.endorse import Endorsed, endorse_alone, endorse_here, root_before, stand
from koprogo_agent.release.manifest import Wish
from koprogo_agent.release.prepare import prepare as prepare_release
from koprogo_agent.release.product import Product, found_product, open_product, signing_tools
from koprogo_agent.release.publish import publish_release, publish_root
from koprogo_agent.release.releases import changes_in

Notes = Annotated[
    typer.FileText | None, typer.Option(metavar="FILE", help="What is new, for people; - is stdin.")
]
Security = Annotated[
    bool, typer.Option("--security", help="It mends a weakness: nobody waits for their turn.")
]
Commit = Annotated[
    str | None, typer.Option(metavar="REF", help="What to release, if not what is checked out.")
]
UpgradeFrom = Annotated[
    list[str] | None,
    typer.Option(metavar="COMPARATOR", help='From which versions one may come: ">=1.0.0".'),
]
WorksWith = Annotated[
    list[str] | None,
    typer.Option(metavar="VERSION", help="An older version that still works on the new schema."),
]
Force = Annotated[
    bool,
    typer.Option("--force-upgrade-from", help="Leave behind those who run the last release."),
]
NeverRan = Annotated[
    list[str] | None,
    typer.Option(metavar="TAG", help="Do without the migrations of a yanked release: v1.2.0."),
]
Why = Annotated[
    str, typer.Option("--reason", help="Why no instance can have run it; stands in the manifest.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RolloutSpan = Annotated[
    timedelta | None,
    typer.Option(parser=read_span, metavar="TIME", help="Reach the fleet in this time: 3d."),
]


def prepare(  # noqa: PLR0913, PLR0917 - one for each option
    version: VersionText,
    notes: Notes = None,
    security: Security = False,
    commit: Commit = None,
    upgrade_from: UpgradeFrom = None,
    works_with: WorksWith = None,
    force_upgrade_from: Force = False,
    never_ran: NeverRan = None,
    reason: Why = "",
) -> None:
    """Check the tree and the images, and write the draft of a release."""
    if reason and not never_ran:
        raise typer.BadParameter("--reason belongs to --never-ran")
    wish = Wish(
        version=version,
        notes=notes.read() if notes else "",
        severity="security" if security else "routine",
        commit=commit,
        upgrade_from=upgrade_from,
        works_with=works_with or (),
        strands=force_upgrade_from,
        never_ran=never_ran or (),
        reason=reason,
    )
    product, now = open_product(Path.cwd()), datetime.now(UTC)
    prepared = prepare_release(product, wish, now, show.Checklist())
    file = files.write(prepared.draft, Path.cwd())
    show.release(prepared.draft, prepared.changes)
    show.migrations(prepared.migrations)
    render.line(f"written: {file.name}")
    show.next_steps(file, stand(prepared.draft, None, product.signatures, now))


def sign(file: DraftFile, key: KeyName = None) -> None:
    """Sign a draft in a clone of the product, which it is held against."""
    content, product, now = files.read(file), open_product(Path.cwd()), datetime.now(UTC)
    _show(content, now)
    endorsed = endorse_here(product, content, key, now)
    _conclude(endorsed, _before(product, content, now), file, now)


def cosign(file: DraftFile, key: KeyName = None, yes: Yes = False) -> None:
    """Sign a draft on any machine; nothing is needed but the file."""
    content, now = files.read(file), datetime.now(UTC)
    before = _before(found_product(Path.cwd()), content, now)
    _show(content, now)
    show.tallies(stand(content, before, signing_tools(), now))
    if not yes:
        typer.confirm("sign this?", abort=True)
    _conclude(endorse_alone(content, before, key, signing_tools(), now), before, file, now)


def publish(
    file: DraftFile,
    rollout: RolloutSpan = None,
    share: Share = EVERYBODY,
    start: Start = None,
    no_push: NoPush = False,
) -> None:
    """Publish a release or a trust root that is signed by all who must."""
    if rollout is None and (start or share != EVERYBODY):
        raise typer.BadParameter("--share and --start belong to --rollout")
    content, now = files.read(file), datetime.now(UTC)
    product = fetched(no_push)
    if isinstance(content, Root):
        publication = publish_root(product, content, now)
        render.line(f"{content.subject} is complete, sha256 {content.envelope.sha256}", "bold")
    else:
        seconds = None if rollout is None else int(rollout.total_seconds())
        plan = None if seconds is None else Rollout(start or now, seconds, share)
        publication = publish_release(product, content, plan, now)
        render.line(f"{content.name} is a release that agents accept", "bold")
    send(product, publication, no_push)


def _before(product: Product | None, content: Draft | Root, now: datetime) -> Root | None:
    if product is None or isinstance(content, Draft):
        return None
    return root_before(product.found_trust(now), content)


def _show(content: Draft | Root, now: datetime) -> None:
    if isinstance(content, Draft):
        show.release(content, changes_in(content, signing_tools(), now))
    else:
        roots.show(content)


def _conclude(endorsed: Endorsed, before: Root | None, file: Path, now: datetime) -> None:
    if endorsed.signer is None:
        render.line(endorsed.note)
    else:
        files.save(endorsed.content, file)
        key = endorsed.signer
        show.mark(show.GOOD, "signed now", f"{key.name} ({key.kind} {key.fingerprint})")
    found = stand(endorsed.content, before, signing_tools(), now)
    show.tallies(found)
    show.next_steps(file, found)
