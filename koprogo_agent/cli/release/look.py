"""`koprogo-release verify` and `status`: what would be, and how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from koprogo_agent.cli import render, roots, verdicts, words
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.options import AsJson
from koprogo_agent.cli.release import documents, show
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.release import files
from koprogo_agent.release.product import found_product, open_product
from koprogo_agent.release.releases import Tagged
from koprogo_agent.release.status import Standing, read_standing
from koprogo_agent.release.verify import (
    Instance,
    Opinion,
    verify_draft,
    verify_release,
)

_SHOWN = 10

Target = Annotated[str, typer.Argument(metavar="VERSION|FILE", help="A release, or a draft.")]
RootNumber = Annotated[
    int, typer.Option("--root", min=1, help="Trust root that the instance was given.")
]
Runs = Annotated[
    str | None, typer.Option("--at", metavar="VERSION", help="Version that the instance runs.")
]
Counter = Annotated[
    int | None, typer.Option(min=0, help="Highest counter that it has seen, if not that release's.")
]


def verify(
    target: Target,
    root: RootNumber = 1,
    at: Runs = None,
    counter: Counter = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an instance would accept a release, rule by rule, and why not."""
    runs = parse_version(at.removeprefix("v")) if at else None
    opinion = _opinion(target, Instance(root, runs, counter), datetime.now(UTC))
    if as_json:
        render.as_json(documents.of_opinion(opinion))
    else:
        _tell(opinion, runs)
    if opinion.verdict.refusal is not None:
        raise typer.Exit(Exit.REFUSED)


def status(as_json: AsJson = False) -> None:
    """Say how it stands with trust, freshness, releases and drafts."""
    product, now = open_product(Path.cwd()), datetime.now(UTC)
    found = read_standing(product, Path.cwd(), now)
    if as_json:
        render.as_json(documents.of_standing(found))
        return
    if found.trust is None:
        render.line(f"{product.settings.product} has no trust root yet: koprogo-release init")
    else:
        roots.show(found.trust.root)
        render.pairs(_freshness(found, now))
        _releases(found)
    for warning in found.warnings:
        render.line(f"  warning: {warning}", "yellow")
    for one in found.drafts:
        done = ", published: the file can go" if one.published else ""
        render.line(f"draft {one.path.name}: {one.fault or one.subject}{done}")
        show.tallies(one.tallies)


def _opinion(target: str, instance: Instance, now: datetime) -> Opinion:
    if not Path(target).is_file():
        return verify_release(open_product(Path.cwd()), target, instance, now)
    draft = files.read_draft_of(Path(target))
    return verify_draft(found_product(Path.cwd()), draft, instance, now)


def _tell(opinion: Opinion, runs: Version | None) -> None:
    verdicts.tell(opinion.verdict)
    if opinion.verdict.release is not None:
        _choice(opinion, opinion.verdict.release, runs)


def _choice(opinion: Opinion, release: VerifiedRelease, runs: Version | None) -> None:
    signers = ", ".join(one.name for one in release.signers)
    render.line(f"trusted by {opinion.root.subject}: signed by {signers}", "bold green")
    who = f"an instance that runs v{runs}" if runs else "an instance that runs nothing yet"
    if not opinion.newer:
        render.line(f"{who} does not need it: it is not newer", "yellow")
    elif opinion.reason:
        reason = opinion.reason
        render.line(f"{who} would not take it now ({reason.waits}): {reason.detail}", "yellow")
    else:
        render.line(f"{who} takes it", "bold green")
    if opinion.rollout:
        render.line(f"  little by little: {show.of_rollout(opinion.rollout)}")


def _freshness(found: Standing, now: datetime) -> Iterator[tuple[str, str | Text]]:
    if found.stale:
        yield "STALE", render.styled(found.stale, "bold red")
    freshness = found.trust.freshness if found.trust else None
    if freshness is not None:
        yield "freshness", f"{freshness.version}, until {words.when(freshness.expires, now)}"
        yield from show.of_freshness(freshness)


def _releases(found: Standing) -> None:
    tagged = found.releases.tagged[:_SHOWN] if found.releases else ()
    if tagged:
        headings = ("release", "number", "signed by")
        render.table("newest releases", headings, (_row(one) for one in tagged))


def _row(one: Tagged) -> tuple[str, str, str | Text]:
    if one.release is None or one.manifest is None:
        code = one.refusal.code if one.refusal else ""
        why = f"not accepted ({code}): koprogo-release verify {one.ref.name}"
        return one.ref.name, "", render.styled(why, "red")
    names = ", ".join(signer.name for signer in one.release.signers)
    return one.ref.name, str(one.manifest.counter), names
