"""Keys and signatures of the fake world: armoured, and no cryptography in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from koprogo_agent.domain.armour import Purpose, Statement
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.errors import Refused

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
_TYPE = b"ssh-ed25519"


def sign(key: str, purpose: Purpose, payload: bytes) -> str:
    """The signature that whoever is named `key` makes for a purpose."""
    told = hashlib.sha256(f"{key} {purpose} ".encode() + payload).hexdigest()
    return f"{_BEGIN}{key}\n{told}\n{_END}"


def public(key: str) -> str:
    """The public key of whoever is named so."""
    body = hashlib.sha256(key.encode()).digest()
    blob = b"".join(len(part).to_bytes(4) + part for part in (_TYPE, body))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def fingerprint(key: str) -> str:
    """Its fingerprint."""
    blob = base64.b64decode(public(key).partition(" ")[2])
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


class SimSignatures:
    """The signatures port: a signature is good when a key's owner made it of these bytes."""

    def signer(self, statement: Statement, keys: Sequence[Key], at: datetime) -> Signer:  # noqa: ARG002 - the port's
        """Who signed."""
        author = statement.signature.split("\n")[1]
        for key in keys:
            if key.public == public(author) and statement.signature == sign(
                author, statement.purpose, statement.payload
            ):
                return Signer(key.kind, key.fingerprint, key.name)
        raise Refused(
            f"the signature on {statement.subject} is by nobody in the trust root",
            code="signature.unknown_key",
        )
