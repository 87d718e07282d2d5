"""`koprogo-agent status` and `history`: what the journal says; nothing is asked or changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from koprogo_agent import __version__
from koprogo_agent.cli import documents, render, words
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.session import Reading, reading
from koprogo_agent.domain.duration import span
from koprogo_agent.domain.hold import Met
from koprogo_agent.domain.root import RoleName
from koprogo_agent.domain.states import Outcome
from koprogo_agent.ports import Dump
from koprogo_agent.reporting.outbox import Heard
from koprogo_agent.selfupdate.standing import OwnStanding
from koprogo_agent.update.health import advice
from koprogo_agent.update.journal import PastOperation
from koprogo_agent.update.outlook import Waiting
from koprogo_agent.update.status import Status
from koprogo_agent.update.trust_stand import quorum
from koprogo_agent.wire.report import StateName
from koprogo_agent.wiring import build_world

_STATES = {
    StateName.CURRENT: ("up to date", "bold green"),
    StateName.UPDATING: ("at work", "bold cyan"),
    StateName.ROLLED_BACK: ("went back from a release that failed", "bold yellow"),
    StateName.HELD: ("HELD: it needs you", "bold red"),
    StateName.STALE: ("STALE: it may be that there is something newer", "bold red"),
    StateName.PAUSED: ("on hold, by you", "bold yellow"),
    StateName.EMPTY: ("nothing is installed yet", "bold yellow"),
}
_QUIET = {StateName.CURRENT, StateName.ROLLED_BACK}
"""States in which the condition of the stack says more than the state."""
_OUTCOMES = {
    Outcome.COMMITTED: "green",
    Outcome.CANCELLED: "yellow",
    Outcome.POSTPONED: "yellow",
    Outcome.ROLLED_BACK: "bold yellow",
    Outcome.HELD: "bold red",
}
_WHY = 60
"""Characters of a cause in a row of the history; `why` and `--json` have all of it."""
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]


def status(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Say where this instance stands."""
    with reading(config) as read:
        found = read.status
        backups = _backups(read)
        if as_json:
            document = documents.of_status(found, backups)
            reports, agent = documents.of_reports(read.heard), documents.of_agent(read.agent)
            render.as_json({**document, "reports": reports, "agent": agent})
            return
        said, style = _headline(found)
        render.line(f"KoproGo {found.installed or ''}  {said}", style)
        render.pairs(
            (
                *_health(found, read),
                *_lines(found, backups, read.now),
                *_reports(read.heard, read.now),
                *_agent(read.agent, read.now),
            )
        )


def _headline(found: Status) -> tuple[str, str]:
    """What counts most, and its style: nothing that is down is called up to date."""
    said, style = _STATES[found.state]
    if found.down:
        also = "" if found.state in _QUIET else f" ({said})"
        return f"{found.down}{also}", "bold red"
    if found.started_by_hand and found.state in _QUIET:
        return found.started_by_hand, "bold red"
    if found.state not in _QUIET:
        return said, style
    healthy = "healthy; " if found.condition else ""
    if found.state is StateName.CURRENT and (amiss := found.refused_update or found.unknown):
        return f"{healthy}{amiss}", "bold yellow"
    if found.state is StateName.CURRENT and (found.candidate or found.waiting):
        return f"{healthy}a newer release waits", style
    return said, style


