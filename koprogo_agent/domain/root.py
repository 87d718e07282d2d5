"""The trust root: who may say what, by how many keys, and until when.

Its versions form a chain. Version N+1 is believed when it carries the thresholds of N and of
itself, so that an agent that was away for years walks from the version that it was given to the
newest, and nobody can leave one out. Whoever is not in the next version any more is revoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from koprogo_agent.domain.armour import Purpose, Statement
from koprogo_agent.domain.canonical import Fields, Format
from koprogo_agent.domain.envelope import Envelope, open_envelope
from koprogo_agent.domain.keys import NAME, Key, read_key

TYPE = "koprogo-root"
FORM = Format("the trust root", "root.invalid")
MAX_KEYS = 50


class RoleName(StrEnum):
    """Who may do what."""

    ROOT = "root"
    RELEASE = "release"
    FRESHNESS = "freshness"


@dataclass(frozen=True)
class Role:
    """Keys, and how many of them must sign.

    Attributes:
        threshold: distinct keys that must have signed.
    """

    name: RoleName
    keys: tuple[Key, ...]
    threshold: int

    @property
    def era(self) -> str:
        """Names the set of keys: what an earlier set made one remember is void under another.

        So whoever stole keys and raised the version of freshness, or the counter of releases,
        beyond reach has no hold over those who take the keys out (TUF, section 5.3.11).
        """
        prints = "\n".join(sorted(key.fingerprint for key in self.keys))
        return hashlib.sha256(prints.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Root:
    """One version of the trust root; parsed, and not yet believed.

    Attributes:
        keys: all keys that it holds, whatever they may do.
        envelope: the file that it was read from.
        revoked: fingerprints that this machine's operator does not believe, whatever it says.
    """

    product: str
    version: int
    issued: datetime
    expires: datetime
    keys: tuple[Key, ...]
    roles: Mapping[RoleName, Role]
    envelope: Envelope
    revoked: frozenset[str] = frozenset()

    def role(self, name: RoleName) -> Role:
        """One of its three roles."""
        return self.roles[name]

    @property
    def subject(self) -> str:
        """What messages call it."""
        return f"trust root {self.version}"

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is said to be signed."""
        return tuple(self.envelope.statements(self.subject, Purpose.ROOT))

    @property
    def by_one_alone(self) -> tuple[RoleName, ...]:
        """The roles in which a single stolen key is enough; freshness cannot start anything."""
        offline = (RoleName.ROOT, RoleName.RELEASE)
        return tuple(name for name in offline if self.roles[name].threshold == 1)


def read_root(raw: bytes) -> Root:
    """Reads the file of a trust root.

    Raises:
        Refused: anything at all is not as the format says (code `root.invalid`).
    """
    envelope = open_envelope(raw, FORM)
    fields = Fields.of(FORM, envelope.document)
    fields.exactly("type", "format", "product", "version", "issued", "expires", "keys", "roles")
    if fields.text("type") != TYPE or fields.number("format", 1) != 1:
        raise FORM.bad(f"it is not a {TYPE} of format 1")
    issued, expires = fields.period()
    keys = _keys(fields.inner("keys"))
    roles = fields.inner("roles")
    roles.exactly(*RoleName)
    return Root(
        product=fields.text("product", NAME),
        version=fields.number("version", 1),
        issued=issued,
        expires=expires,
        keys=tuple(keys.values()),
        roles={name: _role(name, roles.inner(name), keys) for name in RoleName},
        envelope=envelope,
    )


def _keys(entries: Fields) -> dict[str, Key]:
    if not 1 <= len(entries.values) <= MAX_KEYS:
        raise FORM.bad(f"it must hold 1 to {MAX_KEYS} keys")
    keys = {}
    for name in entries.values:
        if not NAME.fullmatch(name):
            raise FORM.bad(f"a key has the name {name[:80]!r}")
        keys[name] = read_key(name, entries.inner(name))
    if len({key.fingerprint for key in keys.values()}) != len(keys):
        raise FORM.bad("it lists one key under two names")
    return keys


def _role(name: RoleName, entry: Fields, keys: Mapping[str, Key]) -> Role:
    entry.exactly("keys", "threshold")
    names = entry.texts("keys", MAX_KEYS)
    if unknown := [one for one in names if one not in keys]:
        raise FORM.bad(f"role {name} names the key {unknown[0][:80]!r}, which it does not hold")
    if len(set(names)) != len(names):
        raise FORM.bad(f"role {name} names one key twice")
    if not names:
        raise FORM.bad(f"role {name} has no key")
    threshold = entry.number("threshold", 1, len(names))
    return Role(name, tuple(keys[one] for one in names), threshold)
