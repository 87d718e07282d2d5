"""What anybody may send to a fleet server, and a false server to an instance, fuzzed.

The readers, and what must be true of what they accept, are in `tests/fuzz/reports.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from koprogo_agent.wire import LIMIT
from tests.fuzz.damage import QUICK, TOKENS, cost, damaged, fill, rewritten
from tests.fuzz.readers import judged
from tests.fuzz.reports import READERS

MOST_MEMORY, MOST_SECONDS = 4 << 20, 1.0
"""Bytes and seconds that the worst of one message may take; most take a hundredth."""

NAMES = pytest.mark.parametrize("name", READERS)
JSON_NAMES = pytest.mark.parametrize("name", ["report", "answer", "rejection"])
SIGNED = READERS["signature"].seeds[2].decode().strip().splitlines()


@NAMES
def test_the_seeds_are_accepted(name: str) -> None:
    """Else what follows would look at refusals only."""
    assert all(judged(READERS[name], seed) is not None for seed in READERS[name].seeds)


@NAMES
@QUICK
@given(raw=st.binary(max_size=300) | st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join))
@example(raw=b"")
@example(raw=b'{"unknown":' + b"[" * 4000)
@example(raw=b'{"agent":"\xff"}')
def test_arbitrary_bytes(name: str, raw: bytes) -> None:
    """Whatever comes is read or refused."""
    judged(READERS[name], raw)


@NAMES
@QUICK
@given(data=st.data())
def test_damaged_bytes(name: str, data: st.DataObject) -> None:
    """So is what was good; of signatures the library thinks the same as the shorter way does."""
    judged(READERS[name], data.draw(damaged(READERS[name].seeds)))


@JSON_NAMES
@QUICK
@given(data=st.data())
def test_rewritten_messages(name: str, data: st.DataObject) -> None:
    """And what has the form of a message, but not its content."""
    judged(READERS[name], data.draw(rewritten(READERS[name].seeds)))


@QUICK
@given(data=st.data())
def test_no_byte_of_what_is_signed_can_be_changed(data: st.DataObject) -> None:
    """What was changed is refused, or says the same in another way: nobody else's word is taken."""
    good = READERS["signature"].seeds[0]
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255))
    found = judged(READERS["signature"], good[:at] + bytes([other]) + good[at + 1 :])
    assert found in (None, judged(READERS["signature"], good))


def messages(seed: bytes) -> Iterator[bytes]:
    """Messages that are as long as may be, in each way that takes long to read."""
    opened = seed.decode()[:-1]
    for unit in ("[", '{"a":', "9", '"\\u001b', "[],", '"x'):
        yield fill(LIMIT, f'{opened},"colour":', unit)
        yield fill(LIMIT, f'{opened},"colour":[', unit, "1]}")
    yield fill(LIMIT, f"{opened},", '"schema":1,', '"colour":1}')
    for unit in ("v1.0.0-a.", "a", "1", "é", "\\ud83d\\ude00"):
        for member in ("installed", "message", "notice", "highest", "channel"):
            yield fill(LIMIT, f'{opened},"{member}":"', unit, '"}')
    for unit in ("1,", "{},", "[],"):
        yield fill(LIMIT, f'{opened},"acknowledged":[', unit, "0]}")
        yield fill(LIMIT, f'{opened},"transitions":[', unit, "0]}")


def signatures() -> Iterator[bytes]:
    """Headers that are as long as may be."""
    said = {name: value for name, _, value in (line.partition(": ") for line in SIGNED)}
    claimed, made = said["signature-input"], said["signature"]
    many = range(LIMIT // len(claimed + made))
    label = claimed.partition("=")[0]
    yield _head(
        said,
        claimed=", ".join(claimed.replace(f"{label}=", f"a{number}=", 1) for number in many),
        made=", ".join(made.replace(f"{label}=", f"a{number}=", 1) for number in many),
    )
    room = LIMIT - len(claimed + made)
    for unit in ('"@method" ', '"a" ', '"@query-param";name="a" ', "(", " ", "\\"):
        yield _head(said, claimed.replace("(", "(" + unit * (room // len(unit)), 1), made)
    for unit in (";a=1", ";a", ';tag="koprogo-report"', ",", "=", ":"):
        yield _head(said, claimed + unit * (room // len(unit)), made)
        yield _head(said, claimed, made + unit * (room // len(unit)))


def _head(said: Mapping[str, str], claimed: str, made: str) -> bytes:
    told = {**said, "signature-input": claimed, "signature": made}
    return "".join(f"{name}: {value}\n" for name, value in told.items()).encode() + b"\n"


WORST = {
    **{name: list(messages(READERS[name].seeds[0])) for name in ("report", "answer", "rejection")},
    "signature": list(signatures()),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_costs_little(name: str) -> None:
    """However it is made, within the limit of a message."""
    for raw in WORST[name]:
        memory, seconds = cost(partial(judged, READERS[name], raw))
        assert memory < MOST_MEMORY, raw[:80]
        assert seconds < MOST_SECONDS, raw[:80]
