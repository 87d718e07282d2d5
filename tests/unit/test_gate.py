"""The gate: what counts as healthy, what as hopeless, and how long it waits in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.gate import (
    Container,
    Expectation,
    GatePolicy,
    Health,
    Sample,
    Verdict,
    fallen,
    judge,
)

POLICY = GatePolicy(
    samples=3, interval=2, settling=2, deadline=30, max_deadline=300, max_restarts=2
)
EXPECTED = Expectation(frozenset({"backend"}), frozenset({"bootstrap"}))
BACKEND = Container(
    "backend",
    "b1",
    "koprogo/backend",
    "sha256:1",
    "running",
    Health.HEALTHY,
    0,
    0,
    {},
    may_end=False,
)
BOOTSTRAP = replace(BACKEND, service="bootstrap", id="s1", state="exited", health=Health.NONE)


def look(at: float, *containers: Container, answer: str | None = None, mark: str = "") -> Sample:
    """A sample with one probe."""
    return Sample(at, containers or (BACKEND, BOOTSTRAP), {"health": answer}, mark)


def verdict(*samples: Sample, expected: Expectation = EXPECTED) -> tuple[Verdict, str]:
    """The gate's judgement."""
    judgement = judge(samples, expected, POLICY)
    return judgement.verdict, judgement.reason


def test_opens_after_enough_good_samples() -> None:
    """Not after one; after three in a row."""
    samples = [look(at) for at in (0, 2, 4)]
    verdicts = [verdict(*samples[:count])[0] for count in range(4)]
    assert verdicts == [Verdict.NOT_YET] * 3 + [Verdict.HEALTHY]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (look(2, BACKEND), "bootstrap has no container"),
        (look(2, replace(BACKEND, state="created"), BOOTSTRAP), "backend is created"),
        (look(2, replace(BACKEND, health=Health.STARTING), BOOTSTRAP), "backend is starting"),
        (look(2, replace(BACKEND, health=Health.UNHEALTHY), BOOTSTRAP), "backend is unhealthy"),
        (look(2, replace(BACKEND, restarts=1), BOOTSTRAP), "backend has restarted"),
        (look(2, answer="503 instead of 200"), "health: 503 instead of 200"),
    ],
    ids=str,
)
def test_one_bad_sample_begins_the_count_anew(bad: Sample, reason: str) -> None:
    """A flapping stack does not pass: the good samples must be in a row."""
    assert verdict(look(0), bad) == (Verdict.NOT_YET, reason)
    after = [replace(look(at), containers=bad.containers) for at in (4, 6)]
    if bad.containers[0].restarts:
        assert verdict(look(0), bad, *after)[0] is Verdict.NOT_YET
    assert verdict(look(0), bad, look(4), look(6))[0] is Verdict.NOT_YET
    assert verdict(look(0), bad, look(4), look(6), look(8))[0] is Verdict.HEALTHY


def test_hopeless_before_the_deadline() -> None:
    """What cannot recover by itself is not waited for."""
    failed = look(2, BACKEND, replace(BOOTSTRAP, exit_code=3))
    assert verdict(failed) == (Verdict.FAILED, "bootstrap has exited 3")
    again = look(2, replace(BACKEND, restarts=3, exit_code=101), BOOTSTRAP)
    assert verdict(look(0), again)[0] is Verdict.FAILED
    down = replace(BACKEND, state="exited", exit_code=1)
    samples = [look(at, down, BOOTSTRAP) for at in (0, 2, 4)]
    assert verdict(*samples[:2])[0] is Verdict.NOT_YET
    assert verdict(*samples) == (Verdict.FAILED, "backend has exited 1 and stays down")


def test_restarts_from_before_do_not_count() -> None:
    """A container that restarted long ago is not held against the release."""
    old = replace(BACKEND, restarts=9)
    assert verdict(*[look(at, old, BOOTSTRAP) for at in (0, 2, 4)])[0] is Verdict.HEALTHY


def test_restarts_of_what_was_made_anew_all_count() -> None:
    """An agent that was killed in the gate does not begin to count again."""
    restarting = replace(BACKEND, state="restarting", restarts=3)
    fresh = replace(EXPECTED, fresh=frozenset({"backend"}))
    assert verdict(look(0, restarting), expected=fresh)[0] is Verdict.FAILED
    assert verdict(look(0, restarting))[0] is Verdict.NOT_YET