def history(limit: Limit = 20, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List what was done, newest first."""
    with reading(config) as read:
        past = read.journal.past(limit)
    if as_json:
        render.as_json([documents.of_past(one) for one in past])
    elif not past:
        render.line("nothing has been done yet")
    else:
        headings = ("when", "operation", "outcome", "took", "users", "step", "why")
        render.table("", headings, (_row(one) for one in past))


def _backups(read: Reading) -> tuple[Dump, ...]:
    return build_world(read.settings).files.backups()


def _lines(
    status: Status, backups: tuple[Dump, ...], now: datetime
) -> Iterator[tuple[str, str | Text]]:
    yield from _work(status, now)
    yield "last poll", _polls(status, now)
    yield from _trust(status, now)
    if status.candidate and not status.live:
        yield "next", f"{status.candidate} is installed at the next tick"
    yield "waits", ", ".join(_waiting(one, now) for one in status.waiting)
    refused = ", ".join(f"{one.tag} ({one.code})" for one in status.refusals)
    yield "refused", render.styled(refused, "yellow") if refused else ""
    if status.last:
        last = status.last
        ended = f"{_word(last.outcome)}, {words.when(last.at, now)}"
        yield "last change", f"{last.kind} of {last.tag}: {ended}"
        if last.message and last.outcome != Outcome.COMMITTED:
            yield "", f"at step {last.step}: {last.message}"
            if not status.held:
                yield "type", last.advice or ""
    if status.drift:
        since = words.ago(status.drift.since, now)
        for difference in status.drift.differences:
            yield "changed", render.styled(f"{difference} (seen {since})", "yellow")
    if status.previous:
        how = "rollback" if status.goes_back else "backup list, as its data goes with it"
        yield "go back to", f"{status.previous}: koprogo-agent {how}"
    yield "last backup", _backup(status, backups, now)
    if status.waiting or status.refusals:
        yield "", "why, one by one: koprogo-agent why"


def _health(status: Status, read: Reading) -> Iterator[tuple[str, str | Text]]:
    """Whether the stack is up or down, what was asked, and what to type where it is down."""
    found = status.condition
    if found is None:
        return
    looked = f"looked {words.ago(found.looked, read.now)}; asked: {found.asked}"
    if found.is_down:
        yield "down", render.styled(f"since {words.when(found.since, read.now)}; {looked}", "red")
        yield "type", advice(found, read.settings.stack.project)
        return
    starts = "starting; " if found.starting else ""
    yield "up", f"{starts}since {words.when(found.since, read.now)}; {looked}"


def _reports(heard: Heard | None, now: datetime) -> Iterator[tuple[str, str | Text]]:
    """How the association hears of this instance, where it does."""
    if heard is None:
        return
    if heard.failing_since:
        since = words.ago(heard.failing_since, now)
        yield "reports", render.styled(f"not taken since {since}: {heard.failure}", "yellow")
    else:
        yield "reports", words.when(heard.taken, now) if heard.taken else "none yet"
    yield "notice", heard.notice


def _agent(own: OwnStanding | None, now: datetime) -> Iterator[tuple[str, str | Text]]:
    """The agent itself, where there is more to say of it than its version."""
    waits = ", ".join(_waiting(one, now) for one in own.waiting) if own else ""
    yield "agent", f"{__version__}; waits: {waits}" if waits else __version__
    for one in own.put_aside if own else ():
        yield "", render.styled(f"{one.tag} of the agent failed here: {one.message}", "yellow")


def _waiting(one: Waiting, now: datetime) -> str:
    later = f", next try {words.ago(one.until, now)}" if one.until else ""
    step = f", failed here at step {one.step}" if one.step else ""
    return f"{one.tag} ({one.gate}{step}{later})"


def _work(status: Status, now: datetime) -> Iterator[tuple[str, str | Text]]:
    """What goes on, or why nothing does."""
    live, held = status.live, status.held
    if live is not None:
        began = words.ago(live.started, now)
        yield "doing", f"{live.kind} of {live.tag}: step {live.state.action}, begun {began}"
        if live.state.cause:
            yield "because", f"{live.state.failed} failed: {live.state.cause.message}"
    if held is not None:
        yield "why", f"{held.reason} (since {words.when(held.since, now)})"
        yield "type", held.advice


def _polls(status: Status, now: datetime) -> str | Text:
    polls = status.polls
    if polls.failing_since and polls.failure:
        good = words.when(polls.succeeded, now) if polls.succeeded else "never"
        said = f"failing for {words.ago(polls.failing_since, now).removesuffix(' ago')}"
        return render.styled(f"{said}: {polls.failure.message}; last good one: {good}", "red")
    return words.when(polls.succeeded, now) if polls.succeeded else "never"


def _trust(status: Status, now: datetime) -> Iterator[tuple[str, str | Text]]:
    """Who may sign, how long what is seen counts as fresh, and what is wrong with either."""
    trust = status.trust
    if trust is None:
        return
    may_sign = quorum(trust.root, RoleName.RELEASE)
    yield "trust", f"root {trust.root.version}: a release is signed by {may_sign}"
    if trust.stale:
        yield "stale", render.styled(trust.stale, "red")
    elif trust.freshness:
        yield "fresh until", words.when(trust.freshness.expires, now)
    for what, one in trust.refused.items():
        yield "refused", render.styled(f"{what}: {one.message} ({one.code})", "yellow")
    if trust.yanked:
        yield "yanked", render.styled(f"what runs here was taken back: {trust.yanked}", "red")
    for warning in trust.warnings:
        yield "warning", render.styled(warning, "yellow")


def _backup(status: Status, backups: tuple[Dump, ...], now: datetime) -> str | Text:
    if status.backup_failure:
        why = f"the daily one fails ({status.backup_failure}): koprogo-agent backup create"
        return render.styled(why, "red")
    if status.restore_refused:
        return render.styled(f"{status.restore_refused.said}; koprogo-agent doctor", "red")
    if not backups:
        return "none yet" if status.installed else ""
    newest = backups[-1]
    made = datetime.fromtimestamp(newest.path.stat().st_mtime, tz=now.tzinfo)
    return f"{words.size(newest.size)}, {words.when(made, now)}, {newest.path}"


def _row(one: PastOperation) -> tuple[str | Text, ...]:
    operation, state = one.operation, one.operation.state
    came = f"{operation.previous.tag} → " if operation.previous else ""
    return (
        words.local(operation.started),
        f"{operation.kind} {came}{operation.tag}",
        render.styled(_word(one.outcome), _OUTCOMES[one.outcome]),
        span((one.ended - operation.started).total_seconds()),
        _met(operation.met),
        str(state.failed or ""),
        words.brief(state.cause.message, _WHY) if state.cause else "",
    )


def _met(met: Met | None) -> str:
    if met is None:
        return ""
    if met.away:
        return f"without it {span(met.away)}"
    return f"waited {span(met.waited)}" if met.waited else "no wait"


def _word(outcome: str) -> str:
    return outcome.replace("_", " ")
