"""The condition of the stack: up, down, and what does not raise an alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.domain.condition import (
    LONGEST_START,
    Condition,
    Finding,
    Level,
    View,
    conclude,
    expected_of,
    look,
    needs_another,
)
from koprogo_agent.domain.drift import Applied
from koprogo_agent.domain.gate import Container, Expectation, FaultKind, Health, Sample

NOW = datetime(2026, 11, 30, 2, 13, tzinfo=UTC)
BACKEND = Container(
    "backend", "1", "b", "sha256:1", "running", Health.HEALTHY, 0, 0, {}, may_end=False
)
WEB = replace(BACKEND, service="frontend", id="2", health=Health.NONE)
EXPECTED = Expectation(frozenset({"backend", "frontend"}))
UP = Condition(Level.UP, NOW - timedelta(hours=1), NOW - timedelta(minutes=3))
DOWN = replace(UP, level=Level.DOWN, reason="backend is exited", code="container.stopped")


def sample(*containers: Container, **answers: str | None) -> Sample:
    """One look."""
    return Sample(0, containers, answers)


def seen(
    *containers: Container,
    before: Condition | None = UP,
    earlier: Sample | None = None,
    booting: bool = False,
    **answers: str | None,
) -> Finding:
    """What one look shows."""
    return look(sample(*containers, **answers), earlier, EXPECTED, before, NOW, booting=booting)


def words(finding: Finding) -> str:
    """The fault of a finding."""
    return finding.fault.words if finding.fault else ""


def test_a_healthy_stack_is_good() -> None:
    """With every answer as it should be."""
    assert seen(BACKEND, WEB, health=None) == Finding(View.GOOD)


@pytest.mark.parametrize(
    ("containers", "reason"),
    [
        ((WEB,), "backend has no container"),
        (
            (replace(BACKEND, state="exited", exit_code=137), WEB),
            "backend is exited (exit code 137)",
        ),
        (
            (replace(BACKEND, state="restarting", exit_code=1), WEB),
            "backend is restarting (exit code 1)",
        ),
        ((replace(BACKEND, state="paused"), WEB), "backend is paused"),
        ((replace(BACKEND, health=Health.UNHEALTHY), WEB), "backend is unhealthy"),
        (
            (replace(BACKEND, health=Health.STARTING, restarts=3), WEB),
            "backend restarts again and again",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_bad(containers: tuple[Container, ...], reason: str) -> None:
    """Each fault has its words, with the exit code of what has ended."""
    found = seen(*containers)
    assert (found.view, words(found)) == (View.BAD, reason)


def test_a_wrong_answer_is_bad() -> None:
    """However healthy the containers are."""
    found = seen(BACKEND, WEB, health="answered 404, expected 200")
    assert (found.view, words(found)) == (View.BAD, "health: answered 404, expected 200")


def test_a_start_is_no_fault_for_as_long_as_one_may_take() -> None:
    """The ingress does not route to it yet: its answers are excused as well."""
    starting = replace(BACKEND, health=Health.STARTING)
    assert seen(starting, WEB, health="answered 404").view is View.STARTING
    begun = replace(UP, starting=NOW - LONGEST_START)
    assert seen(starting, WEB, before=begun).view is View.STARTING
    late = replace(UP, starting=NOW - LONGEST_START - timedelta(seconds=1))
    assert seen(starting, WEB, before=late).view is View.BAD


def test_a_start_excuses_no_other_container() -> None:
    """What has stopped is down, whatever else is starting."""
    found = seen(replace(BACKEND, health=Health.STARTING), replace(WEB, state="exited"))
    assert (found.view, words(found)) == (View.BAD, "frontend is exited (exit code 0)")


def test_after_a_boot_containers_may_restart() -> None:
    """Until what they need is there; the engine keeps no order then."""
    restarting = replace(BACKEND, state="restarting", exit_code=1)
    assert seen(restarting, WEB, booting=True).view is View.STARTING
    assert seen(restarting, WEB).view is View.BAD


def test_a_restart_between_two_looks_is_bad() -> None:
    """Also where it runs again by then."""
    found = seen(BACKEND, replace(WEB, restarts=1), earlier=sample(BACKEND, WEB))
    assert (found.view, words(found)) == (View.BAD, "frontend has restarted")


def test_a_restart_loop_shows_over_ticks() -> None:
    """One restart between two ticks is none; one in each of two is."""
    once = conclude(UP, [Finding(View.GOOD)], [WEB], "containers", NOW)
    twice = conclude(once, [Finding(View.GOOD)], [replace(WEB, restarts=1)], "containers", NOW)
    assert (once.rising, twice.rising) == ((), (WEB.id,))
    assert seen(BACKEND, replace(WEB, restarts=1), before=twice).view is View.GOOD
    found = seen(BACKEND, replace(WEB, restarts=2), before=twice)
    assert (found.view, words(found)) == (View.BAD, "frontend restarts again and again")


GOOD, BAD = Finding(View.GOOD), seen(WEB)
STARTING = seen(replace(BACKEND, health=Health.STARTING), WEB)


@pytest.mark.parametrize(
    ("before", "findings", "again"),
    [
        (None, [GOOD], False),
        (UP, [GOOD], False),
        (UP, [STARTING], False),
        (UP, [BAD], True),
        (UP, [BAD, BAD], True),
        (UP, [BAD, GOOD], False),
        (UP, [BAD, BAD, BAD], False),
        (DOWN, [BAD], False),
        (DOWN, [GOOD], True),
        (DOWN, [GOOD, GOOD, GOOD], False),
    ],
)
def test_a_change_must_be_seen_again(
    before: Condition | None, findings: list[Finding], *, again: bool
) -> None:
    """What stays as it was needs one look."""
    assert needs_another(before, findings, 3) is again


@pytest.mark.parametrize(
    ("before", "findings", "level"),
    [
        (None, [GOOD], Level.UP),
        (None, [BAD] * 3, Level.DOWN),
        (None, [STARTING], Level.UP),
        (UP, [BAD, BAD, GOOD], Level.UP),
        (UP, [BAD] * 3, Level.DOWN),
        (DOWN, [BAD], Level.DOWN),
        (DOWN, [STARTING], Level.DOWN),
        (DOWN, [GOOD, BAD], Level.DOWN),
        (DOWN, [GOOD] * 3, Level.UP),
    ],
)
def test_the_level(before: Condition | None, findings: list[Finding], level: Level) -> None:
    """One slow answer neither raises an alarm nor ends one."""
    found = conclude(before, findings, [BACKEND], "containers", NOW)
    assert found.level is level
    same = before is not None and before.level is level
    assert found.since == (before.since if before and same else NOW)
    assert bool(found.reason) is bool(found.code) is (level is Level.DOWN)


def test_while_it_starts_again_it_stays_down_for_its_old_reason() -> None:
    """Until every answer is good."""
    found = conclude(DOWN, [STARTING], [BACKEND], "containers", NOW)
    assert (found.reason, found.code) == (DOWN.reason, DOWN.code)
    assert found.starting == NOW


def test_what_must_run() -> None:
    """What ran when it was applied, and what is needed; one-shots may end, and be gone."""
    before = {
        "backend": Applied("sha256:1", "h", running=True),
        "postgres": Applied("sha256:2", "h", running=False),
        "pgadmin": Applied("sha256:3", "h", running=False),
        "bootstrap": Applied("sha256:4", "h", running=True, may_end=True),
        "seed": Applied("sha256:5", "h", running=True),
    }
    seed = replace(BACKEND, service="seed", may_end=True)
    expected = expected_of(before, before, [seed], {"postgres"})
    assert expected == Expectation(frozenset({"backend", "postgres"}))


def test_while_a_release_is_watched_its_services_count() -> None:
    """What it dropped is not missed, and what it brought must run."""
    before = {name: Applied("sha256:1", "h", running=True) for name in ("backend", "dropped")}
    expected = expected_of({"backend", "brought"}, before, [BACKEND], {"backend"})
    assert expected == Expectation(frozenset({"backend", "brought"}))


def test_the_words_of_a_report_are_words_of_the_wire() -> None:
    """A fleet server refuses others."""
    for kind in FaultKind:
        assert kind.replace(".", "").isalpha()
