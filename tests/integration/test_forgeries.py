"""Every known way in, tried on the real agent: each is refused by its own rule, and once."""

from __future__ import annotations

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.instance import Instance
from tests.lab.forgeries import BAD_NAMES, BAD_REFS, Forger, Forgery
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.scenes import installed, watch

pytestmark = pytest.mark.real

REFUSED = {
    Forgery.UNSIGNED: "tag.unsigned",
    Forgery.LIGHTWEIGHT: "tag.lightweight",
    Forgery.WRONG_SSH_KEY: "signature.unknown_key",
    Forgery.WRONG_GPG_KEY: "signature.unknown_key",
    Forgery.EXPIRED_GPG_KEY: "signature.unknown_key",
    Forgery.REVOKED_GPG_KEY: "signature.unknown_key",
    Forgery.EDITED_MESSAGE: "signature.bad",
    Forgery.OTHER_NAMESPACE: "signature.bad",
    Forgery.TRAILING_TEXT: "tag.malformed",
    Forgery.TWO_SIGNATURES: "tag.malformed",
    Forgery.RENAMED: "tag.renamed",
    Forgery.SECOND_TAG_HEADER: "tag.malformed",
    Forgery.NESTED: "tag.nested",
    Forgery.SIGNED_BLOB: "tag.not_commit",
    Forgery.SIGNED_TREE: "tag.not_commit",
    Forgery.OTHER_VERSION: "trust.version",
    Forgery.OTHER_COMMIT: "trust.commit",
    Forgery.OTHER_PRODUCT: "trust.product",
    Forgery.LOWER_COUNTER: "trust.floor",
    Forgery.EXPIRED_MANIFEST: "trust.expired",
    Forgery.PATH_TRAVERSAL: "manifest.path",
    Forgery.ABSOLUTE_PATH: "manifest.path",
    Forgery.NOT_CANONICAL: "manifest.invalid",
    Forgery.DUPLICATE_KEY: "manifest.invalid",
    Forgery.TWO_MANIFESTS: "manifest.invalid",
    Forgery.UNKNOWN_KEY: "manifest.invalid",
}
"""What the tag's own bytes give away."""
FOUND_WHILE_STAGING = {
    Forgery.WRONG_FILE_HASH: "file.mismatch",
    Forgery.MISSING_FILE: "file.missing",
    Forgery.SYMLINK: "file.kind",
}
"""What a good signature promises, and the commit does not keep."""


@pytest.fixture(scope="module")
def lean(instance: Instance) -> Instance:
    """It leaves out what others prove."""
    return instance.changed(rehearsal={"when": "never"}, backup={"before_update": False})


@pytest.fixture(scope="module")
def forger(lab: Lab) -> Forger:
    """Whoever can push to the source, and has keys, but none that is trusted."""
    return Forger(lab.publisher, lab.keys)


def test_every_forgery_has_its_rule() -> None:
    """None of those that the lab can write is left out here."""
    assert REFUSED.keys() | FOUND_WHILE_STAGING.keys() == set(Forgery)


def test_all_forgeries_at_once_keep_no_good_release_out(lean: Instance, forger: Forger) -> None:
    """Dozens of bad tags above a good one: each refused by its rule, once, and the good one in."""
    publisher = lean.lab.publisher
    before = publisher.publish(Kind.GOOD)
    assert watch(lean).outcome is Outcome.COMMITTED
    publisher.draft(version="1.0.9")  # so that all forgeries are newer than the good release
    expected = {forger.forge(one).tag: code for one, code in REFUSED.items()}
    for name in BAD_NAMES:
        forger.bad_name(name)
    for ref in BAD_REFS:
        forger.bad_ref(ref)
    good = publisher.publish(Kind.GOOD, "1.0.5")

    first = watch(lean)
    assert installed(lean) in {before.tag, good.tag}
    assert first.tally.failed == 0 or first.outcome is Outcome.COMMITTED
    with lean.engine() as engine:
        ran = engine.tick()
    assert Outcome.COMMITTED in {first.outcome, ran.outcome if ran else None}
    assert installed(lean) == good.tag

    with lean.engine() as engine:
        refusals = engine.memory.refusals()
        assert {one.tag: one.code for one in refusals} == expected
        kept = engine.journal.store.connection.execute("SELECT tag, evidence FROM refusal")
        evidence = {row["tag"]: row["evidence"] for row in kept}
        assert engine.tick() is None
        assert engine.memory.refusals() == refusals
    # A lightweight tag has no bytes of its own; the id of what it names is kept.
    assert {expected[tag] for tag in expected if not evidence[tag]} == {"tag.lightweight"}


