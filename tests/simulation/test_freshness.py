"""Freshness: what is stale, held back, yanked, rolled out little by little, or withheld."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.freshness import place
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.update.requests import Requests
from koprogo_agent.wire.report import StateName
from tests.simulation.clock import EPOCH
from tests.simulation.instance import TICK, Instance
from tests.simulation.origin import KEY
from tests.simulation.telling import refused_documents, status, told, waits
from tests.simulation.trust import freshness, root


def test_without_freshness_nothing_new_starts_and_with_it_all_goes_on(instance: Instance) -> None:
    """STALE is told once and shown; the services run on; the next renewal ends it."""
    scene = instance.scene
    scene.association.renew(2, scene.clock.now())
    instance.tick()
    ids = instance.ids
    instance.wait(48 * 3600 + 1)
    scene.publisher.publish("1.0.1")
    for _ in range(3):
        assert waits(instance) == {"v1.0.1": "stale"}
        instance.wait(TICK)
    assert (instance.installed, instance.ids) == ("v1.0.0", ids)
    found = status(instance)
    assert found.state is StateName.STALE
    assert "freshness 2 expired" in found.summary
    assert told(instance, "updates stand still") == 1
    scene.association.renew(3, scene.clock.now())
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert status(instance).state is StateName.CURRENT
    names = [event.name for event in instance.journal.events(100)]
    assert (names.count("trust.stale"), names.count("trust.stale.over")) == (1, 1)


def test_the_operator_may_install_although_it_is_stale(instance: Instance) -> None:
    """By an express word, and only what is signed in full."""
    instance.scene.association.renew(2, instance.scene.clock.now())
    instance.tick()
    instance.wait(49 * 3600)
    instance.scene.publisher.publish("1.0.2", key="a stranger")
    instance.scene.publisher.publish("1.0.1")
    with pytest.raises(Refused, match="--although-stale"):
        instance.requests.update("v1.0.1")
    allowed = Requests(instance.engine, although_stale=True)
    with pytest.raises(Refused, match="nobody in the trust root"):
        allowed.update("v1.0.2")
    instance.act(lambda: allowed.update("v1.0.1"))
    assert instance.installed == "v1.0.1"


def test_where_freshness_is_not_required_an_expired_root_still_stops(folder: Path) -> None:
    """`require_freshness = false` is about the online document alone."""
    made = Instance.new(folder, trust={"require_freshness": False})
    made.scene.association.files.pop("freshness.json")
    made.scene.association.publish({})
    made.install()
    expired = root(2, expires=instant(made.scene.clock.now() + timedelta(hours=1)))
    made.scene.association.publish({"root/2.json": expired})
    made.tick()
    made.wait(3600)
    made.scene.publisher.publish("1.0.1")
    assert waits(made) == {"v1.0.1": "stale"}
    assert "trust root 2 expired" in status(made).summary
    made.scene.association.publish({"root/3.json": root(3)})
    made.settle()
    assert made.installed == "v1.0.1"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (freshness(1, held={"9.9.9": "x"}), "freshness.rollback"),
        (freshness(5, held={"9.9.9": "x"}), "freshness.forked"),
        (freshness(6, signers=(KEY,)), "trust.threshold"),
        (freshness(6, signers=()), "trust.threshold"),
        (freshness(6, root=2), "freshness.root"),
        (freshness(6, product="other"), "freshness.product"),
        (freshness(6, issued=instant(EPOCH + timedelta(days=90))), "freshness.not_yet"),
        (freshness(6)[:-9], "freshness.invalid"),
    ],
    ids=["older", "forked", "wrong role", "unsigned", "root withheld", "other", "future", "cut"],
)
def test_a_freshness_document_that_is_not_believed_changes_nothing(
    instance: Instance, raw: bytes, code: str
) -> None:
    """Refused and told once; the one that was believed before goes on to count."""
    association = instance.scene.association
    association.publish({"freshness.json": freshness(5)})
    instance.tick()
    association.publish({"freshness.json": raw})
    for _ in range(3):
        instance.tick()
        instance.wait(TICK)
    assert refused_documents(instance) == {"freshness": code}
    assert told(instance, "trust is refused") == 1
    known = instance.engine.authority.freshness
    assert known is not None
    assert known.envelope.raw() == freshness(5)
    association.publish({"freshness.json": freshness(7)})
    instance.tick()
    assert refused_documents(instance) == {}


def test_a_document_from_the_future_is_believed_once_its_time_has_come(instance: Instance) -> None:
    """A clock that was wrong, here or there, is judged anew at each poll."""
    later = instance.scene.clock.now() + timedelta(hours=1)
    raw = freshness(2, issued=instant(later))
    instance.scene.association.publish({"freshness.json": raw})
    instance.tick()
    assert refused_documents(instance) == {"freshness": "freshness.not_yet"}
    instance.wait(3600)
    instance.tick()
    assert refused_documents(instance) == {}


def test_what_is_held_back_waits_and_what_is_yanked_is_never_taken(instance: Instance) -> None:
    """Neither by itself nor by hand; the release below it is the next best."""
    association, now = instance.scene.association, instance.scene.clock.now()
    for version in ("1.0.1", "1.0.2", "1.0.3"):
        instance.scene.publisher.publish(version)
    association.renew(2, now, held={"1.0.3": "mails twice"}, yanked={"1.0.2": "loses notes"})
    assert waits(instance) == {"v1.0.3": "stopped", "v1.0.2": "yanked"}
    assert instance.installed == "v1.0.1"
    for tag, why in (("v1.0.3", "mails twice"), ("v1.0.2", "loses notes")):
        with pytest.raises(Refused, match=why):
            instance.requests.update(tag)
    association.renew(3, now, yanked={"1.0.2": "loses notes", "1.0.1": "leaks"})
    instance.settle()
    assert instance.installed == "v1.0.3"


def test_who_runs_what_was_yanked_is_told(instance: Instance) -> None:
    """Once; it is not taken away under its users' hands."""
    now = instance.scene.clock.now()
    instance.scene.association.renew(2, now, yanked={"1.0.0": "leaks"})
    for _ in range(3):
        instance.tick()
    trust = status(instance).trust
    assert trust is not None
    assert (trust.yanked, instance.installed) == ("leaks", "v1.0.0")
    assert told(instance, "taken back by the association leaks") == 1


