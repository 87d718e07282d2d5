"""People with keys, the chain of trust roots in which they come and go, and what they sign."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.lab.keys import Signer, SshKey
from tests.lab.lab import Lab
from tests.lab.manifest import canonical, cosignatures
from tests.lab.releases import Draft, TagText
from tests.lab.trust import (
    COSIGN_NAMESPACE,
    FRESHNESS_NAMESPACE,
    PLAIN_ROLES,
    ROOT_NAMESPACE,
    Document,
    describe_freshness,
    describe_root,
    entry,
    envelope,
    instant,
    known_keys,
    signature,
)

FRESHNESS = "freshness.json"
LONG_AGO = "Release Manager <release@koprogo.example> 1577836800 +0000"
"""A tagger who says that it is the beginning of 2020."""


def hours(number: float) -> str:
    """The instant so many hours from now, or ago, as documents write it."""
    return instant(datetime.now(UTC) + timedelta(hours=number))


@dataclass
class Chain:
    """The trust roots of a lab's association, written by its own hand.

    Attributes:
        keys: every key that a root may list, by its name.
        roles: who may do what in the next root.
        signers: who signs the next root, so that it follows.
        version: the newest root that is published and meant.
    """

    lab: Lab
    keys: dict[str, Document]
    roles: dict[str, tuple[Sequence[str], int]]
    signers: Sequence[Signer]
    version: int = 1
    _made: dict[str, SshKey] = field(default_factory=dict)

    @classmethod
    def of(cls, lab: Lab) -> Chain:
        """It begins with the first root of the lab."""
        return cls(lab, known_keys(lab.keys), dict(PLAIN_ROLES), [lab.keys.ssh])

    def person(self, name: str, **changes: object) -> SshKey:
        """Somebody with a key of their own; the changes are to what roots say of it."""
        if name not in self._made:
            self._made[name] = SshKey.create(self.lab.root / "people", name)
        self.keys[name] = entry(self._made[name], **changes)
        return self._made[name]

    def admit(self, *names: str) -> None:
        """In the next root these may sign releases too."""
        known, threshold = self.roles["release"]
        self.roles["release"] = ([*known, *names], threshold)

    def raw(
        self,
        signers: Sequence[Signer] | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> bytes:
        """The next root."""
        named = {name for names, _ in self.roles.values() for name in names}
        keys = {name: key for name, key in self.keys.items() if name in named}
        signed = {**describe_root(self.version + 1, keys, self.roles), **(changes or {})}
        return envelope(signed, self.signers if signers is None else signers, ROOT_NAMESPACE)

    def go_on(self, **changes: object) -> None:
        """Publishes the next root, and means it."""
        raw = self.raw(changes=changes)
        self.version += 1
        self.lab.association.publish_root(self.version, raw)

    @contextmanager
    def followed_by(self, raw: bytes) -> Iterator[None]:
        """Something lies where the next root would, for a while."""
        with replaced(self.lab, f"root/{self.version + 1}.json", raw):
            yield


@contextmanager
def replaced(lab: Lab, name: str, raw: bytes | None) -> Iterator[None]:
    """A file of the trust branch is another one, or not there, for a while."""
    association, before = lab.association, lab.association.files.get(name)
    if raw is None:
        del association.files[name]
    association.publish({} if raw is None else {name: raw})
    try:
        yield
    finally:
        association.files.pop(name, None)
        association.publish({} if before is None else {name: before})


def renewal(
    lab: Lab, newer_by: int, signers: Sequence[Signer] | None = None, **changes: object
) -> bytes:
    """A freshness document, newer by so many versions than the one that is published."""
    published = json.loads(lab.association.files[FRESHNESS])["signed"]["version"]
    signed = describe_freshness(published + newer_by, **changes)
    return envelope(
        signed, [lab.association.online] if signers is None else signers, FRESHNESS_NAMESPACE
    )


def vouch(draft: Draft, *signers: Signer, namespace: str = COSIGN_NAMESPACE) -> list[str]:
    """Co-signatures of a draft's manifest."""
    payload = canonical(draft.manifest).encode()
    return [signature(one, payload, namespace) for one in signers]


def tagged(draft: Draft, signer: Signer, vouched: Sequence[str] = (), tagger: str = "") -> bytes:
    """The tag of a draft, signed by somebody, with what others say of it."""
    message = draft.message() + (cosignatures(vouched) if vouched else "")
    raw = TagText(draft.commit, draft.tag, message, tagger=tagger).raw()
    return raw + signer.sign(raw)


def fingerprint(key: Signer) -> str:
    """The fingerprint of a key as trust roots, and the operator's own list, write it."""
    return str(entry(key)["fingerprint"])
