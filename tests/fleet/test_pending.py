"""Logins that have begun: sealed, and for a while."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from koprogo_agent.fleet.openid.pending import LASTS, Pending, Seal

NOW = 1_795_000_000
SECRET = "a secret that the provider has made"
PENDING = Pending("state", "nonce", "verifier")


def test_what_was_sealed_can_be_opened_for_a_while() -> None:
    """By every process that knows the secret."""
    sealed = Seal(SECRET).seal(PENDING, NOW)
    assert [Seal(SECRET).open(sealed, NOW + late) for late in (0, LASTS, LASTS + 1)] == [
        PENDING,
        PENDING,
        None,
    ]


def test_nobody_else_can_read_or_make_one() -> None:
    """Nor with the secret itself, which is for the provider."""
    sealed = Seal(SECRET).seal(PENDING, NOW)
    assert "verifier" not in sealed
    assert Seal(SECRET + "!").open(sealed, NOW) is None


@pytest.mark.parametrize("sealed", ["", "x", "gAAAA" * 40, "é\x00", "x" * 100_000])
def test_whatever_else_is_none(sealed: str) -> None:
    """Nor does it do any harm."""
    assert Seal(SECRET).open(sealed, NOW) is None
    assert Seal(SECRET).open(Fernet(Fernet.generate_key()).encrypt(b"{}").decode(), NOW) is None
