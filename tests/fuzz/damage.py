"""What hypothesis gives to the readers: good bytes that were damaged, and others."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import process_time
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.fuzz.readers import PGP, SSH, canonical

QUICK = settings(
    max_examples=150,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Seconds for what takes milliseconds: more means that time grows faster than the input."""

TOKENS = (
    *(b"", b"\0", b"\n", b"\n\n", b"\r\n", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x1b[2J"),
    *(
        b'"',
        b"\\",
        b'\\"',
        b"\\u0000",
        b"\\ud800",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"[]",
        b"{}",
    ),
    *(b"null", b"true", b"NaN", b"-Infinity", b"-0", b"1.0", b"1e999", b"9" * 400, b"9" * 5000),
    *(b"[" * 2000, b'{"a":' * 2000, b"-", b"=", b"tag ", b"type tree", "\u202e".encode()),
    *(
        SSH.encode(),
        PGP.encode(),
        b"-----BEGIN SSH SIGNATURE-----",
        b"\n-----END PGP SIGNATURE-----",
    ),
    *(b"-----BEGIN KOPROGO RELEASE-----\n", b"-----END KOPROGO COSIGNATURES-----\n"),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.sampled_from(
        ["1.0.0", "2026-01-05T12:00:00Z", "x" * 1000, "\ud800", SSH, "\x1b[2J", "../x"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Good bytes after one to three accidents: cut, doubled, overwritten, or with something in."""
    raw = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 80)))
        raw = draw(
            st.sampled_from(
                (
                    raw[:start],
                    raw[start:],
                    raw[:start] + raw[end:],
                    raw[:end] + raw[start:],
                    raw[:start] + draw(st.sampled_from(TOKENS)) + raw[end:],
                    raw[:start] + draw(st.binary(max_size=3)) + raw[end:],
                )
            )
        )
    return raw


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """The way to everything in a JSON document, itself included."""
    yield path
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*path, key))
    elif isinstance(content, list):
        for index, inner in enumerate(content):
            yield from places(inner, (*path, index))


@st.composite
def rewritten(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good document of which something was removed, renamed, doubled or exchanged."""
    content = json.loads(draw(st.sampled_from(seeds)))
    path = draw(st.sampled_from(list(places(content))))
    if not path:
        return canonical(json.dumps(draw(JSON)).encode())
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    old, step = inner.pop(path[-1]), path[-1]
    added = draw(st.sampled_from(("nothing", "another", "moved", "doubled")))
    items = {"nothing": [], "another": [draw(JSON)], "moved": [old], "doubled": [old, old]}[added]
    if isinstance(inner, list):
        inner.extend(items)
    else:
        key = step if added == "another" else draw(st.text(max_size=70))
        inner |= dict(zip((key, step), items, strict=False))
    return canonical(json.dumps(content).encode())


def fill(room: int, head: str, unit: str, tail: str = "") -> bytes:
    """As many units between head and tail as there is room for."""
    count = (room - len(f"{head}{tail}".encode())) // len(unit.encode())
    return f"{head}{unit * count}{tail}".encode()


def cost(act: Callable[[], object]) -> tuple[int, float]:
    """Bytes that something takes at its worst, and seconds of this process."""
    begun = process_time()
    act()
    seconds = process_time() - begun
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1], seconds
    finally:
        tracemalloc.stop()
