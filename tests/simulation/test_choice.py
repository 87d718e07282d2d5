"""Which release is installed, when, and what is refused: policy and trust on the simulation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from koprogo_agent.domain.windows import parse_window
from koprogo_agent.errors import NeedsOperator, Refused, RetryLater
from tests.simulation.checks import assert_no_row_lost, assert_sound
from tests.simulation.instance import Instance
from tests.simulation.people import way_in


def _waits(instance: Instance) -> dict[str, str]:
    instance.tick()
    return {tag: waits for tag, waits, _ in instance.engine.standing.pending.reasons}


def test_adoption_restarts_nothing(folder: Path) -> None:
    """A stack that somebody else brought up is taken over as it runs, and updated from there."""
    made = Instance.new(folder)
    made.scene.publisher.publish("1.0.0")
    made.bring_up_by_hand("v1.0.0")
    ids = made.ids
    made.settle()
    assert made.installed == made.running == "v1.0.0"
    assert made.ids == ids
    assert made.journal.floor is not None
    made.scene.publisher.publish("1.1.0", schema=True)
    made.settle()
    assert made.installed == "v1.1.0"
    assert_sound(made, ids)


@pytest.mark.parametrize("damage", [b"", b"not a database at all, but long enough to look at" * 90])
def test_corrupt_journal_is_set_aside_and_made_anew(instance: Instance, damage: bytes) -> None:
    """What is installed is known again by the labels on the containers; nothing restarts."""
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    ids = instance.ids
    instance.journal.close()
    (instance.folder / "state.db").write_bytes(damage)
    instance.start()
    instance.tick()
    assert (instance.journal.set_aside is None) == (not damage)
    assert instance.installed == "v1.0.1"
    assert instance.ids == ids


def test_journal_lost_behind_a_fence(instance: Instance) -> None:
    """A journal that is lost in the middle of an update does not leave the stack closed."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.taps.named = {"database.make_point after": "killed"}
    instance.tick()
    assert not way_in(instance.scene.machine)
    instance.journal.close()
    (instance.folder / "state.db").write_bytes(b"noise" * 999)
    instance.taps.named = {}
    instance.start()
    instance.scene.origin.failure = RetryLater("no route to host", code="git.unreachable")
    instance.tick()
    instance.wait(60)
    assert way_in(instance.scene.machine), "whether the source answers or not"
    instance.scene.origin.failure = None
    instance.requests.hold("to see what is made of it")
    instance.tick()
    assert instance.scene.notifier.told[-1][0] == "KoproGo: the agent lost its journal"
    instance.requests.resume()
    instance.settle()
    assert instance.running == "v1.1.0"
    assert_no_row_lost(instance)


def test_windows(folder: Path) -> None:
    """A routine release waits for the window; a security release does not."""
    windows = (parse_window("Tue 00:00-04:00"),)
    made = Instance.new(folder, policy={"windows": windows})
    made.scene.clock.skew = timedelta(hours=14)  # Tuesday, 02:00
    made.install()
    made.wait(8 * 3600)
    made.scene.publisher.publish("1.0.1")
    assert _waits(made) == {"v1.0.1": "window"}
    made.scene.publisher.publish("1.0.2", manifest={"severity": "security"})
    made.settle()
    assert made.installed == "v1.0.2"


def test_hold_and_resume(instance: Instance) -> None:
    """While the operator holds, nothing changes but what is known; then it goes on."""
    instance.requests.hold("annual meeting")
    instance.scene.publisher.publish("1.0.1")
    assert _waits(instance) == {"v1.0.1": "hold"}
    with pytest.raises(NeedsOperator):
        instance.requests.update(None)
    assert instance.requests.resume()
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_by_hand_only(folder: Path) -> None:
    """With `automatic = false` releases are reported, and installed by hand."""
    made = Instance.new(folder, policy={"automatic": False})
    made.scene.publisher.publish("1.0.0")
    assert _waits(made) == {"v1.0.0": "manual"}
    made.requests.update("v1.0.0")
    assert made.installed == "v1.0.0"
    with pytest.raises(Refused, match="not newer"):
        made.requests.update("v1.0.0")
    with pytest.raises(Refused, match="no release"):
        made.requests.update("v7.0.0")


