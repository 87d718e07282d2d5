"""Every git-level rule of a release tag, one forgery at a time."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from koprogo_agent.domain.armour import Kind, Purpose, Statement
from koprogo_agent.domain.tags import MAX_BYTES, SignedTag, TagRef, read_tag
from koprogo_agent.errors import Refused

COMMIT = "c" * 40
HEAD = f"object {COMMIT}\ntype commit\ntag v1.2.0\ntagger Ann <ann@example.org> 1760000000 +0200"
MESSAGE = "Release 1.2.0: été 👩‍💻\n\n\tindented\n"
SSH = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
PGP = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"


def object_id(raw: bytes, kind: str = "tag", algorithm: str = "sha1") -> str:
    """The id that git gives to an object."""
    return hashlib.new(algorithm, b"%s %d\0" % (kind.encode(), len(raw)) + raw).hexdigest()


def read(head: str = HEAD, body: str = MESSAGE + SSH, name: str = "v1.2.0") -> SignedTag:
    """Reads a tag object made of these parts, under its right id."""
    raw = f"{head}\n\n{body}".encode()
    return read_tag(TagRef(name, object_id(raw)), raw)


def refusal(head: str = HEAD, body: str = MESSAGE + SSH, name: str = "v1.2.0") -> Refused:
    """The refusal of a tag object made of these parts."""
    with pytest.raises(Refused) as caught:
        read(head, body, name)
    assert not caught.value.message[0].isupper()
    assert not caught.value.message.endswith(".")
    assert caught.value.message.isprintable(), "a refusal must be safe to print"
    return caught.value


@pytest.mark.parametrize(("block", "kind"), [(SSH, Kind.SSH), (PGP, Kind.GPG)])
def test_a_signed_tag_is_split_into_what_was_signed_and_the_signature(
    block: str, kind: Kind
) -> None:
    """Payload and signature together are the whole object; the message has no signature."""
    tag = read(body=MESSAGE + block)
    raw = f"{HEAD}\n\n{MESSAGE}{block}".encode()
    assert tag.payload + tag.signature.encode() == raw
    assert (tag.commit, tag.message, tag.signature) == (COMMIT, MESSAGE, block)
    assert tag.statement == Statement("tag v1.2.0", Purpose.TAG, tag.payload, block)
    assert tag.statement.kind is kind


def test_a_repository_with_sha256_ids_is_read_in_the_same_way() -> None:
    """The hash follows from the id's length, and the commit's id must have the same length."""
    raw = f"{HEAD.replace(COMMIT, 'd' * 64)}\n\n{MESSAGE}{SSH}".encode()
    ref = TagRef("v1.2.0", object_id(raw, algorithm="sha256"))
    assert read_tag(ref, raw).commit == "d" * 64
    mixed = f"{HEAD}\n\n{MESSAGE}{SSH}".encode()
    with pytest.raises(Refused) as caught:
        read_tag(TagRef("v1.2.0", object_id(mixed, algorithm="sha256")), mixed)
    assert caught.value.code == "tag.malformed"


def test_a_renamed_tag_is_refused() -> None:
    """An old, signed release under a new ref name: `git verify-tag` accepts it."""
    assert refusal(name="v1.3.0").code == "tag.renamed"


@pytest.mark.parametrize("name", ["1.2.0", "v1.2", "v1.2.0+x", "--upload-pack=x", "v1.2.0\n", ""])
def test_a_name_outside_the_grammar_is_refused(name: str) -> None:
    """Nothing but `vMAJOR.MINOR.PATCH[-pre]` is a release."""
    head = HEAD.replace("tag v1.2.0", f"tag {name}")
    assert refusal(head, name=name).code == "version.grammar"


@pytest.mark.parametrize(
    ("kind", "code"), [("tag", "tag.nested"), ("tree", "tag.not_commit"), ("", "tag.not_commit")]
)
def test_only_a_commit_can_be_released(kind: str, code: str) -> None:
    """A nested tag would carry one name outside and another inside."""
    assert refusal(HEAD.replace("type commit", f"type {kind}")).code == code


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace("type commit\n", ""),
        HEAD.replace("type commit\n", "type commit\ntype commit\n"),
        HEAD.replace("tag v1.2.0\n", "tag v1.2.0\ntag v9.9.9\n"),
        "\n".join(reversed(HEAD.split("\n"))),
        f"{HEAD}\nencoding ISO-8859-1",
        f"{HEAD}\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NI\n -----END SSH SIGNATURE-----",
        f"{HEAD}\ngpgsig-sha256 x",
        HEAD.rpartition("\n")[0],
        HEAD.replace(COMMIT, "c" * 39),
        HEAD.replace(COMMIT, "C" * 40),
        HEAD.replace(COMMIT, "c" * 64),
        HEAD.replace(" 1760000000 +0200", ""),
        HEAD.replace("Ann <", "Ann <<"),
    ],
)
def test_headers_are_exactly_the_four_that_git_writes(head: str) -> None:
    """Every header once, in order, in its form; two readers cannot see two different tags."""
    assert refusal(head).code == "tag.malformed"


@pytest.mark.parametrize("body", ["", MESSAGE, MESSAGE + SSH.replace("SSH", "OTHER")])
def test_an_unsigned_tag_is_refused_under_its_own_code(body: str) -> None:
    """The release manager is told what to type."""
    error = refusal(body=body)
    assert (error.code, "git tag -s v1.2.0" in error.advice) == ("tag.unsigned", True)


@pytest.mark.parametrize(
    "body",
    [
        MESSAGE + SSH + SSH,
        MESSAGE + PGP + SSH,
        MESSAGE + SSH + "after\n",
        MESSAGE + SSH + "-----END SSH SIGNATURE-----\n",
        MESSAGE + SSH + "\n",
        MESSAGE + SSH[:-1],
        MESSAGE + SSH.replace("END SSH", "END PGP"),
        MESSAGE + SSH.replace("SIGNATURE-----\nU1", "SIGNATURE-----junk\nU1"),
        MESSAGE + SSH.replace("U1NIU0lH\n", ""),
        MESSAGE + SSH.replace("U1NI", "é"),
        MESSAGE + SSH.replace("SSH SIGNATURE", "PGP MESSAGE"),
        MESSAGE + SSH.replace("SSH SIGNATURE", "SIGNED MESSAGE"),
    ],
)
def test_exactly_one_signature_ends_the_tag(body: str) -> None:
    """Where the signed part ends must not be a matter of opinion."""
    assert refusal(body=body).code == "tag.malformed"


@pytest.mark.parametrize(
    "character", "\0\x07\x1b\r\x7f\x9b\u061c\u200b\u202e\u2028\u2066\ufeff\U000e0041"
)
@pytest.mark.parametrize("where", ["message", "tagger"])
def test_text_that_could_fool_a_reader_is_refused(character: str, where: str) -> None:
    """The message is shown on terminals and in the dashboard: no escapes, no reordering."""
    if where == "message":
        error = refusal(body=f"Release{character} 1.2.0\n{SSH}")
    else:
        error = refusal(HEAD.replace("Ann", f"An{character}n"))
    assert error.code == "tag.malformed"
    assert f"U+{ord(character):04X}" in error.message


def test_a_second_signature_is_told_by_number() -> None:
    """Whoever counter-signed learns why that is refused."""
    assert "2 signature blocks" in refusal(body=MESSAGE + SSH + SSH).message


def test_text_that_is_not_utf8_is_refused() -> None:
    """One encoding, one reading."""
    raw = f"{HEAD}\n\n".encode() + b"caf\xe9\n" + SSH.encode()
    with pytest.raises(Refused, match="not UTF-8") as caught:
        read_tag(TagRef("v1.2.0", object_id(raw)), raw)
    assert caught.value.code == "tag.malformed"


def test_a_tag_without_a_message_is_refused() -> None:
    """Headers that never end are not a tag."""
    raw = HEAD.encode()
    with pytest.raises(Refused, match="blank line") as caught:
        read_tag(TagRef("v1.2.0", object_id(raw)), raw)
    assert caught.value.code == "tag.malformed"


def test_a_tag_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    """A bound on what a hostile source can make the agent parse."""
    assert MAX_BYTES == 512 * 1024
    room = MAX_BYTES - len(f"{HEAD}\n\n\n{SSH}".encode())
    assert read(body="x" * room + "\n" + SSH).message == "x" * room + "\n"
    assert refusal(body="x" * (room + 1) + "\n" + SSH).code == "tag.too_large"


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_a_ref_that_points_straight_at_another_object_is_refused(kind: str) -> None:
    """A lightweight tag has no signature of its own, whatever the commit says."""
    raw = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n"
    with pytest.raises(Refused, match=kind) as caught:
        read_tag(TagRef("v1.2.0", object_id(raw, kind)), raw)
    assert caught.value.code == "tag.lightweight"


@pytest.mark.parametrize(("oid", "code"), [("f" * 40, "tag.altered"), ("f" * 64, "tag.altered")])
def test_bytes_that_are_not_the_listed_object_are_refused(oid: str, code: str) -> None:
    """What came is held against the id that was listed."""
    with pytest.raises(Refused) as caught:
        read_tag(TagRef("v1.2.0", oid), f"{HEAD}\n\n{MESSAGE}{SSH}".encode())
    assert caught.value.code == code


@pytest.mark.parametrize("oid", ["", "f" * 39, "F" * 40, "-" * 40])
def test_an_object_id_is_40_or_64_hex_digits(oid: str) -> None:
    """Ids come from outside and end up in commands."""
    with pytest.raises(Refused) as caught:
        read_tag(TagRef("v1.2.0", oid), b"x")
    assert caught.value.code == "tag.malformed"


PIECES = st.sampled_from(
    [*HEAD.splitlines(keepends=True), "\n", "\n\n", MESSAGE, SSH, PGP, "tag ", "\0", "\x1b[2J"]
)


@given(raw=st.binary(max_size=400) | st.lists(PIECES).map(lambda parts: "".join(parts).encode()))
@example(raw=b"")
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    """No input makes the parser fail in another way, and what it accepts it accounts for whole."""
    try:
        tag = read_tag(TagRef("v1.2.0", object_id(raw)), raw)
    except Refused:
        return
    assert tag.payload + tag.signature.encode() == raw


@given(name=st.text(max_size=40), oid=st.text(max_size=70))
def test_arbitrary_refs_are_refused(name: str, oid: str) -> None:
    """Names and ids from outside never raise anything but Refused."""
    with pytest.raises(Refused):
        read_tag(TagRef(name, oid), b"")