@pytest.mark.parametrize("forgery", FOUND_WHILE_STAGING)
def test_what_the_commit_does_not_keep_is_found_before_anything_is_pulled(
    lean: Instance, forger: Forger, forgery: Forgery
) -> None:
    """Every deployed byte is bound by the signature: not one request fails, nothing changes."""
    was = installed(lean)
    forged = forger.forge(forgery)
    watched = watch(lean)
    assert watched.outcome is Outcome.CANCELLED
    assert [one.code for one in watched.seen.failures] == [FOUND_WHILE_STAGING[forgery]]
    assert "pull" not in watched.seen.actions
    assert watched.restarted == set()
    assert watched.tally.failed == 0
    assert installed(lean) == was
    with lean.engine() as engine:
        assert forged.tag in {one.tag for one in engine.memory.quarantined().values()}
        assert engine.tick() is None


def test_a_tag_that_moves_is_refused_and_its_return_forgiven(
    lean: Instance, forger: Forger
) -> None:
    """Well signed, but not what was first seen: refused with evidence, the installed one stays."""
    release = lean.lab.publisher.publish(Kind.GOOD)
    assert watch(lean).outcome is Outcome.COMMITTED
    moved = forger.move(release)
    idle = watch(lean)
    assert idle.ran is None
    assert idle.restarted == set()
    with lean.engine() as engine:
        newest = engine.memory.refusals()[0]
        assert (newest.tag, newest.oid, newest.code) == (release.tag, moved.object, "tag.moved")
    said = lean.type("verify", release.tag)
    assert said.returncode == Exit.REFUSED
    assert "tag.moved" in said.stdout
    assert release.tag in lean.type("status").stdout

    forger.restore(release)
    assert watch(lean).ran is None
    assert lean.type("verify", release.tag).returncode == Exit.DONE
    assert lean.type("check").returncode == Exit.DONE


def test_a_moved_tag_of_a_release_not_yet_installed_is_not_installed(
    lean: Instance, forger: Forger
) -> None:
    """It was seen while it waited for the operator; what it names later is not what was seen."""
    waiting = lean.changed(policy={"automatic": False}, rehearsal={"when": "never"})
    release = lean.lab.publisher.publish(Kind.GOOD)
    assert watch(waiting).ran is None
    forger.move(release)
    assert watch(lean).ran is None
    said = lean.type("update", release.tag)
    assert said.returncode == Exit.REFUSED
    assert "moved" in said.stderr
    assert installed(lean) != release.tag


@pytest.mark.parametrize(
    ("issued", "expires", "code"),
    [
        ("2036-11-23T00:00:00Z", "2037-11-23T00:00:00Z", "trust.not_yet"),
        ("2016-11-23T00:00:00Z", "2017-11-23T00:00:00Z", "trust.expired"),
    ],
)
def test_a_clock_ten_years_off_lets_nothing_in(
    lean: Instance, issued: str, expires: str, code: str
) -> None:
    """Ten years between clock and release, either way: refused, and the clock is suspected."""
    release = lean.lab.publisher.publish(Kind.GOOD, changes={"issued": issued, "expires": expires})
    idle = watch(lean)
    assert idle.ran is None
    assert idle.restarted == set()
    said = lean.type("update", release.tag)
    assert said.returncode == Exit.REFUSED
    assert "timedatectl" in said.stderr
    status = lean.type("status", "--json").stdout
    assert code in status
