"""Reports and answers: what can be said, in how many bytes, and what is no message at all."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.errors import Refused
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Trust
from koprogo_agent.wire import LIMIT, answer
from koprogo_agent.wire.answer import LINE, Answer
from koprogo_agent.wire.report import (
    Operation,
    Pending,
    Report,
    StateName,
    Transition,
    encode,
    fitted,
    instance_of,
)

OPERATION = Operation(
    kind="update",
    tag="v1.2.0-rc.1",
    outcome="rolled_back",
    began=1_795_000_000,
    ended=1_795_000_100,
    seen=1_794_999_990,
    step="gate",
    code="gate.failed",
    waited_ms=12_300,
    turned_away=2,
    away_ms=0,
)
PENDING = Pending(
    tag="v1.2.0", gate="quarantine", step="gate", code="gate.failed", until=1_795_000_200
)
REPORT = Report(
    instance="0" * 32,
    sequence=1,
    run="f" * 16,
    agent="0.1.0",
    state=StateName.ROLLED_BACK,
    channel="stable",
    installed="v1.1.0",
    digest="a" * 64,
    operation=OPERATION,
    pending=PENDING,
    polled=1_795_000_300,
    down=1_795_000_200,
    fault="container.restarting",
)
ANSWER = Answer(acknowledged=(3, 2), interval=180, highest="v1.2.0", notice="thank you")


def transition(number: int) -> Transition:
    """One that says all that there is to say."""
    return Transition(
        number=number,
        at=1_795_000_100,
        state=StateName.ROLLED_BACK,
        agent="0.1.0",
        installed="v1.1.0",
        operation=OPERATION,
    )


def test_the_bytes_are_the_same_for_the_same_report_and_hold_no_more_than_it() -> None:
    """`report show` can be compared with what was sent."""
    told = json.loads(encode(REPORT))
    assert encode(REPORT) == encode(replace(REPORT))
    assert set(told) == {field.name for field in fields(Report)} - {"token"}
    assert told["schema"] == 1
    assert told["pending"]["gate"] == "quarantine"


def test_what_is_not_known_is_left_out() -> None:
    """Rather than said to be nothing."""
    bare = Report(
        instance="0" * 32,
        sequence=0,
        run="0" * 16,
        agent="0.1.0",
        state=StateName.EMPTY,
        channel="stable",
    )
    told = json.loads(encode(bare))
    assert "installed" not in told
    assert told["transitions"] == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("schema", 2),
        ("instance", "0" * 31),
        ("instance", "0" * 32 + "\n"),
        ("instance", "Z" * 32),
        ("run", ""),
        ("sequence", -1),
        ("sequence", 2**53),
        ("sequence", True),
        ("agent", "latest"),
        ("channel", "Stable; DROP TABLE"),
        ("channel", "x" * 64),
        ("installed", "1.1.0"),
        ("installed", "v1.1.0<script>"),
        ("digest", "sha256:" + "a" * 64),
        ("polled", -5),
        ("down", -1),
        ("fault", "backend on vps-7.example.org is down"),
        ("token", "short"),
        ("transitions", (transition(1), transition(2))),
        ("transitions", (transition(2), transition(2))),
    ],
)
def test_nothing_else_can_be_said(member: str, value: Any) -> None:  # noqa: ANN401 - of any type
    """Neither by this side nor by another."""
    with pytest.raises(ValueError, match=rf"\b{member}\b"):
        replace(REPORT, **{member: value})


@pytest.mark.parametrize(
    ("part", "member", "value"),
    [
        (OPERATION, "kind", "an update"),
        (OPERATION, "tag", "adopted"),
        (OPERATION, "ended", 1.5),
        (OPERATION, "code", "https://example.org"),
        (PENDING, "gate", ""),
        (PENDING, "tag", "v1"),
        (PENDING, "until", -1),
        (transition(1), "number", -1),
        (transition(1), "agent", "v0.1.0"),
        (transition(1), "installed", "adopted"),
    ],
)
def test_nor_in_its_parts(
    part: Operation | Pending | Transition, member: str, value: object
) -> None:
    """They are checked as they are built, too."""
    with pytest.raises(ValueError, match=member):
        type(part)(**(vars(part) | {member: value}))


@given(st.integers(0, 200))
def test_a_report_keeps_its_newest_transitions_and_its_size(count: int) -> None:
    """What does not fit follows once these are acknowledged."""
    full = replace(REPORT, transitions=tuple(transition(n) for n in range(count, 0, -1)))
    kept = fitted(full)
    assert len(encode(kept)) <= LIMIT
    assert kept.transitions == full.transitions[: len(kept.transitions)]
    assert kept == full or len(kept.transitions) >= 8


@pytest.mark.parametrize("channel", ["stable", "Beta-2", "2026.x", "x" * 63])
def test_a_channel_may_be_called_what_the_configuration_allows(channel: str) -> None:
    """Else whoever follows it could not report, and no new version could prove itself there."""
    assert Settings(trust=Trust(channel=channel)).trust.channel == channel
    assert replace(REPORT, channel=channel).channel == channel


def test_an_instance_is_named_after_its_key() -> None:
    """So that nobody else can take its name."""
    assert instance_of(b"\0" * 32) == "66687aadf862bd776c8fc18b8e9f8e20"  # sha256sum's
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        instance_of(b"\0" * 31)


def test_an_answer_is_read_as_it_was_written() -> None:
    """By the side that did not write it."""
    assert answer.decode(answer.encode(ANSWER)) == ANSWER


def test_members_of_a_later_version_are_ignored() -> None:
    """The server is brought up to date before the instances."""
    told = json.loads(answer.encode(ANSWER)) | {"colour": "blue"}
    assert answer.decode(json.dumps(told).encode()) == ANSWER


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b"\xff",
        b"[" * 4000,
        b" " * LIMIT + answer.encode(ANSWER),
        b'{"acknowledged": [], "interval": 180}',
        b'{"acknowledged": "12", "interval": 180, "verified": false}',
        b'{"acknowledged": ["1"], "interval": 180, "verified": false}',
        b'{"acknowledged": [], "interval": 1e3, "verified": false}',
        b'{"acknowledged": [], "interval": -1, "verified": false}',
        b'{"acknowledged": [], "interval": NaN, "verified": false}',
        b'{"acknowledged": [], "interval": 180, "verified": "yes"}',
        b'{"acknowledged": [], "interval": 180, "verified": false, "highest": "latest"}',
        b'{"acknowledged": [], "interval": 180, "verified": false, "highest": 1}',
        b'{"acknowledged": [], "interval": 180, "verified": false, "notice": "\\u001b[2J"}',
        b'{"acknowledged": [], "interval": 180, "verified": false, "notice": "%s"}'
        % (b"x" * (LINE + 1)),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    """Whatever stands at that address."""
    with pytest.raises(Refused, match="no answer") as caught:
        answer.decode(raw)
    assert caught.value.code == "answer.malformed"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    """There is no third way."""
    try:
        answer.decode(raw)
    except Refused as error:
        assert error.code == "answer.malformed"  # noqa: PT017 - it may also be read
