"""Armoured signatures, and what a signature claims: the bytes, and what they were signed for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_SIGNATURES = 16
"""Most signatures that anything may carry: each costs a process to check."""

_LINES = r"(?:(?!-)[ -~]{0,100}\n){1,2000}"


class Kind(StrEnum):
    """Which tool makes and checks a signature."""

    SSH = "ssh"
    GPG = "gpg"


_MARKERS = {
    "-----BEGIN SSH SIGNATURE-----": Kind.SSH,
    "-----BEGIN PGP SIGNATURE-----": Kind.GPG,
}


class Purpose(StrEnum):
    """What a signature was made for: the namespace of an SSH signature (PROTOCOL.sshsig).

    A signature that was made for one purpose says nothing for another. GPG knows no namespaces:
    there the signed bytes themselves say what they are.
    """

    TAG = "git"
    RELEASE = "koprogo-release"
    ROOT = "koprogo-root"
    FRESHNESS = "koprogo-freshness"


@dataclass(frozen=True)
class Statement:
    """Bytes that somebody is said to have signed; nothing about it is checked yet.

    Attributes:
        subject: what messages call that which was signed: `tag v1.2.0`.
        purpose: what it must have been signed for.
        payload: the exact bytes.
        signature: one armoured signature.
    """

    subject: str
    purpose: Purpose
    payload: bytes
    signature: str

    @property
    def kind(self) -> Kind | None:
        """Which tool checks it; None for what is no armoured signature."""
        return kind_of(self.signature)


def kind_of(signature: str) -> Kind | None:
    """The kind of a text that is exactly one armoured signature; None for any other."""
    marker = signature.split("\n", 1)[0]
    kind = _MARKERS.get(marker)
    block = rf"{marker}\n{_LINES}{marker.replace('BEGIN', 'END')}\n"
    return kind if kind and re.fullmatch(block, signature) else None
