"""`koprogo-agent plan`: what an update would do, step by step, and what it would cost its users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from koprogo_agent.cli import render, words
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.session import acting
from koprogo_agent.domain.duration import span
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.plan import Step
from koprogo_agent.update.preview import Preview, preview

Tag = Annotated[
    str | None, typer.Argument(help="The release, if not the newest one.", show_default=False)
]
_WORDS = {
    Step.STAGE: "read its files from git, check their hashes, have compose check them",
    Step.BUDGET: "compare what all of this will write with the free disk",
    Step.PULL: "pull its images by digest",
    Step.BACKUP: "dump the database while it runs, and read the dump back whole",
    Step.REHEARSE: "try the release on a scratch copy of the data, alone, until it is healthy",
    Step.HOLD: "keep users from noticing what follows",
    Step.POINT: "copy the database inside PostgreSQL, to go back to",
    Step.RESTORE: "put the backup in the place of the database",
    Step.MIGRATE: "run the migrations",
    Step.SWITCH: "exchange the containers that the release changes, and no other",
    Step.GATE: "wait until every service is healthy; if not, go back, data and all",
    Step.RELEASE: "let users through, and ask as they ask",
    Step.COMMIT: "write down that this is what runs; nothing older is ever installed again",
    Step.SOAK: "go on watching; if it falls ill, go back",
    Step.TIDY: "remove what nothing needs any more, of what the agent brought",
}


_MEETS = {
    Way.BESIDE: "no request waits: the new version serves beside the old one first",
    Way.WAIT: "requests wait: {total}; after {limit} people get a page that reloads by itself",
    Way.CLOSED: "users are kept out during the steps in yellow: {total}",
    Way.AWAY: "what is exchanged is away while it starts: {total}",
    Way.IN_USE: "users notice nothing: they reach nothing that is exchanged",
}
"""What users meet, by the way of the hold."""
_CUT_OFF = "uploads, streams and WebSockets of what is exchanged are cut off"


def plan(tag: Tag = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Say what `update` would do, step by step; nothing is pulled or changed."""
    with acting(config) as agent:
        found = preview(agent.engine, tag)
        installed, held = agent.engine.journal.installed, agent.engine.standing.held
    runs = installed.tag if installed else None
    if as_json:
        render.as_json(_document(found, runs))
    elif found is None and held is not None:
        render.line(f"nothing would be done: {held.reason}", "bold yellow")
        render.line(f"  {held.advice}")
    elif found is None:
        render.line(f"nothing to do: {runs or 'nothing'} is the newest that may be installed")
        render.line("  what is offered and why it waits: koprogo-agent why", "dim")
    else:
        _tell(found, runs)


def _tell(found: Preview, runs: str | None) -> None:
    signers = ", ".join(signer.name for signer in found.release.signers)
    render.line(f"{runs or 'nothing'} → {found.release.tag}, signed by {signers}", "bold")
    for number, step in enumerate(found.plan.steps, start=1):
        hot = step in found.shut_out
        render.line(f"  {number:>2}  {step:<9} {_WORDS[step]}", "yellow" if hot else "")
    render.line("")
    render.line(meets(found), "bold")
    if found.hold.why:
        render.line(f"  because {found.hold.why}", "dim")
    if found.hold.rooms:
        render.line(f"  {_CUT_OFF}", "dim")
    render.pairs(_shares(found))
    for reference in found.to_pull:
        render.line(f"  to be pulled: {words.reference(reference)}", "dim")
    for note in found.notes:
        render.line(f"  {note}", "yellow")
    render.line("nothing was pulled or changed; to do it: koprogo-agent update", "dim")


def meets(found: Preview) -> str:
    """What users meet, in a sentence that promises no more than is known."""
    if not found.plan.holds:
        return "nothing runs yet: no user is affected"
    return _MEETS[found.hold.way].format(total=_total(found), limit=span(found.limit))


def _total(found: Preview) -> str:
    seconds = found.forecast.seconds
    return f"about {span(seconds)}" if seconds is not None else "not measured here yet"


def _shares(found: Preview) -> Iterator[tuple[str, str]]:
    before = found.forecast.before
    for share in (*found.forecast.shares, *([before] if before else [])):
        seconds = span(share.seconds) if share.seconds is not None else "unknown"
        yield share.what, f"{seconds}  ({share.basis})"


def _document(found: Preview | None, runs: str | None) -> dict[str, Any]:
    if found is None:
        return {"installed": runs, "tag": None, "steps": []}
    return {
        "installed": runs,
        "tag": found.release.tag,
        "operation": str(found.plan.kind),
        "schema_changes": found.plan.rewinds_data,
        "users": str(found.hold.way),
        "users_why": found.hold.why,
        "waits_at_most": found.limit if found.hold.way is Way.WAIT else None,
        "steps": [{"step": str(step), "words": _WORDS[step]} for step in found.plan.steps],
        "expected_seconds": found.forecast.seconds,
        "expected": [asdict(share) for share in found.forecast.shares],
        "before": asdict(found.forecast.before) if found.forecast.before else None,
        "to_pull": list(found.to_pull),
        "notes": list(found.notes),
    }
