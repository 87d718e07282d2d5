"""What somebody signed, as it is put before the tools, and what they say to it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from koprogo_agent.adapters.signatures import SigningTools
from koprogo_agent.domain.armour import Kind, Purpose, Statement
from koprogo_agent.domain.keys import Key, ssh_fingerprint
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.errors import Refused
from tests.lab.keys import GpgKey, SshKey
from tests.lab.security_key import SecurityKey

PAYLOAD = b"object c\ntype commit\ntag v1.2.0\n\nRelease 1.2.0\n"
NOW = datetime.now(UTC)


def ssh(key: SshKey | SecurityKey, name: str = "release") -> Key:
    """An SSH key as a trust root lists it."""
    public = " ".join(key.public.split(" ")[:2])
    return Key(name, Kind.SSH, ssh_fingerprint(public), public)


def gpg(key: GpgKey, name: str = "release", export: bytes | None = None) -> Key:
    """A GPG key as a trust root lists it; `export` is what else stands for its public key."""
    public = base64.b64encode(key.public if export is None else export).decode()
    return Key(name, Kind.GPG, key.fingerprint, public)


def said(signature: bytes, payload: bytes = PAYLOAD, purpose: Purpose = Purpose.TAG) -> Statement:
    """What somebody is said to have signed."""
    return Statement("tag v1.2.0", purpose, payload, signature.decode())


def signer(statement: Statement, *keys: Key, at: datetime = NOW) -> Signer:
    """Who signed."""
    return SigningTools().signer(statement, keys, at)


def refusal(statement: Statement, *keys: Key, at: datetime = NOW) -> Refused:
    """Why a signature is refused."""
    with pytest.raises(Refused) as caught:
        signer(statement, *keys, at=at)
    assert caught.value.message.startswith(f"the signature on {statement.subject} ")
    return caught.value
