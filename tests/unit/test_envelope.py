"""Signed documents as files: read strictly, and written as they were read."""

from __future__ import annotations

import hashlib

import pytest

from koprogo_agent.domain.armour import MAX_SIGNATURES, Purpose, Statement
from koprogo_agent.domain.canonical import Format, encode
from koprogo_agent.domain.envelope import MAX_BYTES, Envelope, open_envelope
from koprogo_agent.errors import Refused

FORM = Format("the paper", "paper.invalid")
SSH = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
PGP = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"


def refusal(raw: bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(Refused) as caught:
        open_envelope(raw, FORM)
    assert caught.value.code == "paper.invalid"
    return caught.value.message


def test_a_file_is_read_and_written_the_same() -> None:
    """One line; what is signed is the document alone, whoever has signed it so far."""
    raw = encode({"signatures": [SSH, PGP], "signed": {"a": 1}}) + b"\n"
    envelope = open_envelope(raw, FORM)
    assert envelope == Envelope({"a": 1}, (SSH, PGP))
    assert envelope.raw() == raw
    assert envelope.payload == b'{"a":1}'
    assert envelope.sha256 == hashlib.sha256(b'{"a":1}').hexdigest()
    assert envelope.sha256 == Envelope({"a": 1}, ()).sha256


def test_the_newline_at_the_end_may_be_missing_and_no_other_may_be_there() -> None:
    """Editors and forges add or drop one; neither says anything."""
    raw = Envelope({"a": 1}, ()).raw()
    assert open_envelope(raw.rstrip(), FORM) == open_envelope(raw, FORM)
    assert "canonical" in refusal(raw + b"\n")
    assert "canonical" in refusal(raw.rstrip() + b"\r\n")


def test_each_signature_is_a_statement_about_the_same_bytes() -> None:
    """In order, and for one purpose."""
    statements = Envelope({"a": 1}, (SSH, PGP)).statements("the paper", Purpose.ROOT)
    assert list(statements) == [
        Statement("the paper", Purpose.ROOT, b'{"a":1}', SSH),
        Statement("the paper", Purpose.ROOT, b'{"a":1}', PGP),
    ]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"signed": {}},
        {"signatures": []},
        {"signatures": [], "signed": {}, "unsigned": {}},
        {"signatures": SSH, "signed": {}},
        {"signatures": {"0": SSH}, "signed": {}},
        {"signatures": [1], "signed": {}},
        {"signatures": [""], "signed": {}},
        {"signatures": [SSH + SSH], "signed": {}},
        {"signatures": [SSH, "x"], "signed": {}},
    ],
)
def test_a_file_is_a_document_and_armoured_signatures(content: object) -> None:
    """Nothing else lies in it, and nothing that the tools would read in their own way."""
    assert refusal(encode(content))


def test_a_file_carries_so_many_signatures_and_not_one_more() -> None:
    """Each costs a process to check."""
    most = Envelope({}, (SSH,) * MAX_SIGNATURES)
    assert len(open_envelope(most.raw(), FORM).signatures) == MAX_SIGNATURES == 16
    assert "more than 16" in refusal(Envelope({}, (SSH,) * (MAX_SIGNATURES + 1)).raw())


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    """A bound on what a hostile source can make the agent parse."""
    assert MAX_BYTES == 512 * 1024
    room = MAX_BYTES - len(Envelope("", ()).raw().rstrip())
    assert open_envelope(Envelope("x" * room, ()).raw(), FORM).document == "x" * room
    assert "at most" in refusal(Envelope("x" * (room + 1), ()).raw())
