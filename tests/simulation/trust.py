"""The association of the fake world: its trust root, its freshness, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import encode, instant
from tests.simulation.clock import EPOCH
from tests.simulation.origin import KEY, Origin
from tests.simulation.signing import fingerprint, public, sign

LONG = timedelta(days=3650)
ONLINE = "freshness-job"
Roles = Mapping[str, tuple[Sequence[str], int]]
ROLES: Roles = {"root": ((KEY,), 1), "release": ((KEY,), 1), "freshness": ((ONLINE,), 1)}


def document(signed: Mapping[str, Any], purpose: Purpose, signers: Sequence[str]) -> bytes:
    """The file of a document that these people have signed."""
    signatures = [sign(one, purpose, encode(signed)) for one in signers]
    return encode({"signed": signed, "signatures": signatures}) + b"\n"


def root(
    version: int = 1,
    roles: Roles = ROLES,
    signers: Sequence[str] = (KEY,),
    **changes: object,
) -> bytes:
    """A trust root; the names of its keys are those of their owners."""
    names = sorted({name for keys, _ in roles.values() for name in keys})
    keys = {
        name: {
            "kind": "ssh",
            "fingerprint": fingerprint(name),
            "public": public(name),
            "valid_from": None,
            "valid_until": None,
        }
        for name in names
    }
    signed = {
        "type": "koprogo-root",
        "format": 1,
        "product": "koprogo",
        "version": version,
        "issued": instant(EPOCH),
        "expires": instant(EPOCH + LONG),
        "keys": keys,
        "roles": {
            name: {"keys": list(names), "threshold": threshold}
            for name, (names, threshold) in roles.items()
        },
        **changes,
    }
    return document(signed, Purpose.ROOT, signers)


def freshness(version: int = 1, signers: Sequence[str] = (ONLINE,), **changes: object) -> bytes:
    """A freshness document."""
    signed = {
        "type": "koprogo-freshness",
        "format": 1,
        "product": "koprogo",
        "version": version,
        "root": 1,
        "issued": instant(EPOCH),
        "expires": instant(EPOCH + LONG),
        "channels": {},
        "held": {},
        "yanked": {},
        "rollouts": {},
        **changes,
    }
    return document(signed, Purpose.FRESHNESS, signers)


@dataclass
class Association:
    """Who publishes the documents of trust.

    Attributes:
        files: what its trust branch holds.
    """

    origin: Origin
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.publish({"root/1.json": root(), "freshness.json": freshness()})

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Adds or replaces files of the trust branch."""
        self.files |= files
        self.origin.trust = self.origin.commit(self.files, "trust")

    def renew(self, version: int, now: datetime, **changes: object) -> None:
        """Publishes a freshness document that is good for two days."""
        expires = instant(now + timedelta(hours=48))
        values: dict[str, Any] = {"issued": instant(now), "expires": expires, **changes}
        made = freshness(version, **values)
        self.publish({"freshness.json": made})


@dataclass
class SimAnchor:
    """The anchor port.

    Attributes:
        given: the file of the trust root that the machine was given.
        distrusted: fingerprints that its operator does not believe.
    """

    given: bytes = field(default_factory=root)
    distrusted: set[str] = field(default_factory=set)

    def pinned(self) -> bytes:
        """The trust root that the machine was given."""
        return self.given

    def revoked(self) -> frozenset[str]:
        """What is not believed."""
        return frozenset(self.distrusted)
