"""`koprogo-agent why`: which gate each newer release waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from koprogo_agent.cli import documents, render, words
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.session import reading
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.update.memory import Refusal
from koprogo_agent.update.outlook import Waiting
from koprogo_agent.update.status import Status

_STYLES = {"refused": "red", "quarantine": "red", "next": "green", "hold": "yellow"}
Tag = Annotated[
    str | None, typer.Argument(help="One release, if not all newer ones.", show_default=False)
]
Entry = tuple[str, str, list[str]]
"""A release, the gate it is at, and what is to be said about it."""


def why(tag: Tag = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Say why a newer release is not installed, or what stands against one of any age."""
    with reading(config) as read:
        status, now = read.status, read.now
        seen = tag in read.memory.sightings() if tag else False
    found = _entries(status, now, tag)
    entries = sorted(found, key=lambda entry: parse_tag(entry[0]), reverse=True)
    if as_json:
        render.as_json(_document(status, tag))
        return
    if status.held:
        render.line(f"nothing is changed now: {status.held.reason}", "bold yellow")
        render.line(f"  since {words.when(status.held.since, now)}; {status.held.advice}")
    if status.live:
        live = status.live
        render.line(f"{live.kind} of {live.tag} is under way, at step {live.state.action}", "cyan")
    if entries:
        for name, gate, said in entries:
            render.line(f"{name}  {gate}", _STYLES.get(gate, "bold"))
            for text in said:
                render.line(f"  {text}")
    else:
        render.line(_nothing(status, tag, seen=seen))
    polled = words.when(status.polls.succeeded, now) if status.polls.succeeded else "never"
    render.line(f"as of the last good poll: {polled}; to poll now: koprogo-agent check", "dim")


def _entries(status: Status, now: datetime, tag: str | None) -> Iterator[Entry]:
    told = set()
    if status.candidate and not status.live and tag in {None, status.candidate}:
        told.add(status.candidate)
        yield status.candidate, "next", ["the agent installs it at its next tick"]
    for one in status.waiting:
        if tag in {None, one.tag}:
            told.add(one.tag)
            yield one.tag, one.gate, _waiting(one, now)
    for refusal in status.refusals:
        if tag == refusal.tag or (tag is None and refusal.tag not in told):
            told.add(refusal.tag)
            yield refusal.tag, "refused", _refusal(refusal, now)
    for failed in status.quarantined:
        if tag == failed.tag and tag not in told:
            said = [f"it failed here {words.when(failed.at, now)}, at step {failed.step}"]
            yield failed.tag, "quarantine", [*said, f"{failed.message}  [{failed.code}]"]


def _waiting(one: Waiting, now: datetime) -> list[str]:
    code = f"  [{one.code}]" if one.code else ""
    step = f"it failed here at step {one.step}: " if one.step else ""
    said = [f"{step}{one.detail}{code}"]
    if one.advice:
        said.append(f"what to do: {one.advice}")
    if one.until:
        said.append(f"tried again {words.when(one.until, now)}, or now: koprogo-agent update")
    if one.step:
        said.append(
            f"not tried again by itself; a newer release is, or: koprogo-agent retry {one.tag}"
        )
    return said


def _refusal(one: Refusal, now: datetime) -> list[str]:
    return [
        f"{one.message}  [{one.code}]",
        f"refused {words.when(one.at, now)}; rule by rule: koprogo-agent verify {one.tag}",
    ]


def _nothing(status: Status, tag: str | None, *, seen: bool) -> str:
    if status.polls.succeeded is None:
        failure = status.polls.failure
        return f"no poll has succeeded yet{f': {failure.message}' if failure else ''}"
    if tag is None:
        return _nothing_newer(status)
    if tag == status.installed:
        return f"{tag} runs here"
    if seen:
        return f"{tag} is not newer than what runs here ({status.installed})"
    return f"{tag} was never seen here; to see what the source offers: koprogo-agent check"


def _nothing_newer(status: Status) -> str:
    if status.installed is None:
        return "the source offers no release"
    stale = status.trust.stale if status.trust else ""
    if stale:
        return f"nothing newer is seen, but nobody vouches that there is nothing: {stale}"
    return f"nothing waits: {status.installed} is the newest that is offered"


def _document(status: Status, tag: str | None) -> dict[str, Any]:
    whole = documents.of_status(status, ())
    names = (
        "installed",
        "candidate",
        "waiting",
        "refused",
        "quarantined",
        "held",
        "polls",
        "trust",
    )
    chosen: dict[str, Any] = {name: whole[name] for name in names}
    if tag is None:
        return chosen
    lists = ("waiting", "refused", "quarantined")
    return {
        "tag": tag,
        **chosen,
        **{name: [one for one in chosen[name] if one["tag"] == tag] for name in lists},
    }
