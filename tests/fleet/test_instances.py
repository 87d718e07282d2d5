"""What a report makes of an instance: pure, without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from koprogo_agent.fleet.domain.instances import Instance, Presence, first, next_, rejected
from koprogo_agent.wire.report import Report, StateName
from tests.fleet.machines import transition

NOW = 1_795_000_000
REPORT = Report(
    instance="0" * 32,
    sequence=10,
    run="a" * 16,
    agent="0.1.0",
    state=StateName.CURRENT,
    channel="stable",
    installed="v1.0.0",
)
KNOWN = first(REPORT, NOW).instance
LATER = replace(REPORT, sequence=11)


def test_the_first_report_is_news() -> None:
    """All of it."""
    taken = first(replace(REPORT, transitions=(transition(1),)), NOW)
    assert taken.is_news
    assert taken.transitions == (transition(1),)
    assert (taken.instance.enrolled, taken.instance.since, taken.instance.kept) == (NOW, NOW, NOW)


def test_the_same_again_is_none() -> None:
    """But that it was heard, and with which number."""
    taken = next_(KNOWN, LATER, NOW + 180)
    assert not taken.is_news
    assert taken.instance == structs.replace(KNOWN, seen=NOW + 180, sequence=11)
    assert taken.instance.stand is KNOWN.stand


@pytest.mark.parametrize(
    "report",
    [
        replace(LATER, state=StateName.HELD),
        replace(LATER, installed="v1.0.1"),
        replace(LATER, agent="0.2.0"),
        replace(LATER, run="b" * 16),
        replace(LATER, transitions=(transition(1),)),
    ],
)
def test_whatever_is_different_is(report: Report) -> None:
    """It is written down before it is answered."""
    taken = next_(KNOWN, report, NOW + 180)
    assert taken.is_news
    assert taken.instance.kept == NOW + 180


def test_it_is_written_down_once_an_hour() -> None:
    """No sooner, and no later: a restart would take it for lost otherwise."""
    assert not next_(KNOWN, LATER, NOW + 3599).is_news
    due = next_(KNOWN, LATER, NOW + 3600)
    assert due.is_news
    assert not next_(due.instance, replace(LATER, sequence=12), NOW + 3780).is_news


def test_a_state_lasts_since_it_began() -> None:
    """However often it is reported."""
    held = next_(KNOWN, replace(LATER, state=StateName.HELD), NOW + 180).instance
    still = next_(held, replace(LATER, sequence=12, state=StateName.HELD), NOW + 360).instance
    assert (KNOWN.since, held.since, still.since) == (NOW, NOW + 180, NOW + 180)


@pytest.mark.parametrize("sequence", [0, 9, 10])
def test_what_is_not_newer_is_not_taken(sequence: int) -> None:
    """It says what was."""
    rejection = rejected(KNOWN, replace(REPORT, sequence=sequence))
    assert rejection is not None
    assert (rejection.code, rejection.sequence) == ("sequence.behind", 10)
    assert rejected(KNOWN, LATER) is None


def test_an_agent_may_start_often() -> None:
    """Only one that comes back after another is a second machine's."""
    one: Instance = KNOWN
    for number, letter in enumerate("bcdef", start=11):
        report = replace(REPORT, sequence=number, run=letter * 16)
        assert rejected(one, report) is None
        one = next_(one, report, NOW + number).instance
    assert one.former == ("e" * 16, "d" * 16, "c" * 16, "b" * 16)
    twin = rejected(one, replace(REPORT, sequence=99, run="c" * 16))
    assert twin is not None
    assert twin.code == "instance.cloned"


@pytest.mark.parametrize(
    ("quiet", "presence"),
    [
        (0, Presence.REPORTING),
        (540, Presence.REPORTING),
        (541, Presence.LATE),
        (86_399, Presence.LATE),
        (86_400, Presence.SILENT),
        (30 * 86_400, Presence.LEFT),
    ],
)
def test_three_reports_may_be_missing(quiet: int, presence: Presence) -> None:
    """Then an instance is late, after a day silent, and after thirty it has left."""
    assert KNOWN.presence(NOW + quiet, 180) is presence


def test_what_is_bygone_is_forgotten() -> None:
    """After a year; a stranger who did not stay for a day, after two days."""
    day = 86_400
    stranger = structs.replace(KNOWN, enrolled=NOW, seen=NOW + day - 1, verified=False)
    stayed = structs.replace(stranger, seen=NOW + day)
    verified = structs.replace(stranger, verified=True)
    for one, after in ((stranger, 2 * day), (stayed, 365 * day), (verified, 365 * day)):
        assert [one.is_bygone(one.seen + after + late) for late in (0, 1)] == [False, True]


def test_a_stack_that_is_down_is_down_whatever_its_agent_is_doing() -> None:
    """With why; when it is up again, the state is the agent's."""
    down = replace(LATER, state=StateName.HELD, down=NOW, fault="probe.failed")
    taken = next_(KNOWN, down, NOW + 180)
    assert taken.is_news
    assert (taken.instance.stand.state, taken.instance.stand.fault) == ("down", "probe.failed")
    up = next_(taken.instance, replace(LATER, sequence=12, state=StateName.HELD), NOW + 360)
    assert (up.instance.stand.state, up.instance.stand.fault) == ("held", None)