def _rollout(instance: Instance, share: int = 100) -> dict[str, object]:
    start = instance.scene.clock.now()
    return {"1.0.1": {"start": instant(start), "duration": 86_400, "share": share}}


def test_a_rollout_comes_to_every_instance_in_its_turn(instance: Instance, folder: Path) -> None:
    """Half of its time brings it to about half of them, and all of it to all."""
    instance.scene.publisher.publish("1.0.1")
    now = instance.scene.clock.now()
    instance.scene.association.renew(2, now, rollouts=_rollout(instance))
    early = []
    for name in map(str, range(12)):
        copy = instance.copy(folder / name)
        copy.journal.put("instance", name)
        assert waits(copy) == {"v1.0.1": "rollout"}
        copy.wait(43_200)
        copy.tick()
        early.append(copy.installed == "v1.0.1")
        copy.wait(43_200)
        copy.tick()
        deployment = copy.journal.installed
        assert deployment is not None
        assert deployment.tag == "v1.0.1"
        assert early[-1] == (place(name, deployment.fingerprint) < 0.5)
        copy.journal.close()
    assert True in early
    assert False in early


def test_by_hand_nobody_waits_for_a_rollout(instance: Instance) -> None:
    """The operator's word stands above the schedule."""
    instance.scene.publisher.publish("1.0.1")
    now = instance.scene.clock.now()
    instance.scene.association.renew(2, now, rollouts=_rollout(instance))
    assert waits(instance) == {"v1.0.1": "rollout"}
    instance.act(lambda: instance.requests.update(None))
    assert instance.installed == "v1.0.1"


def test_nobody_beyond_the_share_takes_it(instance: Instance) -> None:
    """A share of nothing reaches nobody, whatever time goes by."""
    instance.scene.publisher.publish("1.0.1")
    instance.scene.association.publish(
        {"freshness.json": freshness(2, rollouts=_rollout(instance, share=0))}
    )
    assert waits(instance) == {"v1.0.1": "rollout"}
    instance.wait(10 * 86_400)
    assert waits(instance) == {"v1.0.1": "rollout"}


def test_a_security_release_waits_for_no_rollout(instance: Instance) -> None:
    """All at once: whoever reads the fix can write the attack."""
    instance.scene.publisher.publish("1.0.1", manifest={"severity": "security"})
    instance.scene.association.publish(
        {"freshness.json": freshness(2, rollouts=_rollout(instance, share=0))}
    )
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_a_source_that_keeps_the_newest_release_back_is_noticed(instance: Instance) -> None:
    """A mirror with new freshness and old tags: the poll counts as failed, and says what lacks."""
    channels = {"stable": {"version": "1.0.1", "counter": 2}}
    instance.scene.association.publish({"freshness.json": freshness(2, channels=channels)})
    instance.tick()
    failure = instance.engine.standing.polls.failure
    assert failure is not None
    assert (failure.code, "v1.0.1" in failure.message) == ("source.withheld", True)
    origin = instance.scene.origin
    for outage in (RetryLater("no route to host", code="source.unreachable"), None):
        origin.failure = outage
        instance.wait(1801)
        instance.tick()
    assert told(instance, "the source keeps something back") == 1, "no outage makes it news again"
    assert status(instance).state is StateName.STALE
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert status(instance).state is StateName.CURRENT
