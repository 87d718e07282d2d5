"""The life of an association, as one of its instances lives through it: chapter after chapter.

Three people with keys of their own and `koprogo-release`; an instance that was given the trust
root that they made, and a real stack. Each chapter leaves both as the next one finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from koprogo_agent.domain.armour import Kind as KeyKind
from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.status import Status, read_status
from koprogo_agent.wire.report import StateName
from tests.desks import JOB, Workshop
from tests.instance import Instance
from tests.lab.keys import SshKey
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.offices import workshop_of
from tests.scenes import installed, watch

pytestmark = pytest.mark.real

PEOPLE = {"alice": KeyKind.SSH, "bob": KeyKind.SSH, "carol": KeyKind.SSH, "dora": KeyKind.SSH}
FOUNDERS = ("alice", "bob", "carol")


@dataclass(frozen=True)
class Life:
    """Who lives through it."""

    shop: Workshop
    instance: Instance

    def cut(self, first: str, second: str) -> str:
        """Prepares the next release, has it signed by two, and publishes it; gives its tag."""
        publisher = self.instance.lab.publisher
        draft = publisher.draft(Kind.GOOD)
        file = self.shop.draw_up(draft.version, first, second)
        self.shop[first].must("publish", file)
        return publisher.published(draft).tag

    def key(self, name: str) -> SshKey:
        """Somebody's key, stolen: it signs wherever it is."""
        return SshKey(self.shop[name].home / "keys" / name)

    @property
    def status(self) -> Status:
        """What the instance says of itself."""
        with self.instance.engine() as engine:
            now = engine.world.clock.now()
            return read_status(engine.journal, engine.settings, now)


@pytest.fixture(scope="module")
def life(lab: Lab) -> Iterator[Life]:
    """An association before its first release, and a machine on which nothing runs yet."""
    instance = Instance.create(lab, rehearsal={"when": "never"}, backup={"before_update": False})
    with workshop_of(lab, PEOPLE) as shop:
        yield Life(shop, instance)


def test_three_people_found_it_and_their_first_release_is_installed(life: Life) -> None:
    """Made by the first, signed by two of three, published by the last; so is the release."""
    draft = life.instance.lab.publisher.draft(Kind.GOOD)
    alice, bob = life.shop["alice"], life.shop["bob"]
    people = [word for name in FOUNDERS for word in ("--person", life.shop.person(name))]
    made = alice.must("init", *people, "--threshold=2", "--freshness", f"{JOB}={life.shop.online}")
    life.shop.sign_root(1, "alice", "bob")
    bob.must("publish", "koprogo-root-1.draft.json")
    life.instance.give_root(life.instance.lab.origin.repository.read("blob", "trust:root/1.json"))
    alice.must("publish", life.shop.draw_up(draft.version, "alice", "bob"))
    release = life.instance.lab.publisher.published(draft)
    life.instance.lab.stack.write_env(release.version)

    with life.instance.engine() as engine:
        ran = engine.tick()
        believed = engine.authority.root.envelope.sha256
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
    assert installed(life.instance) == release.tag
    doctor = life.instance.type("doctor").stdout
    assert believed in made
    assert believed in doctor
    assert "a release is signed by 2 of alice, bob, carol" in doctor


def test_one_key_alone_installs_nothing(life: Life) -> None:
    """Whoever stole alice's laptop, with all that is on it, has one of two."""
    publisher = life.instance.lab.publisher
    stolen = publisher.publish(signer=life.key("alice"), cosigners=[life.key("alice")])
    watched = watch(life.instance)
    assert (watched.ran, watched.restarted) == (None, set())
    assert {one.tag: one.code for one in life.status.refusals} == {stolen.tag: "trust.threshold"}


def test_a_lost_key_is_rotated_out_and_believed_no_more(life: Life) -> None:
    """The other two take it out; no machine is visited; dora signs in carol's place."""
    life.shop["alice"].must("rotate", "--remove", "carol", "--add", life.shop.person("dora"))
    life.shop.sign_root(2, "alice", "bob")
    life.shop["bob"].must("publish", "koprogo-root-2.draft.json")

    publisher = life.instance.lab.publisher
    old = publisher.publish(signer=life.key("carol"), cosigners=[life.key("alice")])
    assert watch(life.instance).ran is None
    refused = {one.tag: one.code for one in life.status.refusals}
    assert refused[old.tag] == "signature.unknown_key"

    new = life.cut("alice", "dora")
    assert watch(life.instance).outcome is Outcome.COMMITTED
    assert installed(life.instance) == new


def test_freshness_expires_and_is_renewed(life: Life) -> None:
    """STALE: what runs goes on, nothing new starts; the job renews it, and on it goes."""
    life.shop[JOB].must("freshness", "--valid", "2s", "--push")
    assert watch(life.instance).ran is None
    wait_until(lambda: life.status.state is StateName.STALE, 30, "freshness to expire")
    publisher = life.instance.lab.publisher
    release = publisher.publish(signer=life.key("alice"), cosigners=[life.key("bob")])
    stale = watch(life.instance)
    assert (stale.ran, stale.restarted, stale.tally.failed) == (None, set(), 0)
    assert [(one.tag, one.gate) for one in life.status.waiting] == [(release.tag, "stale")]
    assert "STALE" in life.instance.type("status").stdout

    life.shop[JOB].must("freshness", "--push")
    assert watch(life.instance).outcome is Outcome.COMMITTED
    assert (installed(life.instance), life.status.state) == (release.tag, StateName.CURRENT)


def test_nobody_new_takes_what_is_yanked(life: Life) -> None:
    """Neither by itself nor by hand; the next release is not held back by it."""
    bad = life.cut("bob", "dora")
    life.shop["bob"].must("yank", bad.removeprefix("v"), "--reason", "loses attachments")
    yanked = watch(life.instance)
    assert (yanked.ran, yanked.restarted) == (None, set())
    said = life.instance.type("update", bad)
    assert (said.returncode, "loses attachments" in said.stderr) == (3, True)
    good = life.cut("alice", "bob")
    assert watch(life.instance).outcome is Outcome.COMMITTED
    assert installed(life.instance) == good
