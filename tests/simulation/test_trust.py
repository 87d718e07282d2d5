"""Who may say what runs here: the chain of trust roots, thresholds, freshness and their faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from koprogo_agent.domain.canonical import MOST, instant
from koprogo_agent.domain.freshness import place
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.update.requests import Requests
from koprogo_agent.update.status import StateName, Status, read_status
from tests.simulation.clock import EPOCH
from tests.simulation.faults import Taps
from tests.simulation.instance import TICK, Instance
from tests.simulation.origin import KEY
from tests.simulation.signing import fingerprint
from tests.simulation.trust import ONLINE, Roles, freshness, root

PEOPLE = ("alice", "bob", "carol")
TWO_OF_THREE: Roles = {
    "root": (PEOPLE, 2),
    "release": (PEOPLE, 2),
    "freshness": ((ONLINE,), 1),
}


def _roles(people: Sequence[str], online: str = ONLINE) -> Roles:
    return {"root": (people, 2), "release": (people, 2), "freshness": ((online,), 1)}


def _status(instance: Instance) -> Status:
    return read_status(instance.journal, instance.settings, instance.scene.clock.now())


def _waits(instance: Instance) -> dict[str, str]:
    instance.tick()
    return {tag: waits for tag, waits, _ in instance.engine.standing.pending.reasons}


def _refused(instance: Instance) -> dict[str, str]:
    trust = _status(instance).trust
    assert trust is not None
    return {what: one.code for what, one in trust.refused.items()}


def _told(instance: Instance, words: str) -> int:
    return sum(words in f"{title} {body}" for title, body in instance.scene.notifier.told)


@pytest.fixture
def three(folder: Path) -> Instance:
    """An instance that was given a trust root of three people, of whom two must sign."""
    made = Instance.new(folder)
    given = root(1, TWO_OF_THREE, PEOPLE[:2])
    made.scene.anchor.given = given
    made.scene.association.publish({"root/1.json": given})
    made.scene.publisher.publish("1.0.0", key="alice", cosigners=("bob",))
    made.settle()
    assert made.installed == "v1.0.0"
    return made


@pytest.mark.parametrize(
    ("key", "cosigners"),
    [
        ("alice", ()),
        ("alice", ("alice",)),
        ("alice", ("alice", "alice")),
        ("alice", ("a stranger",)),
        ("alice", (ONLINE,)),
    ],
)
def test_fewer_distinct_keys_than_the_threshold_install_nothing(
    three: Instance, key: str, cosigners: Sequence[str]
) -> None:
    """One person alone, however often; a stranger and the online key do not count."""
    three.scene.publisher.publish("1.0.1", key=key, cosigners=cosigners)
    three.settle()
    assert three.installed == "v1.0.0"
    assert [one.code for one in _status(three).refusals] == ["trust.threshold"]
    assert "1 of the 2 keys" in _status(three).refusals[0].message


@pytest.mark.parametrize("key", ["a stranger", ONLINE])
def test_whoever_signs_the_tag_must_be_entitled_however_many_cosign(
    three: Instance, key: str
) -> None:
    """The tag's own text is vouched for by its own signature alone."""
    three.scene.publisher.publish("1.0.1", key=key, cosigners=("alice", "bob"))
    three.settle()
    assert three.installed == "v1.0.0"


def test_two_of_three_sign_and_are_named(three: Instance) -> None:
    """In any order; a bad co-signature beside them spoils nothing."""
    three.scene.publisher.publish("1.0.1", key="carol", cosigners=("a stranger", "bob"))
    offered = three.engine.look().choice.candidate
    assert offered is not None
    assert [one.name for one in offered.signers] == ["carol", "bob"]
    three.settle()
    assert three.installed == "v1.0.1"


def test_a_key_that_was_rotated_out_signs_nothing_any_more(three: Instance) -> None:
    """Two of the old three take it out; what it signs is refused, and what they sign is in."""
    new = root(2, _roles(("alice", "bob", "dora")), ("alice", "bob"))
    three.scene.association.publish({"root/2.json": new})
    three.scene.publisher.publish("1.0.1", key="alice", cosigners=("carol",))
    three.settle()
    assert three.installed == "v1.0.0"
    assert _status(three).refusals[0].code == "trust.threshold"
    three.scene.publisher.publish("1.0.2", key="dora", cosigners=("alice",))
    three.settle()
    assert three.installed == "v1.0.2"


