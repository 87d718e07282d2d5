"""The freshness document: what is read, what is refused, and whose turn a rollout says it is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import MAX_REASON, encode
from koprogo_agent.domain.freshness import (
    LAST_YEAR,
    LONGEST,
    MAX_ENTRIES,
    Highest,
    Rollout,
    place,
    read_freshness,
)
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused
from tests.simulation.clock import EPOCH
from tests.simulation.signing import sign
from tests.simulation.trust import LONG, ONLINE, document, freshness

START = "2026-01-06T00:00:00Z"
ROLLOUT = {"start": START, "duration": 86_400, "share": 50}


WHOLE: dict[str, Any] = read_freshness(freshness()).envelope.document


def changed(**changes: object) -> bytes:
    """The file of a freshness document, with changes; nobody has signed it."""
    return document({**WHOLE, **changes}, Purpose.FRESHNESS, ())


def refusal(raw: bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(Refused) as caught:
        read_freshness(raw)
    assert caught.value.code == "freshness.invalid"
    return caught.value.message


def test_a_freshness_document_is_read_whole() -> None:
    """Every field arrives in its type."""
    found = read_freshness(
        changed(
            version=7,
            root=3,
            channels={"stable": {"version": "1.2.0", "counter": 9}},
            held={"1.2.0": "we look into it"},
            yanked={"1.1.0": "it loses é-mails"},
            rollouts={"1.3.0-rc.1": ROLLOUT},
        )
    )
    assert (found.product, found.version, found.root) == ("koprogo", 7, 3)
    assert (found.issued, found.expires) == (EPOCH, EPOCH + LONG)
    assert found.channels == {"stable": Highest(parse_version("1.2.0"), 9)}
    assert found.held == {parse_version("1.2.0"): "we look into it"}
    assert found.yanked == {parse_version("1.1.0"): "it loses é-mails"}
    start = datetime(2026, 1, 6, tzinfo=UTC)
    assert found.rollouts == {parse_version("1.3.0-rc.1"): Rollout(start, 86_400, 50)}
    assert found.subject == "freshness 7"


def test_its_statements_are_about_its_own_bytes() -> None:
    """For the one purpose; a root's signature says nothing here."""
    found = read_freshness(freshness())
    (statement,) = found.statements
    assert (statement.subject, statement.purpose) == ("freshness 1", Purpose.FRESHNESS)
    assert statement.payload == found.envelope.payload
    assert statement.signature == sign(ONLINE, Purpose.FRESHNESS, found.envelope.payload)


KEYS = (
    *("type", "format", "product", "version", "root", "issued", "expires"),
    *("channels", "held", "yanked", "rollouts"),
)


@pytest.mark.parametrize("key", KEYS)
def test_every_field_is_needed_and_no_other_is_allowed(key: str) -> None:
    """A field that this agent does not know could be a brake that it would ignore."""
    less = {name: value for name, value in WHOLE.items() if name != key}
    assert set(WHOLE) == set(KEYS)
    assert "exactly the keys" in refusal(document(less, Purpose.FRESHNESS, ()))
    assert "exactly the keys" in refusal(changed(**{f"{key}2": 1}))


BAD: dict[str, list[object]] = {
    "type": ["koprogo-root", "", 1, None],
    "format": [2, 0, True, "1", 1.0],
    "product": ["", "a b", 1, "x" * 65],
    "version": [0, -1, "1", True, 2**53],
    "root": [0, "1", None, 2**53],
    "issued": ["2026-01-05", 1, None],
    "expires": ["2026-01-05T12:00:00Z", "never"],
    "channels": [
        [],
        {"": {"version": "1.0.0", "counter": 1}},
        {"a b": {"version": "1.0.0", "counter": 1}},
        {"stable": "1.0.0"},
        {"stable": {"version": "1.0.0"}},
        {"stable": {"version": "1.0.0", "counter": 1, "commit": "x"}},
        {"stable": {"version": "1.0.0", "counter": 0}},
        {"stable": {"version": 1, "counter": 1}},
    ],
    "held": [[], {"1.0.0": None}, {"1.0.0": 1}, {"1.0.0": "a\nb"}, {"1.0.0": "\x1b[2J"}],
    "yanked": [[], {"1.0.0": ["x"]}, {"1.0.0": "a\u202eb"}, {"1.0.0": "x" * 301}],
    "rollouts": [
        [],
        {"1.0.0": 50},
        {"1.0.0": {"start": START, "duration": 1}},
        {"1.0.0": {**ROLLOUT, "who": "all"}},
        {"1.0.0": {**ROLLOUT, "start": "now"}},
        {"1.0.0": {**ROLLOUT, "duration": -1}},
        {"1.0.0": {**ROLLOUT, "duration": LONGEST + 1}},
        {"1.0.0": {**ROLLOUT, "duration": 1.5}},
        {"1.0.0": {**ROLLOUT, "share": -1}},
        {"1.0.0": {**ROLLOUT, "share": 101}},
        {"1.0.0": {**ROLLOUT, "share": True}},
    ],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in BAD for value in BAD[key]])
