"""The report: where an instance stands, and what has changed there.

It holds no host name, domain, address, user count or content: what is a word comes from the agent's
own vocabulary, what is a name is the name of a release.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from koprogo_agent.wire import LIMIT, SCHEMA, checks

_KEY_BYTES = 32
_INSTANCE = re.compile(r"[0-9a-f]{32}")
_RUN = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")


class StateName(StrEnum):
    """The state of an instance in one word."""

    CURRENT = "current"
    UPDATING = "updating"
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    STALE = "stale"
    PAUSED = "paused"
    EMPTY = "empty"
    DOWN = "down"
    """For the server's own use. An older server does not know the word: agents send `down`."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation that has ended.

    Attributes:
        kind: install, update, rollback, restore or heal.
        tag: the release that it was about; None where that is not known.
        outcome: committed, rolled_back, cancelled, postponed or held.
        began: when.
        ended: when.
        seen: when this instance first saw the tag; None where that is not known.
        step: at which it failed, or None.
        code: of the failure, or None.
        waited_ms: milliseconds that a request waited at most; None where users were not let
            through again, or the agent is older than this member; so are the others.
        turned_away: requests that waited for as long as they may, and were told to come back.
        away_ms: milliseconds for which users may have got errors.
    """

    kind: str
    tag: str | None
    outcome: str
    began: int
    ended: int
    seen: int | None = None
    step: str | None = None
    code: str | None = None
    waited_ms: int | None = None
    turned_away: int | None = None
    away_ms: int | None = None

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        checks.words(kind=self.kind, outcome=self.outcome, step=self.step, code=self.code)
        checks.tags(tag=self.tag)
        checks.moments(began=self.began, ended=self.ended, seen=self.seen)
        checks.counts(waited_ms=self.waited_ms, turned_away=self.turned_away, away_ms=self.away_ms)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The newest release that is not installed, and why.

    Attributes:
        tag: its name.
        gate: what it waits for, or is kept out by; `next` where nothing stands against it.
        step: at which it failed here, or None.
        code: why it failed here, or None.
        until: when it is tried again, where that is known.
    """

    tag: str
    gate: str
    step: str | None = None
    code: str | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        checks.tags(tag=self.tag)
        checks.words(gate=self.gate, step=self.step, code=self.code)
        checks.moments(until=self.until)


@dataclass(frozen=True, kw_only=True)
class Transition:
    """Something changed: the state, what is installed, or the agent; or an operation ended.

    Attributes:
        number: rises by one with each; a gap is what the instance had no room to keep.
        at: when.
        state: from then on.
        agent: version of the agent.
        installed: tag; None where nothing is installed, or the release is not known.
        operation: that ended here, or None.
        down: since when the stack was down then, or None while it was up.
    """

    number: int
    at: int
    state: StateName
    agent: str
    installed: str | None = None
    operation: Operation | None = None
    down: int | None = None

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        checks.numbers(number=self.number)
        checks.moments(at=self.at, down=self.down)
        checks.versions(agent=self.agent)
        checks.tags(installed=self.installed)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where an instance stands.

    Attributes:
        instance: its random name (`instance_of`).
        sequence: higher in each report.
        run: drawn anew whenever the agent starts: two that alternate are two machines.
        agent: version of the agent.
        state: now.
        channel: whose releases it follows.
        installed: tag; None where nothing is installed, or the release is not known.
        digest: the fingerprint of what was verified and installed, or None.
        operation: the last one, or None.
        pending: the newest release that is not installed, or None.
        polled: when the source last answered, or None.
        transitions: those that the fleet has not acknowledged, newest first, as many as fit.
        token: single-use, from the association; left out once it was taken.
        down: since when the stack is down, or None while it is up, or not known.
        fault: why it is down, as a word, or None.
        schema: of this report.
    """

    instance: str
    sequence: int
    run: str
    agent: str
    state: StateName
    channel: str
    installed: str | None = None
    digest: str | None = None
    operation: Operation | None = None
    pending: Pending | None = None
    polled: int | None = None
    transitions: tuple[Transition, ...] = ()
    token: str | None = None
    down: int | None = None
    fault: str | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema} is not known here; {SCHEMA} is")
        checks.match(_INSTANCE, instance=self.instance)
        checks.match(_RUN, run=self.run)
        checks.match(_DIGEST, digest=self.digest)
        checks.match(_TOKEN, token=self.token)
        checks.numbers(sequence=self.sequence)
        checks.versions(agent=self.agent)
        checks.names(channel=self.channel)
        checks.tags(installed=self.installed)
        checks.moments(polled=self.polled, down=self.down)
        checks.words(fault=self.fault)
        numbers = [one.number for one in self.transitions]
        if numbers != sorted(set(numbers), reverse=True):
            raise ValueError("transitions are not each once, newest first")


def instance_of(public_key: bytes) -> str:
    """The name of the instance that has this Ed25519 public key of 32 bytes."""
    if len(public_key) != _KEY_BYTES:
        raise ValueError(f"a public key has {_KEY_BYTES} bytes, not {len(public_key)}")
    return hashlib.sha256(public_key).hexdigest()[:32]


def encode(report: Report) -> bytes:
    """The bytes of a report; what is None is left out."""
    return _json(report)


def fitted(report: Report) -> Report:
    """The report with as many of its newest transitions as there is room for."""
    room, kept = LIMIT - len(encode(replace(report, transitions=()))), 0
    for one in report.transitions:
        room -= len(_json(one)) + len(",")
        if room < 0:
            break
        kept += 1
    return replace(report, transitions=report.transitions[:kept])


def _json(part: Report | Transition) -> bytes:
    return json.dumps(_present(asdict(part)), separators=(",", ":"), sort_keys=True).encode()


def _present(value: object) -> object:
    match value:
        case dict():
            return {name: _present(one) for name, one in value.items() if one is not None}
        case tuple():
            return [_present(one) for one in value]
        case _:
            return value
