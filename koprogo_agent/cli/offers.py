"""`koprogo-agent check`, `plan` and `verify`: what the source offers, and what would follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from koprogo_agent.cli import render, verdicts, words
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.session import acting
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.update.releases import FORWARD
from koprogo_agent.update.survey import Stand, Surveyed, survey
from koprogo_agent.update.verdict import Verdict, judge_here

_STYLES = {Stand.NEXT: "bold green", Stand.REFUSED: "bold red", Stand.WAITS: "yellow"}
_SHOWN = 8

Tag = Annotated[str, typer.Argument(help="The release, such as v1.2.0.", show_default=False)]


def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Ask the source once: what is offered, what is refused, what would be installed."""
    with acting(config) as agent:
        found = survey(agent.engine)
        url = agent.settings.source.url
    if as_json:
        render.as_json({"source": url, "releases": [_document(one) for one in found]})
        return
    told = [one for one in found if one.stand not in {Stand.OLDER, Stand.PASSED_OVER}]
    older = len(found) - len(told)
    rows = ((one.tag, _stand(one), _why(one)) for one in told)
    if told:
        render.table(f"{url} offers", ("release", "here", "why"), rows)
    else:
        render.line(f"{url} offers no release" if not found else f"{url} offers nothing newer")
    if older:
        render.line(f"  and {older} older" + ("" if told else " releases"), "dim")
    if any(one.stand is Stand.NEXT for one in found):
        render.line("  what it would do: koprogo-agent plan; to install it: koprogo-agent update")


def verify(tag: Tag, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Hold one tag against every rule of trust."""
    with acting(config) as agent:
        verdict = judge_here(agent.engine, tag)
    if as_json:
        render.as_json(_verdict(verdict))
    else:
        _tell(verdict)
    if verdict.refusal is not None:
        raise typer.Exit(Exit.REFUSED)


def _stand(one: Surveyed) -> Text:
    said = f"waits: {one.gate}" if one.stand is Stand.WAITS else str(one.stand)
    return render.styled(said, _STYLES.get(one.stand, ""))


def _why(one: Surveyed) -> str:
    if one.signer:
        return f"signed by {one.signer}"
    return f"{one.detail}  [{one.code}]" if one.code else one.detail


def _document(one: Surveyed) -> dict[str, Any]:
    return {
        "tag": one.tag,
        "stand": str(one.stand),
        "gate": one.gate or None,
        "code": one.code or None,
        "detail": one.detail or None,
        "signer": one.signer or None,
    }


def _tell(verdict: Verdict) -> None:
    verdicts.tell(verdict, FORWARD)
    if verdict.release is not None:
        render.line(f"{verdict.ref.name} is a release that may be trusted", "bold green")
        render.pairs(_summary(verdict.release))


def _summary(release: VerifiedRelease) -> Iterator[tuple[str, str]]:
    for signer in release.signers:
        yield "signed by", f"{signer.name} ({signer.kind} {signer.key})"
    yield "commit", release.commit
    yield "first seen", words.local(release.first_seen)
    manifest = release.manifest
    if manifest is None:
        yield "manifest", "none: images are pinned when they are pulled"
        return
    yield "channel", f"{manifest.channel}, {manifest.severity}, number {manifest.counter}"
    yield "comes from", ", ".join(manifest.upgrade_from) or "any version"
    yield "issued", f"{words.local(manifest.issued)}, expires {words.local(manifest.expires)}"
    for name, image in sorted(manifest.images.items()):
        yield f"image {name}", words.reference(image.reference)
    yield "files", f"{len(manifest.files)}: {', '.join(sorted(manifest.files)[:_SHOWN])}"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    release = verdict.release
    manifest = release.manifest if release else None
    return {
        **verdicts.document(verdict),
        "commit": release.commit if release else None,
        "manifest": None
        if manifest is None
        else {
            "product": manifest.product,
            "channel": manifest.channel,
            "severity": manifest.severity,
            "counter": manifest.counter,
            "issued": words.iso(manifest.issued),
            "expires": words.iso(manifest.expires),
            "upgrade_from": list(manifest.upgrade_from),
            "images": {name: one.reference for name, one in manifest.images.items()},
            "files": manifest.files,
        },
    }