def test_a_value_that_the_format_does_not_allow_is_refused(key: str, value: object) -> None:
    """Each field has one form; what is not in it is refused, never mended."""
    assert refusal(changed(**{key: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": {"stable": {"version": "v1.0.0", "counter": 1}}},
        {"held": {"1.0": "x"}},
        {"yanked": {"": "x"}},
        {"rollouts": {"latest": ROLLOUT}},
    ],
)
def test_a_version_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    """Whatever it is the version of."""
    assert "is not a version" in refusal(changed(**changes))


@pytest.mark.parametrize("content", [None, [], "x", 1])
def test_a_freshness_document_is_an_object(content: object) -> None:
    """Other JSON is none."""
    raw = encode({"signed": content, "signatures": []})
    assert refusal(raw).endswith("it is not an object")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", {"version": "1.0.0", "counter": 1}),
        ("held", "x"),
        ("yanked", "x"),
        ("rollouts", ROLLOUT),
    ],
)
def test_a_document_has_so_many_entries_and_not_one_more(key: str, value: object) -> None:
    """A bound on what is walked through at each poll."""
    names = [f"1.0.{number}" for number in range(MAX_ENTRIES + 1)]
    most = changed(**{key: dict.fromkeys(names[:-1], value)})
    assert len(getattr(read_freshness(most), key)) == MAX_ENTRIES == 200
    assert "more than 200" in refusal(changed(**{key: dict.fromkeys(names, value)}))


def test_a_reason_has_so_many_characters_and_not_one_more() -> None:
    """It is shown to people, on one line."""
    assert MAX_REASON == 300
    longest = {"1.0.0": "é" * MAX_REASON}
    assert read_freshness(changed(held=longest)).held[parse_version("1.0.0")] == longest["1.0.0"]
    assert "1 to 300" in refusal(changed(held={"1.0.0": "é" * (MAX_REASON + 1)}))


@pytest.mark.parametrize("key", ["held", "yanked"])
def test_a_reason_says_something(key: str) -> None:
    """Who shows the reason must not take a yank without one for none."""
    assert "1 to 300" in refusal(changed(**{key: {"1.0.0": ""}}))
    assert read_freshness(changed(**{key: {"1.0.0": "x"}}))


def test_the_ends_of_a_rollout_are_read() -> None:
    """At once and for all; a year, and for nobody."""
    for duration, share in ((0, 100), (LONGEST, 0)):
        extreme = {"start": START, "duration": duration, "share": share}
        found = read_freshness(changed(rollouts={"1.0.0": extreme}))
        (rollout,) = found.rollouts.values()
        assert (rollout.duration, rollout.share) == (duration, share)


def test_a_place_is_a_hash_of_instance_and_release() -> None:
    """Nobody is always first: the same instance stands elsewhere for the next release."""
    expected = hashlib.sha256(b"instance\nrelease").digest()
    assert place("instance", "release") == int.from_bytes(expected[:6], "big") / 2**48
    assert place("instance", "release") != place("instance", "other")
    assert place("instance", "release") != place("other", "release")


def test_places_are_spread_evenly() -> None:
    """Of 1000 instances about a tenth is among the first tenth."""
    places = [place(f"instance-{number}", "release") for number in range(1000)]
    assert min(places) >= 0
    assert max(places) < 1
    assert all(
        70 < sum(start <= 10 * one < start + 1 for one in places) < 130 for start in range(10)
    )


def test_a_turn_comes_evenly_within_the_duration() -> None:
    """The first at the start, the last just before the end; half of them in half of the time."""
    rollout = Rollout(EPOCH, 1000, 100)
    assert rollout.turn(0) == EPOCH
    assert rollout.turn(0.25) == EPOCH + timedelta(seconds=250)
    assert rollout.turn(1 - 2**-48) == EPOCH + timedelta(seconds=1000)


def test_whoever_is_beyond_the_share_has_no_turn() -> None:
    """A place at the very edge is beyond it; those before it take all of the duration."""
    rollout = Rollout(EPOCH, 1000, 25)
    assert rollout.turn(0.125) == EPOCH + timedelta(seconds=500)
    assert rollout.turn(0.2499999) is not None
    assert rollout.turn(0.25) is None
    assert Rollout(EPOCH, 1000, 0).turn(0) is None


def test_without_a_duration_all_of_the_share_is_at_once() -> None:
    """The start counts for each of them."""
    rollout = Rollout(EPOCH, 0, 50)
    assert rollout.turn(0) == rollout.turn(0.49) == EPOCH
    assert rollout.turn(0.5) is None


@given(
    at=st.floats(0, 1, exclude_max=True),
    duration=st.integers(0, LONGEST),
    share=st.integers(0, 100),
)
def test_a_turn_lies_within_the_rollout(at: float, duration: int, share: int) -> None:
    """Whatever the figures, nobody comes before the start or after the end."""
    turn = Rollout(EPOCH, duration, share).turn(at)
    assert (turn is None) == (at * 100 >= share)
    assert turn is None or EPOCH <= turn <= EPOCH + timedelta(seconds=duration)


def test_a_rollout_that_never_comes_can_be_waited_for() -> None:
    """Whoever has the key of freshness may delay an update, and not end the agent."""
    late = {"duration": LONGEST, "share": 100}
    last = changed(rollouts={"1.0.0": {"start": f"{LAST_YEAR}-12-31T23:59:59Z", **late}})
    (rollout,) = read_freshness(last).rollouts.values()
    turn = rollout.turn(0.99)
    assert turn is not None
    assert turn.year == LAST_YEAR + 1
    over = changed(rollouts={"1.0.0": {"start": f"{LAST_YEAR + 1}-01-01T00:00:00Z", **late}})
    assert f"after the year {LAST_YEAR}" in refusal(over)
