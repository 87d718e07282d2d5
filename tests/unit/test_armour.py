"""Armoured signatures: what is exactly one, and of which kind."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.armour import Kind, Purpose, Statement, kind_of

SSH = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
PGP = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"


def block(*lines: str) -> str:
    """An SSH signature with these lines in it."""
    inside = "".join(f"{line}\n" for line in lines)
    return f"-----BEGIN SSH SIGNATURE-----\n{inside}-----END SSH SIGNATURE-----\n"


def test_the_kind_of_a_signature_is_told_by_its_markers() -> None:
    """Which tool checks it; nothing is said of whether it is good."""
    assert kind_of(SSH) is Kind.SSH
    assert kind_of(PGP) is Kind.GPG
    assert Statement("tag v1.0.0", Purpose.TAG, b"", PGP).kind is Kind.GPG
    assert Statement("tag v1.0.0", Purpose.TAG, b"", "").kind is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "U1NIU0lH\n",
        "-----BEGIN SSH SIGNATURE-----",
        SSH[:-1],
        f"{SSH}\n",
        f"\n{SSH}",
        f"{SSH}{SSH}",
        f"{SSH}{PGP}",
        SSH.replace("END SSH", "END PGP"),
        SSH.replace("SSH", "OTHER"),
        SSH.replace("SIGNATURE", "MESSAGE"),
        SSH.replace("SIGNATURE-----\nU", "SIGNATURE----- \nU"),
        SSH.replace("\n", "\r\n"),
        SSH.replace("U1", "é"),
        SSH.replace("U1", "\t"),
        SSH.replace("U1", "\x7f"),
        SSH.lower(),
    ],
)
def test_what_is_not_exactly_one_signature_is_none(text: str) -> None:
    """The tools read more than this, and each its own more."""
    assert kind_of(text) is None


def test_a_signature_has_a_line_and_not_too_many() -> None:
    """From 1 to 2000."""
    assert kind_of(block()) is None
    assert kind_of(block("")) is Kind.SSH
    assert kind_of(block(*["x"] * 2000)) is Kind.SSH
    assert kind_of(block(*["x"] * 2001)) is None


def test_a_line_of_a_signature_is_not_too_long() -> None:
    """Up to 100 printable characters of ASCII."""
    assert kind_of(block(" " + "~" * 99)) is Kind.SSH
    assert kind_of(block("x" * 101)) is None


@pytest.mark.parametrize("line", ["-", "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE"])
def test_no_line_of_a_signature_looks_like_a_marker(line: str) -> None:
    """Where it ends must not be a matter of opinion."""
    assert kind_of(block(line)) is None
    assert kind_of(block("x", line, "x")) is None


def test_purposes_are_told_apart() -> None:
    """They are the namespaces of SSH signatures: changing one makes every signature void."""
    assert {one.name: str(one) for one in Purpose} == {
        "TAG": "git",
        "RELEASE": "koprogo-release",
        "ROOT": "koprogo-root",
        "FRESHNESS": "koprogo-freshness",
    }
