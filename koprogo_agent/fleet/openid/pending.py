"""Logins at the provider that have begun. The browser keeps each of them, sealed.

So nothing is kept here, and any server process can take up what another has begun: all of them
make the key from the secret that they share with the provider.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LASTS = 600
"""Seconds within which somebody has to be back."""
_PURPOSE = b"koprogo-fleet: logins that have begun"


class Pending(msgspec.Struct, frozen=True):
    """What must fit when somebody comes back.

    Attributes:
        state: ties the answer to this browser.
        nonce: ties the token to this login.
        verifier: ties the code to whoever asked for it (PKCE).
    """

    state: str
    nonce: str
    verifier: str


class Seal:
    """Seals them, so that the browser can neither read nor make one."""

    def __init__(self, secret: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
        self._fernet = Fernet(urlsafe_b64encode(key.derive(secret.encode())))

    def seal(self, pending: Pending, now: int) -> str:
        """What the browser is given at a moment, seconds since 1970."""
        return self._fernet.encrypt_at_time(msgspec.json.encode(pending), now).decode()

    def open(self, sealed: str, now: int) -> Pending | None:
        """What was sealed, or None where it was not, or too long ago."""
        try:
            plain = self._fernet.decrypt_at_time(sealed.encode(), LASTS, now)
            return msgspec.json.decode(plain, type=Pending)
        except (InvalidToken, msgspec.DecodeError):
            return None
