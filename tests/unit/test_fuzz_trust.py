"""What reads bytes from outside, fuzzed: it reads them or refuses them, and does nothing else.

The readers, and what must be true of what they accept, are in `tests/fuzz/readers.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from koprogo_agent.adapters.git import read_listing
from koprogo_agent.domain.canonical import Format, decode, encode
from koprogo_agent.domain.tags import TagRef, read_tag
from koprogo_agent.errors import Refused
from tests.fuzz.damage import JSON, QUICK, TOKENS, damaged, rewritten
from tests.fuzz.readers import READERS, attempt, canonical, text
from tests.simulation.origin import git_id

NAMES = pytest.mark.parametrize("name", READERS)
JSON_NAMES = pytest.mark.parametrize("name", ["manifest", "root", "freshness"])
FORM = Format("it", "it.invalid")

# --- nothing but a reading or a refusal


@NAMES
def test_the_seeds_are_accepted(name: str) -> None:
    """Else what follows would look at refusals only."""
    assert all(attempt(name, seed) is not None for seed in READERS[name].seeds)


@NAMES
@QUICK
@given(raw=st.binary(max_size=300) | st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join))
@example(raw=b"")
def test_arbitrary_bytes(name: str, raw: bytes) -> None:
    """Whatever comes is read, and accounted for, or refused."""
    attempt(name, raw)


@NAMES
@QUICK
@given(data=st.data())
def test_damaged_bytes(name: str, data: st.DataObject) -> None:
    """So is what was good before it was damaged; where it is JSON, in its canonical form too."""
    raw = data.draw(damaged(READERS[name].seeds))
    attempt(name, raw)
    attempt(name, canonical(raw))


@JSON_NAMES
@QUICK
@given(data=st.data())
def test_rewritten_documents(name: str, data: st.DataObject) -> None:
    """And what has the form of a document, but not its content."""
    attempt(name, data.draw(rewritten(READERS[name].seeds)))


@QUICK
@given(raw=damaged(READERS["manifest"].seeds), listed=JSON)
def test_damaged_blocks_of_a_message(raw: bytes, listed: Any) -> None:  # noqa: ANN401 - any JSON
    """A manifest and co-signatures between their markers, so that they are found at all."""
    line = canonical(json.dumps(listed).encode())
    signatures = line if isinstance(listed, list) else b"[" + line + b"]"
    release = b"-----BEGIN KOPROGO RELEASE-----\n%b\n-----END KOPROGO RELEASE-----\n" % raw
    markers = b"-----BEGIN KOPROGO COSIGNATURES-----\n%b\n-----END KOPROGO COSIGNATURES-----\n"
    attempt("claim", release + markers % signatures)
    attempt("cosignatures", markers % signatures)


@QUICK
@given(
    ref=st.text(max_size=40) | st.sampled_from(["v1.2.0", "v1.2.0\n", "v1.2.0^{}"]),
    oid=st.text(max_size=70) | st.from_regex(r"[0-9a-f]{40}([0-9a-f]{24})?", fullmatch=True),
    raw=damaged(READERS["tag"].seeds),
)
def test_a_tag_under_any_name_and_id(ref: str, oid: str, raw: bytes) -> None:
    """Nobody finds the bytes of an id by chance; names are no less from outside."""
    with pytest.raises(Refused):
        read_tag(TagRef(ref, oid), raw)


@QUICK
@given(raw=st.binary(max_size=400) | damaged((b"a" * 40 + b"\trefs/tags/v1.2.0\n",)))
def test_a_listing_is_read_line_by_line(raw: bytes) -> None:
    """What `ls-remote` prints: a line that is not wholly an id and a ref is passed over."""
    lines = raw.decode(errors="replace").split("\n")
    listing = read_listing(raw, "trust")
    for tag in listing.tags:
        assert f"{tag.oid}\trefs/tags/{tag.name}" in lines
        assert len(tag.oid) in {40, 64}
        assert 1 <= len(tag.name) <= 255
        with pytest.raises(Refused):
            read_tag(tag, raw)
    assert listing.trust is None or f"{listing.trust}\trefs/heads/trust" in lines


# --- one text for each content, one content for each text


@QUICK
@given(content=JSON)
def test_what_is_encoded_is_decoded_to_the_same(content: object) -> None:
    """All that can be written at all; the text of a content is the only one."""
    try:
        raw = encode(content)
    except ValueError:  # no numbers and no text that others would read otherwise
        return
    assert decode(raw, FORM, 1 << 20) == content
    assert encode(decode(raw, FORM, 1 << 20)) == raw


@QUICK
@given(raw=st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode))
def test_what_is_decoded_is_encoded_to_the_same(raw: bytes) -> None:
    """Of several texts with one content all but one are refused."""
    try:
        content = decode(raw, FORM, 1 << 20)
    except Refused:
        return
    assert encode(content) == raw


@NAMES
@QUICK
@given(data=st.data())
def test_no_byte_can_be_changed_unseen(name: str, data: st.DataObject) -> None:
    """It is refused, or what was read is another: its hash, its signatures, its message."""
    good = READERS[name].seeds[0]
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    found = attempt(name, good[:at] + bytes([other]) + good[at + 1 :])
    assert found is None or found != attempt(name, good)


@QUICK
@given(data=st.data())
def test_no_byte_of_a_tag_can_be_changed_under_its_id(data: st.DataObject) -> None:
    """The id that the source listed is the hash of all of them."""
    (good,) = READERS["tag"].seeds
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    with pytest.raises(Refused) as caught:
        read_tag(TagRef("v1.2.0", git_id("tag", good)), good[:at] + bytes([other]) + good[at + 1 :])
    assert caught.value.code == "tag.altered"


@QUICK
@given(st.binary(max_size=50))
def test_text_of_any_bytes_is_the_same_bytes(raw: bytes) -> None:
    """So that the readers of text are fuzzed by bytes, lone surrogates included."""
    assert text(raw).encode(errors="surrogateescape") == raw
