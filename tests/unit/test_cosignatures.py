"""Co-signatures in a tag's message: what is read, and everything that is refused."""

from __future__ import annotations

import json

import pytest

from koprogo_agent.domain.armour import MAX_SIGNATURES, Purpose, Statement
from koprogo_agent.domain.cosignatures import (
    BEGIN,
    END,
    MAX_BYTES,
    read_cosignatures,
    write_cosignatures,
)
from koprogo_agent.domain.tags import TagRef, read_tag
from koprogo_agent.errors import Refused
from tests.simulation.origin import git_id, tag_object

SSH = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
PGP = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"
SUBJECT, PAYLOAD = "the manifest of v1.2.0", b'{"format":1}'


def block(line: str) -> str:
    """A message with this line between the markers."""
    return f"KoproGo 1.2.0\n\n{BEGIN}\n{line}\n{END}\n"


def refusal(message: str, payload: bytes | None = PAYLOAD) -> str:
    """Why a message is refused."""
    with pytest.raises(Refused) as caught:
        read_cosignatures(message, SUBJECT, payload)
    assert caught.value.code == "cosignatures.invalid"
    assert caught.value.message.startswith("the block of co-signatures is refused: ")
    return caught.value.message


def test_each_is_a_statement_about_the_manifest() -> None:
    """For a purpose of their own: what was made for a tag says nothing here."""
    message = f"KoproGo 1.2.0\n\n{write_cosignatures([SSH, PGP])}\nBye\n"
    assert read_cosignatures(message, SUBJECT, PAYLOAD) == (
        Statement(SUBJECT, Purpose.RELEASE, PAYLOAD, SSH),
        Statement(SUBJECT, Purpose.RELEASE, PAYLOAD, PGP),
    )


def test_where_there_are_none_there_is_no_block() -> None:
    """Nothing is written, and nothing is read; with or without a manifest."""
    assert write_cosignatures([]) == ""
    assert read_cosignatures("KoproGo 1.2.0\n", SUBJECT, PAYLOAD) == ()
    assert read_cosignatures("KoproGo 1.2.0\n", SUBJECT, None) == ()


def test_the_block_is_no_signature_of_the_tag() -> None:
    """Armour inside of it begins no line, so the tag's own signature is still the only one."""
    message = f"KoproGo 1.2.0\n\n{write_cosignatures([SSH, PGP])}"
    raw = tag_object("v1.2.0", "c" * 40, message)
    tag = read_tag(TagRef("v1.2.0", git_id("tag", raw)), raw)
    assert len(read_cosignatures(tag.message, SUBJECT, PAYLOAD)) == 2


def test_without_a_manifest_they_are_about_nothing() -> None:
    """A block that nobody would check must not look like a threshold."""
    assert "no manifest" in refusal(write_cosignatures([SSH]), payload=None)


@pytest.mark.parametrize(
    "message",
    [
        BEGIN,
        END,
        f"{BEGIN}\n{END}",
        f"{END}\n[]\n{BEGIN}",
        f"{BEGIN}\n[]\n[]\n{END}",
        write_cosignatures([SSH]) * 2,
    ],
)
def test_a_second_or_a_broken_block_is_refused(message: str) -> None:
    """One block or none, nothing in between; whether there is a manifest or not."""
    assert refusal(message)
    assert refusal(message, payload=None)


@pytest.mark.parametrize(
    "content",
    [None, 1, "x", SSH, {}, {"0": SSH}, [], [1], [None], [[SSH]], [""], [SSH[:-1]], [SSH + PGP]],
)
def test_it_is_a_list_of_armoured_signatures(content: object) -> None:
    """Nothing that the tools would read in their own way."""
    line = json.dumps(content, separators=(",", ":"))
    assert refusal(block(line))


def test_one_that_is_none_spoils_them_all() -> None:
    """Whoever wrote the block wrote it otherwise than the tool does."""
    line = json.dumps([SSH, "x"], separators=(",", ":"))
    assert "neither an SSH nor a PGP" in refusal(block(line))


@pytest.mark.parametrize("line", ["", "[", "[1", "NaN", '["\ud800"]', "[" * 50_000, "[ ]"])
def test_what_is_no_canonical_json_is_refused(line: str) -> None:
    """Two readings of one block cannot exist."""
    assert refusal(block(line))


def test_there_are_so_many_and_not_one_more() -> None:
    """Each costs a process to check."""
    assert len(read_cosignatures(write_cosignatures([PGP]), SUBJECT, PAYLOAD)) == 1
    most = write_cosignatures([SSH] * MAX_SIGNATURES)
    assert len(read_cosignatures(most, SUBJECT, PAYLOAD)) == MAX_SIGNATURES == 16
    assert "1 to 16" in refusal(write_cosignatures([SSH] * (MAX_SIGNATURES + 1)))
    assert "1 to 16" in refusal(block("[]"))


def test_a_block_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    """The limit counts before anything is parsed."""
    assert MAX_BYTES == 128 * 1024
    assert "not a list" in refusal(block(f'"{"x" * (MAX_BYTES - 2)}"'))
    assert f"at most {MAX_BYTES}" in refusal(block(f'"{"x" * (MAX_BYTES - 1)}"'))
