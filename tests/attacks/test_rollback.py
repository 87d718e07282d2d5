"""Time turned back or pushed forward, and parts of releases put together anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.canonical import MOST
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED, STOPPED
from tests.attacks.field import Field
from tests.attacks.people import FRESHNESS, Chain, renewal, replaced
from tests.lab.forgeries import Forgery
from tests.lab.recipes import Kind
from tests.lab.stack import OVERRIDE_FILE
from tests.scenes import watch

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def chain(field: Field) -> Chain:
    """The trust roots of this module's lab."""
    return Chain.of(field.lab)


# --- downgrade


def test_a_mirror_that_offers_older_releases_alone_brings_none_of_them(field: Field) -> None:
    """Well signed as they are: neither by itself, nor by hand, nor after a way back."""
    publisher, forger = field.lab.publisher, field.forger
    first, newest = publisher.releases[0], publisher.publish(Kind.GOOD)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    forger.withdraw(newest)
    field.watches_idly()
    said = field.types("update", first.tag)
    assert said.returncode == Exit.REFUSED
    assert f"{first.tag} is not newer than what runs here ({newest.version})" in said.stderr

    assert field.types("rollback").returncode == Exit.DONE
    assert field.installed == first.tag
    between = publisher.publish(Kind.GOOD, f"{newest.version}-rc.1")
    field.watches_idly()
    with field.instance.engine() as engine:
        assert engine.memory.refusals() == []
    said = field.types("verify", between.tag)
    assert said.returncode == Exit.REFUSED
    older = f"release {between.tag} is older than {newest.tag}, which this instance already runs"
    assert older in said.stdout
    assert "[trust.floor]" in said.stdout
    forger.withdraw(between)


@pytest.mark.parametrize(
    ("counter", "words"),
    [(lambda reached: reached, "as v[0-9.]+ has"), (lambda reached: reached - 1, "below")],
    ids=["the same", "a lower one"],
)
def test_a_counter_that_has_not_risen_is_refused(
    field: Field, counter: Callable[[int], int], words: str
) -> None:
    """A later version number on an older release: the counter tells."""
    publisher = field.lab.publisher
    with field.instance.engine() as engine:
        floor = engine.journal.floor
    assert floor is not None
    again = {"counter": counter(floor.counter)}
    release = publisher.publish(Kind.GOOD, changes=again)
    field.refuses(release.tag, "trust.counter", f"has the counter {again['counter']}", words)
    field.forger.withdraw(release)


# --- fast-forward, and the way back from it


def test_a_counter_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it(
    field: Field, chain: Chain
) -> None:
    """A stolen key installs the highest counter that there is; a root without it frees all."""
    lab, thief = field.lab, field.lab.keys.gpg
    stolen = lab.publisher.publish(Kind.GOOD, signer=thief, changes={"counter": MOST})
    assert watch(field.instance).outcome is Outcome.COMMITTED
    good = lab.publisher.publish(Kind.GOOD)
    field.refuses(good.tag, "trust.counter", r"has the counter \d+, below 9007199254740991")
    chain.roles["release"] = (["release"], 1)
    chain.go_on()
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == good.tag
    field.forger.withdraw(stolen)


def test_freshness_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it(
    field: Field, chain: Chain
) -> None:
    """Else whoever stole the online key could keep freshness from being renewed for ever."""
    association, publisher = field.lab.association, field.lab.publisher
    release = publisher.publish(Kind.GOOD)
    association.renew(version=MOST, yanked={release.version: "says the thief"})
    field.watches_idly()
    with replaced(field.lab, FRESHNESS, renewal(field.lab, 1 - MOST)):
        field.disbelieves("freshness", "freshness.rollback", "freshness 1 is older than")
    association.online = chain.person("new-job")
    chain.roles["freshness"] = (["new-job"], 1)
    chain.go_on()
    association.renew(version=1)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag


# --- mix and match


@pytest.mark.parametrize(
    "forgery",
    [
        Forgery.EXCHANGED_DIGEST,
        Forgery.EXCHANGED_FILE,
        Forgery.OTHER_VERSION,
        Forgery.OTHER_COMMIT,
    ],
    ids=lambda one: one.name.lower(),
)
def test_a_manifest_fits_its_own_tag_alone(field: Field, forgery: Forgery) -> None:
    """No digest or hash in it can be exchanged, and it belongs to one version and one commit."""
    field.try_out(forgery, *REFUSED[forgery])


def test_one_file_of_another_release_is_found(field: Field) -> None:
    """Every file is held against the hash that was signed, also what no compose file names."""
    forged = field.forger.other_content({OVERRIDE_FILE: b"# of another release\n"})
    with field.published(forged):
        words = STOPPED[Forgery.WRONG_FILE_HASH][1]
        field.stops(forged.tag, Outcome.CANCELLED, "file.mismatch", OVERRIDE_FILE, words[:21])
