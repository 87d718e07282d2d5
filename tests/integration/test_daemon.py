"""The daemon on one real stack: it acts, stops and goes on, with users served throughout."""

from __future__ import annotations

import time

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance
from tests.lab.front import Refuse
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.scenes import installed, lives, writer
from tests.services import PROMPT, service

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def quick(instance: Instance) -> Instance:
    """It polls every second and leaves out what others prove."""
    return instance.changed(source={"interval": 1}, rehearsal={"when": "never"})


def test_it_installs_what_appears_while_it_runs(quick: Instance) -> None:
    """Ready before the first tick is over; each step shows; the watchdog hears real progress."""
    stack = quick.lab.stack
    before = lives(stack)
    with writer(stack), service(quick) as daemon:
        daemon.wait_for(f"STATUS=current: {installed(quick)}")
        assert daemon.heard[0] == "READY=1"
        release = quick.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
        daemon.wait_for(f"STATUS=current: {release.tag}")
        alive = daemon.heard.count("WATCHDOG=1")
        daemon.wait(lambda: daemon.heard.count("WATCHDOG=1") > alive + 1, "idle ticks")
        assert daemon.stop() < PROMPT
    steps = ("stage", "pull", "backup", "hold", "point", "switch", "gate", "release", "commit")
    told = [daemon.heard.index(f"STATUS={release.tag}: {step}") for step in steps]
    assert told == sorted(told)
    assert all(daemon.heard[index + 1] == "WATCHDOG=1" for index in told)
    assert daemon.heard[-1] == "STOPPING=1"
    assert installed(quick) == release.tag
    after = lives(stack)
    assert after["postgres"] == before["postgres"]
    assert daemon.logs("not JSON") == []
    assert daemon.logs("tick.bug") == []


def test_its_polls_fall_on_the_same_second_after_every_start(quick: Instance) -> None:
    """The phase comes from the instance's own random name, which outlives the process."""
    slow = quick.changed(source={"interval": 1800}, rehearsal={"when": "never"})
    phases = []
    for _ in range(2):
        with service(slow) as daemon:
            daemon.wait_for("STATUS=current")
            daemon.stop()
        phases.append(daemon.logs("agent.started")[0]["phase_seconds"])
    assert phases[0] == phases[1]
    assert 0 <= phases[0] < 1800


def test_it_stops_between_steps_before_anything_has_stopped(quick: Instance) -> None:
    """SIGTERM while the images come: the step is finished, the next is not begun."""
    was = installed(quick)
    with writer(quick.lab.stack) as client, service(quick) as daemon:
        daemon.wait_for(f"STATUS=current: {was}")
        release = quick.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION, ballast=20_000_000)
        daemon.wait_for(f"STATUS={release.tag}: pull")
        assert daemon.stop() < PROMPT
        assert not daemon.says(f"STATUS={release.tag}: hold")
    assert client.tally().failed == 0
    assert installed(quick) == was
    with quick.engine() as engine:
        assert engine.journal.live() is not None


def test_it_stops_with_users_served_and_goes_on_at_the_next_start(quick: Instance) -> None:
    """SIGTERM during the hold: requests are let through first; the rest is done after the start."""
    was = installed(quick)
    stack = quick.lab.stack
    with writer(stack) as client:
        with service(quick) as daemon:
            # What was cut off before is undone, and may be tried again later; a newer one, now.
            release = quick.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
            daemon.wait_for(f"STATUS={release.tag}: hold")
            assert daemon.stop() < PROMPT
        stopped = time.monotonic()
        served = client.tally().since(stopped)
        wait_until(lambda: client.tally().since(stopped).requests > 25, PROMPT, "requests")
        served = client.tally().since(stopped)
        assert served.failed == 0
        with quick.engine() as engine:
            live = engine.journal.live()
            assert live is not None
            assert live.state.action.step == "commit"
        assert installed(quick) == was
        with service(quick) as daemon:
            daemon.wait_for(f"STATUS=current: {release.tag}")
            daemon.stop()
    assert stack.applied() == list(release.migrations)
    with quick.engine() as engine:
        assert engine.journal.past(1)[0].outcome is Outcome.COMMITTED


def test_a_person_may_go_back_while_it_watches(quick: Instance) -> None:
    """The daemon holds nobody up during the soak, and does not bring back what was left."""
    patient = quick.changed(
        source={"interval": 1}, rehearsal={"when": "never"}, soak={"duration": 600, "interval": 1}
    )
    was = installed(patient)
    with writer(patient.lab.stack), service(patient) as daemon:
        daemon.wait_for(f"STATUS=current: {was}")
        release = patient.lab.publisher.publish(Kind.GOOD)
        daemon.wait_for(f"STATUS={release.tag}: soak")
        quiet = patient.changed(rehearsal={"when": "never"})
        done = quiet.type("rollback")
        assert done.returncode == 0, done.stdout + done.stderr
        told = len(daemon.heard)
        daemon.wait(
            lambda: any(one.startswith(f"STATUS=current: {was}") for one in daemon.heard[told:]),
            "a poll after the rollback",
        )
        assert daemon.stop() < PROMPT
    assert installed(patient) == was


def test_it_does_not_ask_again_before_the_source_wants_it(quick: Instance) -> None:
    """429 with Retry-After: nothing is asked meanwhile; afterwards all is well by itself."""
    front = quick.lab.origin.front
    with service(quick) as daemon:
        daemon.wait_for("STATUS=current")
        front.fail(Refuse(429, retry_after="6"))
        daemon.wait_for("STATUS=waiting: the source")
        asked, began = len(front.requests), time.monotonic()
        front.heal()
        daemon.wait(lambda: len(front.requests) > asked, "the next poll")
        assert time.monotonic() - began > 3
        told = len(daemon.heard)
        daemon.wait(
            lambda: any(one.startswith("STATUS=current") for one in daemon.heard[told:]), "a poll"
        )
        assert daemon.stop() < PROMPT
    assert [line["code"] for line in daemon.logs("tick.postponed")] == ["source.rate_limited"]


def test_a_dead_source_is_waited_for(quick: Instance) -> None:
    """It says what is wrong, goes on polling, and needs nobody when the source is back."""
    front = quick.lab.origin.front
    with service(quick) as daemon:
        daemon.wait_for("STATUS=current")
        front.fail(Refuse(500))
        daemon.wait(lambda: len(daemon.logs("tick.postponed")) > 1, "two failing polls")
        assert daemon.says("STATUS=waiting: the source")
        front.heal()
        told = len(daemon.heard)
        daemon.wait(
            lambda: any(one.startswith("STATUS=current") for one in daemon.heard[told:]), "a poll"
        )
        assert daemon.stop() < PROMPT
