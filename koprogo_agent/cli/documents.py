"""What verbs print with `--json`. The keys are a promise: they may be joined, never renamed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from koprogo_agent import __version__
from koprogo_agent.cli.words import iso
from koprogo_agent.domain.condition import Condition
from koprogo_agent.domain.hold import Met
from koprogo_agent.domain.plan import Step
from koprogo_agent.ports import Dump
from koprogo_agent.reporting.outbox import Heard
from koprogo_agent.selfupdate.standing import OwnStanding
from koprogo_agent.update.journal import PastOperation
from koprogo_agent.update.memory import Quarantined, Refusal
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.outlook import Waiting
from koprogo_agent.update.standing import Drift
from koprogo_agent.update.status import Status
from koprogo_agent.update.trust_stand import TrustStand


def of_status(status: Status, backups: Iterable[Dump]) -> dict[str, Any]:
    """Where the instance stands."""
    polls, last, held, drift = status.polls, status.last, status.held, status.drift
    return {
        "state": str(status.state),
        "summary": status.summary,
        "installed": status.installed,
        "previous": status.previous,
        "floor": status.floor,
        "candidate": status.candidate,
        "waiting": [of_waiting(one) for one in status.waiting],
        "refused": [of_refusal(one) for one in status.refusals],
        "quarantined": [of_quarantined(one) for one in status.quarantined],
        "operation": _live(status.live) if status.live else None,
        "last": {**asdict(last), "at": iso(last.at)} if last else None,
        "polls": {
            "succeeded": iso(polls.succeeded),
            "failing_since": iso(polls.failing_since),
            "failure": asdict(polls.failure) if polls.failure else None,
        },
        "held": {**asdict(held), "by": str(held.by), "since": iso(held.since)} if held else None,
        "drift": _drift(drift) if drift else None,
        "condition": _condition(status.condition) if status.condition else None,
        "backups": [
            {
                "path": str(one.path),
                "bytes": one.size,
                "unrestorable": one.unrestorable or None,
            }
            for one in backups
        ],
        "restore_refused": status.restore_refused.said if status.restore_refused else None,
        "backup_failure": status.backup_failure,
        "trust": _trust(status.trust) if status.trust else None,
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "differences": list(drift.differences),
        "since": iso(drift.since),
        "older": drift.older or None,
        "newer_schema": drift.newer_schema,
    }


def _condition(found: Condition) -> dict[str, Any]:
    return {
        "level": str(found.level),
        "since": iso(found.since),
        "looked": iso(found.looked),
        "reason": found.reason or None,
        "code": found.code or None,
        "service": found.service or None,
        "printed": found.printed or None,
        "asked": found.asked,
        "starting": iso(found.starting),
    }


def of_agent(own: OwnStanding | None) -> dict[str, Any]:
    """Where the agent itself stands."""
    return {
        "version": __version__,
        "looked": iso(own.polls.succeeded) if own else None,
        "candidate": own.next if own else None,
        "waiting": [of_waiting(one) for one in own.waiting] if own else [],
        "quarantined": [of_quarantined(one) for one in own.put_aside] if own else [],
        "stale": (own.stale or None) if own else None,
    }


def of_reports(heard: Heard | None) -> dict[str, Any] | None:
    """How it goes with the reports; null where nobody wants any."""
    if heard is None:
        return None
    return {
        "taken": iso(heard.taken),
        "failing_since": iso(heard.failing_since),
        "failure": heard.failure or None,
        "verified": heard.verified,
        "notice": heard.notice or None,
    }


def _trust(trust: TrustStand) -> dict[str, Any]:
    root, freshness = trust.root, trust.freshness
    return {
        "root": {
            "version": root.version,
            "sha256": root.envelope.sha256,
            "expires": iso(root.expires),
            "roles": {
                name: {"threshold": role.threshold, "keys": [key.name for key in role.keys]}
                for name, role in root.roles.items()
            },
        },
        "freshness": {
            "version": freshness.version,
            "expires": iso(freshness.expires),
            "channels": {
                name: {"version": str(one.version), "counter": one.counter}
                for name, one in freshness.channels.items()
            },
        }
        if freshness
        else None,
        "stale": trust.stale or None,
        "refused": {
            what: {**asdict(one), "since": iso(one.since)} for what, one in trust.refused.items()
        },
        "yanked": trust.yanked or None,
        "warnings": list(trust.warnings),
    }


def of_waiting(one: Waiting) -> dict[str, Any]:
    """A newer release that is not installed now."""
    return {**asdict(one), "gate": str(one.gate), "until": iso(one.until)}


def of_refusal(one: Refusal) -> dict[str, Any]:
    """A tag that a rule of trust keeps out."""
    return {**asdict(one), "at": iso(one.at)}


def of_quarantined(one: Quarantined) -> dict[str, Any]:
    """A release that failed here."""
    return {**asdict(one), "at": iso(one.at)}


def of_past(one: PastOperation) -> dict[str, Any]:
    """An operation that has ended."""
    operation, state = one.operation, one.operation.state
    return {
        "id": operation.id,
        "operation": str(operation.kind),
        "tag": operation.tag,
        "previous": operation.previous.tag if operation.previous else None,
        "outcome": str(one.outcome),
        "started": iso(operation.started),
        "ended": iso(one.ended),
        "seconds": round((one.ended - operation.started).total_seconds(), 3),
        "failed_step": str(state.failed) if state.failed else None,
        "cause": asdict(state.cause) if state.cause else None,
        "backup": operation.fact(Step.BACKUP, "path"),
        **of_met(operation.met),
        "facts": {str(step): dict(facts) for step, facts in operation.facts.items()},
    }


def of_met(met: Met | None) -> dict[str, Any]:
    """What users met in an operation; null where they were not let through yet."""
    return {
        "waited_seconds": round(met.waited, 3) if met else None,
        "turned_away": met.turned_away if met else None,
        "away_seconds": round(met.away, 3) if met else None,
    }


def _live(operation: Operation) -> dict[str, Any]:
    state = operation.state
    return {
        "id": operation.id,
        "operation": str(operation.kind),
        "tag": operation.tag,
        "previous": operation.previous.tag if operation.previous else None,
        "started": iso(operation.started),
        "course": str(state.course),
        "step": str(state.action),
        "cause": asdict(state.cause) if state.cause else None,
    }
