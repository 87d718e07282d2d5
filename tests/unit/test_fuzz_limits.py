"""The worst that a hostile source can send: read or refused within bounds of memory and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from koprogo_agent.adapters.git import read_listing
from koprogo_agent.domain import cosignatures, envelope, manifest, tags
from koprogo_agent.domain.canonical import encode
from tests.cases import document
from tests.fuzz.damage import cost, fill
from tests.fuzz.readers import READERS, attempt

MOST_MEMORY = 48 << 20
"""Bytes that reading one thing may take at its worst: some 90 times the largest of them."""

MOST_SECONDS = 2.0
"""All of it takes less than 0.1 s; where time grew faster than the input it would be minutes."""

LIMITS = {
    "tag": tags.MAX_BYTES,
    "claim": tags.MAX_BYTES,
    "manifest": manifest.MAX_BYTES,
    "root": envelope.MAX_BYTES,
    "freshness": envelope.MAX_BYTES,
    "cosignatures": cosignatures.MAX_BYTES,
    "kind": tags.MAX_BYTES,
    "fingerprint": envelope.MAX_BYTES,
    "version": envelope.MAX_BYTES,
}
HEAD = f"object {'c' * 40}\ntype commit\ntag v1.2.0\ntagger A <a@b> 1 +0000"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
SSH = f"{BEGIN}x\n{END}"


def values(room: int) -> Iterator[bytes]:
    """JSON values that take much more memory than room, and those that take long to read."""
    for unit in ("[],", "{},", '{"a":1},', "1.5,", "1000,", '"\U0001f600x",'):
        yield fill(room, "[", unit, f"{unit.rstrip(',')}]")
    for unit in ("[", '{"a":', "9", "-", '"'):
        yield fill(room, "", unit)
    yield fill(room, '"', "\\u001b", '"')
    yield fill(room, '"\U0001f600', "x", '"')
    yield fill(room, "[", f"{'9' * 4300},", "1]")
    names = ",".join(f'"{number:06x}":0' for number in range((room - 2) // 11))
    yield f"{{{names}}}".encode()


def signed(value: bytes) -> bytes:
    """The file of a document that is this value."""
    return encode({"signatures": [], "signed": "@"}).replace(b'"@"', value)


def with_field(key: str, value: bytes) -> bytes:
    """A manifest with this value in a field."""
    return encode(document(**{key: "@"})).replace(b'"@"', value)


def image(repository: bytes) -> bytes:
    """A manifest with an image from this repository."""
    images = {"b": {"repository": "@", "digest": f"sha256:{'1' * 64}"}}
    return encode(document(images=images)).replace(b"@", repository)


def worst_manifests() -> Iterator[bytes]:
    """What each pattern of a manifest has to chew on."""
    room = LIMITS["manifest"] - 900
    yield from (with_field("format", one) for one in values(room))
    for parts in (
        *(("", "a-", "a!"), ("", "a/"), ("", "-", "a"), ("", "a", "!"), ("", "a__", "!")),
        *(("", "a.", "a"), ("", "a/b.c_d--e", "!"), ("", "a--", "-"), ("a:1/", "a/", "!")),
    ):
        yield image(fill(room, *parts))
    for unit in ("a/", "./", "a", "../"):
        yield with_field("files", fill(room, '{"', unit, '":""}'))
    for unit in ("1.", "9", "1.0.0-a.", "a-"):
        yield with_field("version", fill(room, '"', unit, '"'))
        yield with_field("upgrade_from", fill(room, '[">=', unit, '"]'))


def worst_tags() -> Iterator[bytes]:
    """Headers, messages and signatures without end."""
    for parts in (
        ("", "\n"),
        ("", "a b\n", "\n\nx"),
        (f"{HEAD}\n", "x y\n", f"\n{SSH}"),
        (f"{HEAD}\n\n", "\n", SSH),
        (f"{HEAD}\n\n", SSH),
        (f"{HEAD}\n\n", "-----BEGIN SSH \n"),
        (f"{HEAD}\n\n-----BEGIN SSH ", "x"),
        (f"{HEAD}\n\n{BEGIN}", "x\n", END),
        (f"{HEAD}\n\n{BEGIN}", f"{'x' * 100}\n", END),
        (f"{HEAD}\n\n{BEGIN}", "x", f"\n{END}"),
        (f"{HEAD}\n\n\U0001f600", "x", f"\n{SSH}"),
        (HEAD.replace("A <a@b>", "<"), "<", f"\n\n{SSH}"),
        (HEAD.partition("A <")[0], "a", f"> 1 +0000\n\n{SSH}"),
    ):
        yield fill(LIMITS["tag"], *parts)


def fills(reader: str, *parts: tuple[str, ...]) -> Iterator[bytes]:
    """As much of each as a reader may be given."""
    return (fill(LIMITS[reader], *one) for one in parts)


COSIGNED = f"{cosignatures.BEGIN}\n", f"\n{cosignatures.END}"
WORST: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "root": lambda: map(signed, values(LIMITS["root"] - 40)),
    "manifest": worst_manifests,
    "tag": worst_tags,
    "claim": lambda: fills("claim", ("", "\n"), ("", f"{manifest.BEGIN}\n"), ("", "x\n")),
    "cosignatures": lambda: (
        one.join(part.encode() for part in COSIGNED) for one in values(LIMITS["cosignatures"])
    ),
    "kind": lambda: fills(
        "kind", ("", "-"), (BEGIN, "\n"), (BEGIN, f"{'x' * 100}\n", "x"), ("", BEGIN)
    ),
    "fingerprint": lambda: fills(
        "fingerprint", ("ssh-ed25519 ", "A"), ("", "sk-"), ("ssh-rsa ", "="), ("", "ssh-rsa ")
    ),
    "version": lambda: fills("version", ("", "1."), ("", "9"), ("", "1.0.0-"), ("", "a.")),
}


@pytest.mark.parametrize("reader", WORST)
def test_the_worst_costs_little(reader: str) -> None:
    """Memory is a small multiple of what came, and time grows no faster than that."""
    for raw in WORST[reader]():
        assert len(raw) <= LIMITS[reader] + sum(map(len, COSIGNED))
        memory, seconds = cost(partial(attempt, reader, raw))
        assert memory < MOST_MEMORY, raw[:80]
        assert seconds < MOST_SECONDS, raw[:80]


@pytest.mark.parametrize("reader", ["tag", "manifest", "root", "freshness", "cosignatures"])
def test_beyond_its_limit_next_to_nothing_is_done(reader: str) -> None:
    """What is too large is refused before it is read."""
    raw = b"[" * (LIMITS[reader] + 1)
    if reader == "cosignatures":
        raw = raw.join(part.encode() for part in COSIGNED)
    memory, _ = cost(partial(attempt, reader, raw))
    assert attempt(reader, raw) is None
    assert memory < 5 * len(raw)


def test_a_listing_costs_little() -> None:
    """A megabyte in one line."""
    for line in ("a" * (1 << 20), f"{'a' * 40}\trefs/tags/" + "v" * (1 << 20), "\t" * (1 << 20)):
        memory, seconds = cost(partial(read_listing, line.encode(), "trust"))
        assert memory < 8 << 20
        assert seconds < MOST_SECONDS


PIECES = st.text(st.sampled_from("aA0-_./:=+ \n\"'\\{}[],<>!@#é\x1b"), min_size=1, max_size=6)


@pytest.mark.parametrize("reader", READERS)
@settings(
    max_examples=25,
    deadline=timedelta(seconds=MOST_SECONDS),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_what_repeats_without_end_is_read_in_time(reader: str, data: st.DataObject) -> None:
    """Something over and over in the midst of what is good: where patterns try again."""
    seed = data.draw(st.sampled_from(READERS[reader].seeds)).decode()
    at = data.draw(st.integers(0, len(seed)))
    unit, odd = data.draw(PIECES), data.draw(st.sampled_from(("", "!", "\n", "-")))
    attempt(reader, fill(LIMITS[reader], seed[:at], unit, odd + seed[at:]))


@pytest.mark.parametrize("key", sorted(document()))
@settings(
    max_examples=15,
    deadline=timedelta(seconds=MOST_SECONDS),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(unit=PIECES, odd=st.sampled_from(("", "!", "a", "-")))
@example(unit="a-", odd="!")
def test_any_field_of_a_manifest_may_be_long(key: str, unit: str, odd: str) -> None:
    """Each has a pattern of its own, in a text, in a list and as a name."""
    long = unit * (LIMITS["manifest"] // 2 // len(unit.encode())) + odd
    for value in (long, [long], {long: long}):
        attempt("manifest", encode(document(**{key: value})))
