"""Software that the association never released: each tag is refused by its own rule, and once."""

from __future__ import annotations

import json

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED, STOPPED
from tests.attacks.field import Field
from tests.lab.forgeries import BAD_NAMES, BAD_REFS, Forgery
from tests.lab.recipes import Kind
from tests.scenes import watch

pytestmark = pytest.mark.real


def test_every_forgery_has_its_rule() -> None:
    """None of those that the lab can write is left out."""
    assert REFUSED.keys() | STOPPED.keys() == set(Forgery)


def test_all_forgeries_at_once_keep_no_good_release_out(field: Field) -> None:
    """Dozens of bad tags above a good one: each refused by its rule, once, and the good one in."""
    publisher, forger = field.lab.publisher, field.forger
    publisher.draft(version="1.0.9")  # so that all forgeries are newer than the good release
    forged = [forger.forge(one) for one in REFUSED]
    others = [forger.bad_name(name) for name in BAD_NAMES]
    others += [forger.bad_ref(ref) for ref in BAD_REFS]
    good = publisher.publish(Kind.GOOD, "1.0.5")
    silent = field.changed()

    ticks = 0
    while (watched := watch(silent)).ran is None:
        assert watched.restarted == set()
        ticks += 1
        assert ticks < 4
    assert watched.outcome is Outcome.COMMITTED
    assert field.installed == good.tag

    codes = (codes[0] for codes in REFUSED.values())
    expected = dict(zip((one.tag for one in forged), codes, strict=True))
    with silent.engine() as engine:
        refusals = engine.memory.refusals()
        assert engine.tick() is None
        assert engine.memory.refusals() == refusals
    assert {one.tag: one.code for one in refusals} == expected

    shown = json.loads(field.types("status", "--json").stdout)["refused"]
    assert {one["tag"]: one["code"] for one in shown} == expected
    said = field.types("verify", forged[0].tag)
    assert (said.returncode, "✗ it carries one signature" in said.stdout) == (Exit.REFUSED, True)
    for one in (*forged, *others):
        forger.withdraw(one)


@pytest.mark.parametrize(
    "forgery",
    [
        Forgery.UNSIGNED,
        Forgery.LIGHTWEIGHT,
        Forgery.WRONG_SSH_KEY,
        Forgery.WRONG_GPG_KEY,
        Forgery.OTHER_ROLE,
        Forgery.EDITED_MESSAGE,
        Forgery.EDITED_BY_GPG,
        Forgery.OTHER_NAMESPACE,
        Forgery.COSIGN_NAMESPACE,
        Forgery.TRAILING_TEXT,
        Forgery.TWO_SIGNATURES,
        Forgery.OTHER_PRODUCT,
        Forgery.NOT_CANONICAL,
        Forgery.DUPLICATE_KEY,
        Forgery.TWO_MANIFESTS,
        Forgery.UNKNOWN_KEY,
    ],
    ids=lambda one: one.name.lower(),
)
def test_what_nobody_entitled_has_signed_is_refused(field: Field, forgery: Forgery) -> None:
    """No signature, another's, one made for something else, or bytes that were not signed."""
    field.try_out(forgery, *REFUSED[forgery])


def test_a_release_without_a_manifest_is_refused(field: Field) -> None:
    """Well signed; but what nobody has listed cannot be held against what comes."""
    release = field.lab.publisher.publish(Kind.LEGACY)
    field.refuses(release.tag, "trust.no_manifest", f"{release.tag} carries no manifest")
    field.forger.withdraw(release)