@pytest.mark.parametrize(
    ("manifest", "waits"),
    [
        ({"channel": "edge"}, "channel"),
        ({"agent_min": "99.0.0"}, "agent"),
        ({"upgrade_from": [">=1.0.5"]}, "step"),
    ],
)
def test_unfit_releases(instance: Instance, manifest: dict[str, object], waits: str) -> None:
    """What is not for this instance is passed over, with the reason."""
    instance.scene.publisher.publish("1.0.1", manifest=manifest)
    assert _waits(instance) == {"v1.0.1": waits}
    assert instance.installed == "v1.0.0"


def test_prerelease_without_manifest(folder: Path) -> None:
    """A pre-release that no manifest assigns to a channel is not for those who follow stable."""
    made = Instance.new(folder, trust={"require_manifest": False})
    made.install()
    made.scene.publisher.publish("1.1.0-rc.1", legacy=True)
    assert _waits(made) == {"v1.1.0-rc.1": "prerelease"}


def test_stepping_stones(instance: Instance) -> None:
    """Where one cannot come directly, the step between is installed first, then the rest."""
    publish = instance.scene.publisher.publish
    publish("1.5.0", schema=True)
    publish("2.0.0", schema=True, manifest={"upgrade_from": [">=1.5.0"]})
    instance.settle()
    assert instance.installed == "v2.0.0"
    tags = [one.operation.tag for one in reversed(instance.journal.past(9))]
    assert tags == ["v1.0.0", "v1.5.0", "v2.0.0"]


def test_retry_after_quarantine(instance: Instance) -> None:
    """A release in quarantine is tried again when the operator says so, and only then."""
    instance.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    instance.settle()
    assert _waits(instance) == {"v1.0.1": "quarantine"}
    with pytest.raises(Refused):
        instance.requests.retry("v1.0.0")
    begun = len(instance.journal.past(9))
    instance.requests.retry("v1.0.1")
    instance.settle()
    assert len(instance.journal.past(9)) == begun + 1
    assert instance.quarantined == {"v1.0.1"}


def test_moved_tag(instance: Instance) -> None:
    """A tag that points elsewhere than at its first sight is refused, kept and told; once."""
    instance.requests.hold("so that the tag is only seen")
    publish = instance.scene.publisher.publish
    publish("1.0.1")
    instance.tick()
    moved = publish("1.0.1", backend={"exits": "in production"})
    instance.requests.resume()
    instance.settle()
    assert instance.installed == "v1.0.0"
    refusals = [(one.tag, one.oid, one.code) for one in instance.engine.memory.refusals()]
    assert refusals == [("v1.0.1", moved.oid, "tag.moved")]
    told = [title for title, _ in instance.scene.notifier.told]
    assert told.count("KoproGo: release v1.0.1 was refused") == 1
    rows = instance.journal.store.connection.execute("SELECT evidence FROM refusal")
    assert rows.fetchone()[0] == instance.scene.origin.objects[moved.oid]


@pytest.mark.parametrize("key", ["", "a-stranger"])
def test_untrusted_tag(instance: Instance, key: str) -> None:
    """What no trusted key signed is never installed."""
    instance.scene.publisher.publish("1.0.1", key=key)
    instance.settle()
    assert instance.installed == "v1.0.0"
    assert len(instance.engine.memory.refusals()) == 1


def test_older_release_is_below_the_floor(instance: Instance) -> None:
    """After an update and a rollback, the floor stays: nothing below it is ever offered."""
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    instance.scene.publisher.publish("0.9.9")
    instance.settle()
    assert instance.installed == "v1.0.1"
    with pytest.raises(Refused):
        instance.requests.update("v0.9.9")


def test_polls_that_fail(instance: Instance) -> None:
    """A source that does not answer is a state with a beginning; with an answer it is over."""
    instance.scene.origin.failure = RetryLater("no route to host", code="git.unreachable")
    began = instance.scene.clock.now()
    for _ in range(21):
        instance.tick()
        instance.wait(180)
    polls = instance.engine.standing.polls
    assert polls.failing_since == began
    assert polls.failure is not None
    assert polls.failure.code == "git.unreachable"
    assert instance.scene.clock.now() - began > timedelta(hours=1)
    instance.scene.origin.failure = None
    instance.tick()
    assert instance.engine.standing.polls.failing_since is None
