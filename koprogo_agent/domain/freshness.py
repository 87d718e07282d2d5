"""Freshness: a short-lived document that says which releases there are, and which must wait.

It can hold, delay and yank; it can never authorise. Whoever steals its key, which lies on a server
of a forge, can keep instances from updating until a new trust root takes it out, and nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from koprogo_agent.domain.armour import Purpose, Statement
from koprogo_agent.domain.canonical import Fields, Format
from koprogo_agent.domain.envelope import Envelope, open_envelope
from koprogo_agent.domain.keys import NAME
from koprogo_agent.domain.versions import Version, parse_version

TYPE = "koprogo-freshness"
FORM = Format("the freshness document", "freshness.invalid")
MAX_ENTRIES = 200
LAST_YEAR = 9000
"""A start beyond it could not be reckoned with."""
LONGEST = 366 * 86_400
"""Seconds that a rollout may take."""


@dataclass(frozen=True)
class Highest:
    """The newest release of a channel."""

    version: Version
    counter: int


@dataclass(frozen=True)
class Rollout:
    """How a release reaches the fleet little by little.

    Attributes:
        start: nobody takes it before.
        duration: seconds in which it reaches its share, evenly; 0 for at once.
        share: percent of the instances that it reaches.
    """

    start: datetime
    duration: int
    share: int

    def turn(self, place: float) -> datetime | None:
        """When the instance at a place from 0 to 1 may take the release; None for never."""
        percent = place * 100
        if percent >= self.share:
            return None
        return self.start + timedelta(seconds=self.duration * percent / self.share)


@dataclass(frozen=True)
class Freshness:
    """What the association says of its releases now; parsed, and not yet believed.

    Attributes:
        version: rises with each renewal.
        root: the newest version of the trust root when this was signed.
        channels: channel -> its newest release.
        held: version -> why nobody should take it now.
        yanked: version -> why nobody should ever take it.
        rollouts: version -> when whose turn is.
        envelope: the file that it was read from.
    """

    product: str
    version: int
    root: int
    issued: datetime
    expires: datetime
    channels: Mapping[str, Highest]
    held: Mapping[Version, str]
    yanked: Mapping[Version, str]
    rollouts: Mapping[Version, Rollout]
    envelope: Envelope

    @property
    def subject(self) -> str:
        """What messages call it."""
        return f"freshness {self.version}"

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is said to be signed."""
        return tuple(self.envelope.statements(self.subject, Purpose.FRESHNESS))


def place(instance: str, fingerprint: str) -> float:
    """Where an instance stands in the rollout of a release, from 0 (first) to 1.

    A hash of both, so that nobody is always first.
    """
    digest = hashlib.sha256(f"{instance}\n{fingerprint}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def read_freshness(raw: bytes) -> Freshness:
    """Reads the file of a freshness document.

    Raises:
        Refused: anything at all is not as the format says (code `freshness.invalid`).
    """
    envelope = open_envelope(raw, FORM)
    fields = Fields.of(FORM, envelope.document)
    fields.exactly(
        *("type", "format", "product", "version", "root", "issued", "expires"),
        *("channels", "held", "yanked", "rollouts"),
    )
    if fields.text("type") != TYPE or fields.number("format", 1) != 1:
        raise FORM.bad(f"it is not a {TYPE} of format 1")
    issued, expires = fields.period()
    channels, rollouts = _entries(fields, "channels"), _entries(fields, "rollouts")
    if not all(NAME.fullmatch(name) for name in channels.values):
        raise FORM.bad("a channel's name is none")
    return Freshness(
        product=fields.text("product", NAME),
        version=fields.number("version", 1),
        root=fields.number("root", 1),
        issued=issued,
        expires=expires,
        channels={name: _highest(channels.inner(name)) for name in channels.values},
        held=_reasons(_entries(fields, "held")),
        yanked=_reasons(_entries(fields, "yanked")),
        rollouts={_version(one): _rollout(rollouts.inner(one)) for one in rollouts.values},
        envelope=envelope,
    )


def _entries(fields: Fields, key: str) -> Fields:
    entries = fields.inner(key)
    if len(entries.values) > MAX_ENTRIES:
        raise FORM.bad(f"{key} has more than {MAX_ENTRIES} entries")
    return entries


def _highest(entry: Fields) -> Highest:
    entry.exactly("version", "counter")
    return Highest(_version(entry.text("version")), entry.number("counter", 1))


def _reasons(entries: Fields) -> dict[Version, str]:
    return {_version(one): entries.reason(one) for one in entries.values}


def _rollout(entry: Fields) -> Rollout:
    entry.exactly("start", "duration", "share")
    start = entry.moment("start")
    if start.year > LAST_YEAR:
        raise FORM.bad(f"a rollout starts after the year {LAST_YEAR}")
    return Rollout(start, entry.number("duration", 0, LONGEST), entry.number("share", 0, 100))


def _version(text: str) -> Version:
    return FORM.read(parse_version, text)
