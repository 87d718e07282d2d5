"""Touched or not: read from the signature alone."""

from __future__ import annotations

import base64

import pytest

from koprogo_agent.domain.touch import untouched
from tests.lab.security_key import EcdsaSk, Ed25519Sk, SecurityKey

KINDS = pytest.mark.parametrize("kind", [Ed25519Sk, EcdsaSk])


def armoured(blob: bytes) -> str:
    """A signature with these bytes in it."""
    inside = base64.b64encode(blob).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{inside}\n-----END SSH SIGNATURE-----\n"


def string(data: bytes) -> bytes:
    """A string of RFC 4251."""
    return len(data).to_bytes(4) + data


def signature(kind: bytes, flags: bytes) -> str:
    """One in which only the kind and the flags of the signature matter."""
    head = b"SSHSIG\x00\x00\x00\x01" + b"".join(map(string, (b"key", b"git", b"", b"sha512")))
    return armoured(head + string(string(kind) + string(b"bare") + flags))


@KINDS
def test_a_security_key_says_whether_somebody_was_there(kind: type[Ed25519Sk | EcdsaSk]) -> None:
    """By one bit of what it signs."""
    key = SecurityKey(kind())
    assert not untouched(key.sign(b"a release").decode())
    assert untouched(key.alone().sign(b"a release").decode())


@pytest.mark.parametrize("kind", [b"ssh-ed25519", b"rsa-sha2-512", b"ecdsa-sha2-nistp256"])
def test_other_keys_have_nothing_to_touch(kind: bytes) -> None:
    """They say nothing of it, and are not asked."""
    assert not untouched(signature(kind, b""))


@pytest.mark.parametrize(
    "kind", [b"sk-ssh-ed25519@openssh.com", b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"]
)
def test_nothing_but_the_bit_of_presence_counts(kind: bytes) -> None:
    """Neither the others (verified, attested) nor silence stand in for it."""
    for flags in (b"\x01", b"\x05", b"\xff"):
        assert not untouched(signature(kind, flags + bytes(4)))
    for flags in (b"", b"\x00", b"\x04", b"\xfe"):
        assert untouched(signature(kind, flags and flags + b"\x01" * 4))


@pytest.mark.parametrize("blob", [b"", b"SSHSIG", b"\xff" * 40])
def test_what_is_no_signature_is_read_without_a_fault(blob: bytes) -> None:
    """It is never asked of one, and still."""
    assert not untouched(armoured(blob))
