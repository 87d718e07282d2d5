"""Trust roots as they are made: the first one, and the next after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.envelope import Envelope
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.root import TYPE, RoleName, Root, read_root
from koprogo_agent.errors import NeedsOperator


@dataclass(frozen=True)
class Change:
    """What is to be otherwise in a trust root.

    Attributes:
        add: keys of people, who may sign roots, releases and freshness.
        online: keys that may sign freshness alone.
        remove: names of keys that may sign nothing any more.
        threshold: how many people must sign a release, where that changes.
        root_threshold: how many must sign the next trust root; where it is not given, as many as
            must sign a release, if that changes.
        valid: how long the trust root is good.
    """

    valid: timedelta
    add: tuple[Key, ...] = ()
    online: tuple[Key, ...] = ()
    remove: tuple[str, ...] = ()
    threshold: int | None = None
    root_threshold: int | None = None


@dataclass
class _Sheet:
    """A trust root on which changes are made."""

    keys: dict[str, Key] = field(default_factory=dict)
    roles: dict[RoleName, list[str]] = field(default_factory=lambda: {one: [] for one in RoleName})
    thresholds: dict[RoleName, int] = field(default_factory=lambda: dict.fromkeys(RoleName, 1))

    def remove(self, name: str) -> None:
        if name not in self.keys:
            raise NeedsOperator(
                f"the trust root has no key {name}",
                code="key.name",
                advice=f"it has: {', '.join(self.keys)}",
            )
        del self.keys[name]
        for names in self.roles.values():
            if name in names:
                names.remove(name)

    def add(self, key: Key, roles: Sequence[RoleName]) -> None:
        known = self.keys.get(key.name)
        if known is not None:
            raise NeedsOperator(
                f"the trust root has a key {key.name} already",
                code="key.name",
                advice=f"to put another in its place: --remove {key.name} with it",
            )
        for other in self.keys.values():
            if other.fingerprint == key.fingerprint:
                raise NeedsOperator(
                    f"the key of {key.name} is the one of {other.name}: everybody needs their own",
                    code="key.twice",
                )
        self.keys[key.name] = key
        for role in roles:
            self.roles[role].append(key.name)


def first_root(product: str, change: Change, now: datetime) -> Root:
    """The first trust root; raises as `next_root`."""
    sheet = _Sheet()
    _apply(sheet, change)
    return _made(product, 1, sheet, change.valid, now)


def next_root(current: Root, change: Change, now: datetime) -> Root:
    """The version after another.

    Raises:
        NeedsOperator: a name is unknown or taken, or nobody could ever reach a threshold (codes
            `key.name`, `key.twice`, `root.threshold`).
    """
    sheet = _Sheet({key.name: key for key in current.keys})
    for name, role in current.roles.items():
        sheet.roles[name] = [key.name for key in role.keys]
        sheet.thresholds[name] = role.threshold
    _apply(sheet, change)
    return _made(current.product, current.version + 1, sheet, change.valid, now)


def _apply(sheet: _Sheet, change: Change) -> None:
    for name in change.remove:
        sheet.remove(name)
    for key in change.online:
        sheet.add(key, (RoleName.FRESHNESS,))
    for key in change.add:
        sheet.add(key, tuple(RoleName))
    if change.threshold is not None:
        sheet.thresholds[RoleName.RELEASE] = change.threshold
        sheet.thresholds[RoleName.ROOT] = change.threshold
    if change.root_threshold is not None:
        sheet.thresholds[RoleName.ROOT] = change.root_threshold
    for role, names in sheet.roles.items():
        threshold = sheet.thresholds[role]
        if not 1 <= threshold <= len(names):
            raise NeedsOperator(
                f"{threshold} of {len(names)} keys can never sign for the role {role}"
                f" ({', '.join(names) or 'it has no key'})",
                code="root.threshold",
                advice=f"more people, or a threshold of at most {len(names)}: --threshold",
            )


def _made(product: str, version: int, sheet: _Sheet, valid: timedelta, now: datetime) -> Root:
    document = {
        "type": TYPE,
        "format": 1,
        "product": product,
        "version": version,
        "issued": instant(now),
        "expires": instant(now + valid),
        "keys": {key.name: _entry(key) for key in sheet.keys.values()},
        "roles": {
            name: {"keys": names, "threshold": sheet.thresholds[name]}
            for name, names in sheet.roles.items()
        },
    }
    return read_root(Envelope(document, ()).raw())


def _entry(key: Key) -> dict[str, Any]:
    return {
        "kind": key.kind,
        "fingerprint": key.fingerprint,
        "public": key.public,
        "valid_from": instant(key.valid_from) if key.valid_from else None,
        "valid_until": instant(key.valid_until) if key.valid_until else None,
    }


def signed(root: Root, signature: str) -> Root:
    """The same root with one more signature."""
    envelope = root.envelope
    return read_root(Envelope(envelope.document, (*envelope.signatures, signature)).raw())


def file_name(root: Root) -> str:
    """What the file of a trust root is called while it is being signed."""
    return f"{root.product}-root-{root.version}.draft.json"
