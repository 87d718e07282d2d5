"""Security keys (FIDO) in software: they sign as one on a USB port does, touched or not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.lab.keys import GIT_NAMESPACE

_APPLICATION = b"ssh:"
_PRESENT = b"\x01"
_ABSENT = b"\x00"
_COUNTER = (7).to_bytes(4)


@dataclass(frozen=True)
class Ed25519Sk:
    """What `ssh-keygen -t ed25519-sk` makes."""

    name: str = "sk-ssh-ed25519@openssh.com"
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def parts(self) -> tuple[bytes, ...]:
        """The public key, as the strings of an OpenSSH key."""
        return (self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),)

    def sign(self, data: bytes) -> bytes:
        """A bare signature."""
        return self.secret.sign(data)


@dataclass(frozen=True)
class EcdsaSk:
    """What `ssh-keygen -t ecdsa-sk` makes."""

    name: str = "sk-ecdsa-sha2-nistp256@openssh.com"
    secret: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def parts(self) -> tuple[bytes, ...]:
        """The curve, and the point on it."""
        point = self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return b"nistp256", point

    def sign(self, data: bytes) -> bytes:
        """A bare signature: two numbers."""
        numbers = decode_dss_signature(self.secret.sign(data, ec.ECDSA(SHA256())))
        return b"".join(_string(one.to_bytes(one.bit_length() // 8 + 1)) for one in numbers)


@dataclass(frozen=True)
class SecurityKey:
    """One of either kind (OpenSSH, PROTOCOL.u2f), which signs for git.

    Attributes:
        flags: what it says, and signs, of whoever is there.
    """

    kind: Ed25519Sk | EcdsaSk
    flags: bytes = _PRESENT

    @property
    def public(self) -> str:
        """The public key as one line: type and base64."""
        return f"{self.kind.name} {base64.b64encode(self._blob).decode()}"

    def alone(self) -> SecurityKey:
        """The same while nobody is there to touch it, as malware uses it."""
        return replace(self, flags=_ABSENT)

    def sign(self, payload: bytes) -> bytes:
        """Sign, with the touch that the flags tell of."""
        # PROTOCOL.sshsig, "Blob format" and "Signed Data".
        meant = b"".join(map(_string, (GIT_NAMESPACE.encode(), b"", b"sha512")))
        data = b"SSHSIG" + meant + _string(hashlib.sha512(payload).digest())
        hashed = hashlib.sha256(_APPLICATION).digest(), hashlib.sha256(data).digest()
        bare = self.kind.sign(hashed[0] + self.flags + _COUNTER + hashed[1])
        signature = _string(self.kind.name.encode()) + _string(bare) + self.flags + _COUNTER
        blob = b"SSHSIG\x00\x00\x00\x01" + _string(self._blob) + meant + _string(signature)
        return "\n".join(_armour(blob)).encode()

    @property
    def _blob(self) -> bytes:
        parts = (self.kind.name.encode(), *self.kind.parts(), _APPLICATION)
        return b"".join(map(_string, parts))


def _armour(blob: bytes) -> Iterator[str]:
    text = base64.b64encode(blob).decode()
    yield "-----BEGIN SSH SIGNATURE-----"
    yield from (text[at : at + 70] for at in range(0, len(text), 70))
    yield "-----END SSH SIGNATURE-----"
    yield ""


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data