def test_awaited_one_shot() -> None:
    """A one-shot may run on, unless others wait for its end."""
    runs = replace(BOOTSTRAP, state="running")
    samples = [look(at, BACKEND, runs) for at in (0, 2, 4)]
    assert verdict(*samples)[0] is Verdict.HEALTHY
    awaited = replace(EXPECTED, ended=frozenset({"bootstrap"}))
    assert verdict(*samples, expected=awaited) == (
        Verdict.NOT_YET,
        "bootstrap has not ended yet",
    )


def test_what_may_end_must_be_healthy_while_it_runs() -> None:
    """Its image has a health check: it is no one-shot, whatever its restart policy says."""
    ill = replace(BOOTSTRAP, state="running", health=Health.UNHEALTHY)
    samples = [look(at, BACKEND, ill) for at in (0, 2, 4)]
    assert verdict(*samples) == (Verdict.NOT_YET, "bootstrap is unhealthy")


def test_replicas_are_counted() -> None:
    """Where two are asked for, one is not enough."""
    two = replace(EXPECTED, replicas={"backend": 2})
    samples = [look(at) for at in (0, 2, 4)]
    assert verdict(*samples, expected=two) == (Verdict.NOT_YET, "backend has 1 of 2 containers")
    both = [look(at, BACKEND, replace(BACKEND, id="b2"), BOOTSTRAP) for at in (0, 2, 4)]
    assert verdict(*both, expected=two)[0] is Verdict.HEALTHY


def test_deadline() -> None:
    """It fails at the deadline with the reason of the last sample."""
    bad = [look(at, answer="timeout") for at in (0.0, 29.0, 30.0)]
    assert verdict(*bad[:2])[0] is Verdict.NOT_YET
    assert verdict(*bad) == (Verdict.FAILED, "health: timeout, after 30 s")


@pytest.mark.parametrize(
    ("marks", "last", "expected"),
    [
        (["a", "b"], 35.0, Verdict.NOT_YET),  # it worked a moment ago
        (["a", "b"], 40.0, Verdict.FAILED),  # for a third of the deadline it has not
        (["a", "a"], 31.0, Verdict.FAILED),
        (["", "b"], 31.0, Verdict.FAILED),  # the database did not answer before: no progress
    ],
)
def test_progress_moves_the_deadline(marks: list[str], last: float, expected: Verdict) -> None:
    """While the database is seen to work, a migration may take longer."""
    samples = [look(0, answer="no", mark=marks[0]), look(29, answer="no", mark=marks[1])]
    end = look(last, answer="no", mark=marks[1])
    assert verdict(*samples, end)[0] is expected


def test_progress_does_not_move_it_for_ever() -> None:
    """The longest deadline is one, whatever the database does."""
    samples = [look(at, answer="no", mark=str(at)) for at in range(0, 301, 10)]
    assert verdict(*samples[:-1])[0] is Verdict.NOT_YET
    assert verdict(*samples)[0] is Verdict.FAILED


@given(st.lists(st.booleans(), max_size=40))
def test_opens_exactly_after_a_row(good: list[bool]) -> None:
    """Whatever came before: healthy if and only if the last three samples were good."""
    samples = [look(i * 0.5, answer=None if ok else "no") for i, ok in enumerate(good)]
    healthy = verdict(*samples)[0] is Verdict.HEALTHY
    assert healthy == (len(good) >= 3 and all(good[-3:]))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BACKEND, ""),
        (replace(BACKEND, health=Health.UNHEALTHY), ""),
        (replace(BACKEND, state="exited", exit_code=137), "backend is exited"),
        (replace(BACKEND, restarts=1), "backend has restarted"),
        (None, "backend has no container"),
    ],
    ids=str,
)
def test_what_has_fallen_is_down_or_was(now: Container | None, words: str) -> None:
    """Not well is not fallen: a release may well make another service unwell."""
    last = Sample(2, (now,) if now else ())
    assert fallen([look(0), last], {"backend"}) == words
    assert fallen([look(0), last], ()) == ""


def test_what_has_fewer_containers_than_it_is_to_have_has_fallen() -> None:
    """Each of several counts."""
    two = (BACKEND, replace(BACKEND, id="another", state="exited"))
    assert fallen([look(0), Sample(2, two)], {"backend"}, {"backend": 2}) == "backend is exited"
    one = Sample(2, (BACKEND,))
    assert fallen([look(0), one], {"backend"}, {"backend": 2}) == "backend has 1 of 2 containers"
    assert fallen([look(0), Sample(2, ())], {"backend"}, {"backend": 0}) == ""
