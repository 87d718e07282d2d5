"""Drift: what differs from what was applied, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from koprogo_agent.domain.drift import CONFIG_HASH, Change, applied, differences
from koprogo_agent.domain.gate import Container, Health

BACKEND = Container(
    "backend",
    "1",
    "b",
    "sha256:1",
    "running",
    Health.HEALTHY,
    0,
    0,
    {CONFIG_HASH: "h"},
    may_end=False,
)
SHOT = replace(BACKEND, service="bootstrap", id="2", state="exited")


def test_nothing_differs() -> None:
    """Restarts, health, and one-shots that ended are no drift; nor are services of others."""
    now = replace(BACKEND, id="9", restarts=4, health=Health.UNHEALTHY)
    extra = replace(BACKEND, service="pgadmin")
    assert differences(applied([BACKEND, SHOT]), [now, SHOT, extra]) == ()


def test_a_one_shot_that_ends_later_has_done_its_work() -> None:
    """Nobody waits for it; it is a difference only when it failed, or was not to end at all."""
    runs = replace(SHOT, state="running", may_end=True)
    ended = replace(runs, state="exited")
    assert differences(applied([runs]), [ended]) == ()
    failed = differences(applied([runs]), [replace(ended, exit_code=1)])
    assert [one.words for one in failed] == ["bootstrap is exited"]
    assert differences(applied([runs]), [replace(ended, may_end=False)]) != ()
    assert differences(applied([runs]), [replace(ended, state="paused")]) != ()


def test_what_was_paused_when_it_was_applied_is_meant_to_run() -> None:
    """A person paused it for a moment: later it is missed if it does not run."""
    paused = replace(BACKEND, state="paused")
    assert differences(applied([paused]), [BACKEND]) == ()
    stopped = differences(applied([paused]), [replace(BACKEND, state="exited")])
    assert [one.words for one in stopped] == ["backend is exited"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ([SHOT], "backend has no container any more"),
        ([replace(BACKEND, image_id="sha256:2"), SHOT], "backend runs another image"),
        (
            [replace(BACKEND, labels={CONFIG_HASH: "x"}), SHOT],
            "backend was made anew with another definition",
        ),
        ([replace(BACKEND, state="paused"), SHOT], "backend is paused"),
    ],
    ids=str,
)
def test_what_differs(now: list[Container], words: str) -> None:
    """Each difference has its words."""
    found = differences(applied([BACKEND, SHOT]), now)
    assert [one.words for one in found] == [words]


def test_replicas_are_counted() -> None:
    """One of two that is gone, or that runs something else, is a difference."""
    pair = [BACKEND, replace(BACKEND, id="b2")]
    before = applied(pair)
    assert differences(before, pair) == ()
    (gone,) = differences(before, pair[:1])
    assert (gone.change, gone.words) == (Change.GONE, "backend has 1 of 2 containers")
    (other,) = differences(before, [BACKEND, replace(BACKEND, id="b2", image_id="sha256:9")])
    assert other.words == "backend runs another image"
    (stopped,) = differences(before, [replace(BACKEND, state="exited", exit_code=1), pair[1]])
    assert stopped.change is Change.STATE
