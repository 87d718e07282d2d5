"""Who may say what runs here: thresholds, the chain of trust roots, recovery, and faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from koprogo_agent.domain.canonical import MOST
from koprogo_agent.errors import NeedsOperator
from tests.simulation.faults import Taps
from tests.simulation.instance import TICK, Instance
from tests.simulation.origin import KEY
from tests.simulation.signing import fingerprint
from tests.simulation.telling import refused_documents, status, told, waits
from tests.simulation.trust import ONLINE, Roles, freshness, root

PEOPLE = ("alice", "bob", "carol")
TWO_OF_THREE: Roles = {
    "root": (PEOPLE, 2),
    "release": (PEOPLE, 2),
    "freshness": ((ONLINE,), 1),
}


def _roles(people: Sequence[str], online: str = ONLINE) -> Roles:
    return {"root": (people, 2), "release": (people, 2), "freshness": ((online,), 1)}


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
    assert [one.code for one in status(three).refusals] == ["trust.threshold"]
    assert "1 of the 2 keys" in status(three).refusals[0].message


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
    assert status(three).refusals[0].code == "trust.threshold"
    three.scene.publisher.publish("1.0.2", key="dora", cosigners=("alice",))
    three.settle()
    assert three.installed == "v1.0.2"


def test_what_was_refused_is_not_told_again_under_another_root(three: Instance) -> None:
    """It is judged anew, and the same is no news; another reason would be."""
    three.scene.publisher.publish("1.0.1", key="alice")
    three.tick()
    new = root(2, _roles(("alice", "bob", "dora")), ("alice", "bob"))
    three.scene.association.publish({"root/2.json": new})
    three.tick()
    assert told(three, "release v1.0.1 was refused") == 1
    last = root(3, _roles(("bob", "dora", "emil")), ("bob", "dora"))
    three.scene.association.publish({"root/3.json": last})
    three.tick()
    assert status(three).refusals[0].code == "signature.unknown_key"
    assert told(three, "release v1.0.1 was refused") == 2


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


def test_a_long_chain_is_walked_in_as_many_ticks_as_it_takes(three: Instance) -> None:
    """Nothing is taken for judged that was not looked at: also where the branch does not move."""
    chain = {f"root/{n}.json": root(n, TWO_OF_THREE, PEOPLE[:2]) for n in range(2, 121)}
    three.scene.association.publish(chain)
    reached = []
    for _ in range(3):
        three.tick()
        reached.append(three.engine.authority.root.version)
    assert reached == [51, 101, 120]


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
    assert refused_documents(three) == {"root": code or "trust.threshold"}
    assert told(three, "trust is refused") == 1
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
    assert "revoked on this machine" in status(three).refusals[0].message
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
    assert status(three).refusals[0].code == "trust.counter"
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
    assert waits(instance) == {"v1.0.1": "yanked"}
    roles: Roles = {"root": ((KEY,), 1), "release": ((KEY,), 1), "freshness": (("new-job",), 1)}
    association.publish({"root/2.json": root(2, roles)})
    assert waits(instance) == {"v1.0.1": "stale"}
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