def test_an_agent_that_was_away_walks_every_version(three: Instance) -> None:
    """By the third version nobody of the first is left; each step was vouched for by the last."""
    chain = {
        "root/2.json": root(2, _roles(("bob", "carol", "dora")), ("bob", "carol")),
        "root/3.json": root(3, _roles(("carol", "dora", "emil")), ("carol", "dora")),
        "root/4.json": root(4, _roles(("dora", "emil", "finn")), ("dora", "emil")),
    }
    three.scene.association.publish(chain)
    three.scene.publisher.publish("1.0.1", key="emil", cosigners=("finn",))
    three.settle()
    assert three.installed == "v1.0.1"
    kept = [three.engine.authority.root.version]
    three.restart()
    assert [*kept, three.engine.authority.root.version] == [4, 4]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"root/2.json": root(2, _roles(("dora", "emil", "finn")), ("dora", "emil"))}, None),
        ({"root/2.json": root(2, _roles(("alice", "dora", "emil")), ("alice", "dora"))}, None),
        ({"root/2.json": root(2, _roles(("dora", "emil", "finn")), ("alice", "bob"))}, None),
        ({"root/2.json": root(3, TWO_OF_THREE, PEOPLE)}, "root.version"),
        ({"root/2.json": root(1, TWO_OF_THREE, PEOPLE)}, "root.version"),
        ({"root/2.json": root(2, TWO_OF_THREE, PEOPLE, product="other")}, "root.product"),
        ({"root/2.json": b"noise"}, "root.invalid"),
    ],
    ids=["strangers", "one old, one new", "old ones only", "skips", "repeats", "other", "noise"],
)
def test_a_root_that_does_not_follow_is_refused_and_told_once(
    three: Instance, files: Mapping[str, bytes], code: str | None
) -> None:
    """It changes nothing: the old people's word counts on, also about freshness."""
    three.scene.association.publish(files)
    three.scene.association.renew(2, three.scene.clock.now())
    for _ in range(3):
        three.tick()
        three.wait(TICK)
    assert _refused(three) == {"root": code or "trust.threshold"}
    assert _told(three, "trust is refused") == 1
    assert three.engine.authority.root.version == 1
    trusted = three.engine.authority.freshness
    assert trusted is not None
    assert trusted.version == 2
    three.scene.publisher.publish("1.0.1", key="alice", cosigners=("carol",))
    three.settle()
    assert three.installed == "v1.0.1"


def test_a_key_that_the_operator_revoked_counts_no_more(three: Instance) -> None:
    """The operator's own brake works at once, and on this machine alone."""
    three.scene.anchor.distrusted.add(fingerprint("bob"))
    three.scene.publisher.publish("1.0.1", key="alice", cosigners=("bob",))
    three.settle()
    assert three.installed == "v1.0.0"
    assert "revoked on this machine" in _status(three).refusals[0].message
    three.scene.anchor.distrusted.clear()
    three.settle()
    assert three.installed == "v1.0.1"


def test_another_root_given_by_the_operator_begins_the_chain_anew(three: Instance) -> None:
    """Where all is lost, the operator's hand is what trust begins from."""
    strangers = root(1, _roles(("x", "y", "z")), ("x", "y"))
    three.scene.anchor.given = strangers
    three.scene.publisher.publish("1.0.1", key="x", cosigners=("y",))
    three.settle()
    assert three.installed == "v1.0.1"
    assert "trust.pinned" in {event.name for event in three.journal.events(50)}


@pytest.mark.parametrize("given", [b"noise", root(product="other")])
def test_a_root_that_cannot_be_used_needs_the_operator(folder: Path, given: bytes) -> None:
    """Nothing is installed on a guess; what runs goes on."""
    made = Instance.new(folder)
    made.scene.anchor.given = given
    made.scene.publisher.publish("1.0.0")
    made.tick()
    assert isinstance(made.errors[-1], NeedsOperator)
    assert made.installed is None


# --- freshness


def test_without_freshness_nothing_new_starts_and_with_it_all_goes_on(instance: Instance) -> None:
    """STALE is told once and shown; the services run on; the next renewal ends it."""
    scene = instance.scene
    scene.association.renew(2, scene.clock.now())
    instance.tick()
    ids = instance.ids
    instance.wait(48 * 3600 + 1)
    scene.publisher.publish("1.0.1")
    for _ in range(3):
        assert _waits(instance) == {"v1.0.1": "stale"}
        instance.wait(TICK)
    assert (instance.installed, instance.ids) == ("v1.0.0", ids)
    status = _status(instance)
    assert status.state is StateName.STALE
    assert "freshness 2 expired" in status.summary
    assert _told(instance, "updates stand still") == 1
    scene.association.renew(3, scene.clock.now())
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert _status(instance).state is StateName.CURRENT
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
    assert _waits(made) == {"v1.0.1": "stale"}
    assert "trust root 2 expired" in _status(made).summary
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
    assert _refused(instance) == {"freshness": code}
    assert _told(instance, "trust is refused") == 1
    known = instance.engine.authority.freshness
    assert known is not None
    assert known.envelope.raw() == freshness(5)
    association.publish({"freshness.json": freshness(7)})
    instance.tick()
    assert _refused(instance) == {}


