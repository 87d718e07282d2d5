"""Whether somebody touched the security key that made an SSH signature.

Whoever has taken over a computer may use every key that is plugged into it, but for those that
want a finger. `ssh-keygen` does not ask for the touch when it verifies a signature; `sshd` does.
"""

from __future__ import annotations

import base64

_MAGIC = b"SSHSIG\x00\x00\x00\x01"
_OF_SECURITY_KEYS = (b"sk-", b"webauthn-sk-")
_USER_PRESENT = 0x01


def untouched(signature: str) -> bool:
    """Whether an armoured SSH signature is one of a security key that nobody touched.

    Only of a signature that was found to be good does this mean anything: the flags are part of
    what the key signed. Its parts are those of OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f.
    """
    lines = (line for line in signature.split("\n") if not line.startswith("-----"))
    rest = base64.b64decode("".join(lines)).removeprefix(_MAGIC)
    for _ in ("public key", "namespace", "reserved", "hash algorithm"):
        _, rest = _string(rest)
    made, _ = _string(rest)
    kind, made = _string(made)
    _, flags_and_counter = _string(made)
    present = bool(flags_and_counter) and bool(flags_and_counter[0] & _USER_PRESENT)
    return kind.startswith(_OF_SECURITY_KEYS) and not present


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The first string (RFC 4251, section 5: its length, then its bytes), and what follows it."""
    end = 4 + int.from_bytes(data[:4])
    return data[4:end], data[end:]
