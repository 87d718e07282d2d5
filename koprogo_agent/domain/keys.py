"""Public keys as a trust root lists them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.armour import Kind
from koprogo_agent.domain.canonical import Fields
from koprogo_agent.errors import Refused

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_SSH = re.compile(
    r"(ssh-ed25519|sk-ssh-ed25519@openssh\.com|ecdsa-sha2-nistp(?:256|384|521)"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com|ssh-rsa) ([A-Za-z0-9+/]{40,3000}={0,2})"
)
_SSH_LINE = re.compile(rf"{_SSH.pattern}(?: [^\n]*)?\n?")
_GPG_FINGERPRINT = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{1,40000}={0,2}")
_OPENPGP_KEY = frozenset({0x98, 0x99, 0x9A, 0x9B, 0xC6})
"""First bytes of a public key packet: tag 6, in an old or a new header (RFC 9580, section 4.2)."""


@dataclass(frozen=True)
class Key:
    """One public key.

    Attributes:
        name: what the trust root calls it, and messages too.
        fingerprint: `SHA256:…` as `ssh-keygen -l` shows it; for GPG that of the primary key. Keys
            are told apart by it alone.
        public: for SSH its type and base64, apart by a space; for GPG base64 of `gpg --export`.
        valid_from: it signs nothing before that, where it is given.
        valid_until: it signs nothing from that instant on, where it is given.
    """

    name: str
    kind: Kind
    fingerprint: str
    public: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def ssh_fingerprint(public: str) -> str:
    """The fingerprint of an OpenSSH public key: one line, which a comment may end.

    Raises:
        Refused: it is none of the kinds that may sign (code `key.malformed`).
    """
    match = _SSH_LINE.fullmatch(public)
    try:
        blob = base64.b64decode(match[2] if match else "", validate=True)
    except binascii.Error as error:
        raise _malformed() from error
    # The blob names its own type first: whoever reads only one of the two would read another key.
    if match is None or not blob.startswith(len(match[1]).to_bytes(4) + match[1].encode()):
        raise _malformed()
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def read_key(name: str, entry: Fields) -> Key:
    """A key from its entry in a trust root.

    Raises:
        Refused: it is not as the format says.
    """
    entry.exactly("kind", "fingerprint", "public", "valid_from", "valid_until")
    kind = entry.text("kind")
    fingerprint, public = entry.text("fingerprint"), entry.text("public")
    if kind == Kind.SSH and _SSH.fullmatch(public):
        good = entry.form.read(ssh_fingerprint, public) == fingerprint
    elif kind == Kind.GPG and _GPG_FINGERPRINT.fullmatch(fingerprint):
        good = _is_openpgp(public)
    else:
        good = False
    if not good:
        raise entry.form.bad(f"the key {name} is not one of its kind, or not of its fingerprint")
    valid_from, valid_until = (
        None if entry.values[field] is None else entry.moment(field)
        for field in ("valid_from", "valid_until")
    )
    return Key(name, Kind(kind), fingerprint, public, valid_from, valid_until)


def _is_openpgp(public: str) -> bool:
    """Whether a text is base64 of what begins as an OpenPGP public key."""
    if not _BASE64.fullmatch(public):
        return False
    try:
        return base64.b64decode(public, validate=True)[0] in _OPENPGP_KEY
    except binascii.Error:
        return False


def _malformed() -> Refused:
    return Refused(
        "this is no OpenSSH public key of a kind that may sign (ed25519, ecdsa, rsa or sk-)",
        code="key.malformed",
        advice="write the line of the .pub file, as ssh-keygen made it",
    )