def test_a_document_from_the_future_is_believed_once_its_time_has_come(instance: Instance) -> None:
    """A clock that was wrong, here or there, is judged anew at each poll."""
    later = instance.scene.clock.now() + timedelta(hours=1)
    raw = freshness(2, issued=instant(later))
    instance.scene.association.publish({"freshness.json": raw})
    instance.tick()
    assert _refused(instance) == {"freshness": "freshness.not_yet"}
    instance.wait(3600)
    instance.tick()
    assert _refused(instance) == {}


def test_what_is_held_back_waits_and_what_is_yanked_is_never_taken(instance: Instance) -> None:
    """Neither by itself nor by hand; the release below it is the next best."""
    association, now = instance.scene.association, instance.scene.clock.now()
    for version in ("1.0.1", "1.0.2", "1.0.3"):
        instance.scene.publisher.publish(version)
    association.renew(2, now, held={"1.0.3": "mails twice"}, yanked={"1.0.2": "loses notes"})
    assert _waits(instance) == {"v1.0.3": "stopped", "v1.0.2": "yanked"}
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
    trust = _status(instance).trust
    assert trust is not None
    assert (trust.yanked, instance.installed) == ("leaks", "v1.0.0")
    assert _told(instance, "taken back by the association leaks") == 1


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
        assert _waits(copy) == {"v1.0.1": "rollout"}
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
    assert _waits(instance) == {"v1.0.1": "rollout"}
    instance.act(lambda: instance.requests.update(None))
    assert instance.installed == "v1.0.1"


def test_nobody_beyond_the_share_takes_it(instance: Instance) -> None:
    """A share of nothing reaches nobody, whatever time goes by."""
    instance.scene.publisher.publish("1.0.1")
    instance.scene.association.publish(
        {"freshness.json": freshness(2, rollouts=_rollout(instance, share=0))}
    )
    assert _waits(instance) == {"v1.0.1": "rollout"}
    instance.wait(10 * 86_400)
    assert _waits(instance) == {"v1.0.1": "rollout"}


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
    instance.wait(3601)
    instance.tick()
    assert _status(instance).state is StateName.STALE
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert _status(instance).state is StateName.CURRENT


# --- recovery from keys that were stolen and used


def test_a_counter_raised_beyond_reach_is_forgotten_with_the_keys_that_raised_it(
    three: Instance,
) -> None:
    """Thieves of two keys installed the highest counter; a new root lets the next release in."""
    three.scene.publisher.publish(
        "1.0.1", key="bob", cosigners=("carol",), manifest={"counter": MOST}
    )
    three.settle()
    assert three.installed == "v1.0.1"
    three.scene.publisher.publish("1.0.2", key="alice", cosigners=("bob",))
    three.settle()
    assert three.installed == "v1.0.1"
    assert _status(three).refusals[0].code == "trust.counter"
    new = root(2, _roles(("alice", "dora", "emil")), ("alice", "bob", "dora"))
    three.scene.association.publish({"root/2.json": new})
    three.scene.publisher.publish("1.0.3", key="alice", cosigners=("dora",))
    three.settle()
    assert three.installed == "v1.0.3"
    assert three.journal.floor is not None
    assert three.journal.floor.counter < MOST


def test_freshness_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it(
    instance: Instance,
) -> None:
    """Whoever stole the online key cannot keep freshness from ever being renewed again."""
    association = instance.scene.association
    association.publish({"freshness.json": freshness(MOST, yanked={"1.0.1": "says the thief"})})
    instance.tick()
    instance.scene.publisher.publish("1.0.1")
    assert _waits(instance) == {"v1.0.1": "yanked"}
    roles: Roles = {"root": ((KEY,), 1), "release": ((KEY,), 1), "freshness": (("new-job",), 1)}
    association.publish({"root/2.json": root(2, roles)})
    assert _waits(instance) == {"v1.0.1": "stale"}
    association.publish({"freshness.json": freshness(1, signers=("new-job",), root=2)})
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_killed_at_any_instant_of_a_walk_it_goes_on_where_it_was(
    three: Instance, folder: Path
) -> None:
    """Two new roots and a renewal: whatever was written down, the next process ends up the same."""
    three.scene.association.publish(
        {
            "root/2.json": root(2, _roles(("bob", "carol", "dora")), ("bob", "carol")),
            "root/3.json": root(3, _roles(("carol", "dora", "emil"), "new-job"), ("carol", "dora")),
            "freshness.json": freshness(1, signers=("new-job",), root=3),
        }
    )
    three.scene.publisher.publish("1.0.1", key="dora", cosigners=("emil",))
    counting = Taps()
    three.copy(folder / "counting", counting).tick()
    documents = next(at for at, name in enumerate(counting.names) if name == "source.fetch before")
    for at in range(documents):
        copy = three.copy(folder / str(at), Taps({at: "killed"}))
        copy.settle()
        assert (copy.deaths, copy.installed) == (1, "v1.0.1"), counting.names[at]
        assert copy.engine.authority.root.version == 3
        copy.journal.close()
    assert documents > 10
