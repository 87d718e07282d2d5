"""Whose signatures count, and whether they are enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.root import Role, Root
from koprogo_agent.errors import Refused

_NOT_YET = "signature.not_yet"
"""Code of a refusal that time alone may mend."""


@dataclass(frozen=True)
class Signer:
    """Who signed: the identity that a key proved.

    Attributes:
        kind: `ssh` or `gpg`.
        key: fingerprint of the key; for GPG that of the primary key.
        name: the name that the trust root gives to the key.
    """

    kind: str
    key: str
    name: str


@dataclass(frozen=True)
class Testimony:
    """What became of the signatures under one thing.

    Attributes:
        signers: who made the good ones, in order; a key may be there twice.
        doubts: what is wrong with each of the others, in words.
    """

    signers: tuple[Signer, ...]
    doubts: tuple[str, ...] = ()


def require_entitled(subject: str, signer: Signer, root: Root, role: Role, at: datetime) -> None:
    """The signer's key must be one of a role's, and valid at an instant.

    Raises:
        Refused: codes `signature.revoked`, `signature.role`, `signature.not_yet`,
            `signature.expired`.
    """
    objection = _objection(signer, root, role, at)
    if objection is not None:
        code, why = objection
        raise Refused(
            f"the signature on {subject} was made with the key {signer.name} ({signer.key}),"
            f" which {why}",
            code=code,
        )


def require_quorum(
    subject: str, testimony: Testimony, root: Root, role: Role, at: datetime
) -> tuple[Signer, ...]:
    """As many distinct keys of a role as its threshold demands must have signed.

    Returns:
        Those who count, each once.

    Raises:
        Refused: they are too few (code `trust.threshold`), or will be enough once the keys of some
            are valid (`signature.not_yet`).
    """
    counted: dict[str, Signer] = {}
    later: set[str] = set()
    doubts = list(testimony.doubts)
    for signer in testimony.signers:
        objection = _objection(signer, root, role, at)
        if objection is None:
            counted.setdefault(signer.key, signer)
            continue
        code, why = objection
        doubts.append(f"the key {signer.name} does not count: it {why}")
        later |= {signer.key} if code == _NOT_YET else set()
    if len(counted) < role.threshold:
        raise Refused(
            f"{subject} is signed by {len(counted)} of the {role.threshold} keys that must sign it:"
            f" {_names(counted.values()) or 'none'}{''.join(f'; {one}' for one in doubts)}",
            code=_NOT_YET if len(later | counted.keys()) >= role.threshold else "trust.threshold",
            advice=f"these may sign: {_listed(role)}; forward this to the release manager",
        )
    return tuple(counted.values())


def _objection(signer: Signer, root: Root, role: Role, at: datetime) -> tuple[str, str] | None:
    """Why a key does not count, as a code and in words; None where it does."""
    if signer.key in root.revoked:
        return "signature.revoked", "is revoked on this machine"
    key = next((one for one in role.keys if one.fingerprint == signer.key), None)
    if key is None:
        return "signature.role", f"is not one of the {role.name} keys of {root.subject}"
    if key.valid_from is not None and at < key.valid_from:
        return _NOT_YET, f"is not valid before {key.valid_from.isoformat()}"
    if key.valid_until is not None and at >= key.valid_until:
        return "signature.expired", f"is not valid since {key.valid_until.isoformat()}"
    return None


def _names(signers: Iterable[Signer]) -> str:
    return ", ".join(signer.name for signer in signers)


def _listed(role: Role) -> str:
    return ", ".join(key.name for key in role.keys)
