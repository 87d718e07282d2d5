"""When a newer trust root or freshness document is believed, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.chain import (
    CLOCK_SKEW,
    require_fresher,
    require_successor,
    root_expiry,
    staleness,
)
from koprogo_agent.domain.freshness import Freshness, read_freshness
from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.errors import Refused
from koprogo_agent.update.court import hear
from tests.simulation.clock import EPOCH
from tests.simulation.signing import SimSignatures, fingerprint, public
from tests.simulation.trust import LONG, ONLINE, Roles, freshness, root

OLD_PEOPLE, NEW_PEOPLE = ("ann", "bob", "cem"), ("cem", "dan", "eve")
NOW = EPOCH + timedelta(days=30)
INSTANT = timedelta(microseconds=1)


def roles(people: tuple[str, ...], threshold: int = 2, online: str = ONLINE) -> Roles:
    """Roles in which these people hold the root."""
    return {
        "root": (people, threshold),
        "release": (people, threshold),
        "freshness": ((online,), 1),
    }


ROOT = read_root(root(5, roles(OLD_PEOPLE)))


def successor(*signers: str, version: int = 6, **changes: Any) -> Root:  # noqa: ANN401
    """A trust root of the new people, signed by these."""
    return read_root(root(version, roles(NEW_PEOPLE), signers, **changes))


def refusal(candidate: Root, current: Root = ROOT, now: datetime = NOW) -> Refused:
    """Why a trust root is not believed."""
    with pytest.raises(Refused) as caught:
        walk(candidate, current, now)
    return caught.value


def walk(candidate: Root, current: Root = ROOT, now: datetime = NOW) -> None:
    """The step from a trust root to its successor, with the signatures that it carries."""
    keys, at = (*current.keys, *candidate.keys), min(candidate.issued, now)
    require_successor(
        current, candidate, hear(SimSignatures(), candidate.statements, keys, at), now
    )


def test_a_successor_carries_the_thresholds_of_both_versions() -> None:
    """Two of the old and two of the new people: four signatures, or three if one is both."""
    walk(successor("ann", "bob", "dan", "eve"))
    walk(successor("ann", "cem", "eve"))


@pytest.mark.parametrize(
    ("signers", "judge", "found"),
    [
        (("ann", "bob"), 6, 0),
        (("ann", "bob", "cem"), 6, 1),
        (("dan", "eve"), 5, 0),
        (("cem", "dan", "eve"), 5, 1),
        (("ann", "dan"), 5, 1),
        (("cem",), 5, 1),
        ((), 5, 0),
        (("ann", "ann", "cem"), 6, 1),
        (("dan", "dan", "ann", "bob"), 6, 1),
        (("fay", "gil", "hal"), 5, 0),
        ((ONLINE, "ann", "dan"), 5, 1),
    ],
)
def test_a_successor_that_one_version_does_not_confirm_is_refused(
    signers: tuple[str, ...], judge: int, found: int
) -> None:
    """Old keys alone, new keys alone, or enough of both together but of neither by itself."""
    error = refusal(successor(*signers))
    assert error.code == "trust.threshold"
    assert f"held against the keys of trust root {judge}, is signed by {found} of the 2" in str(
        error
    )


@pytest.mark.parametrize("version", [1, 4, 5, 7])
def test_no_version_is_left_out_or_taken_twice(version: int) -> None:
    """Whoever could skip one could skip the one that revoked a key."""
    error = refusal(successor("ann", "cem", "dan", version=version))
    assert error.code == "root.version"
    assert f"the file of trust root 6 holds version {version}" in error.message


def test_a_successor_is_not_older_than_what_it_follows() -> None:
    """Whoever has keys that have ended since could else go back to when they had not."""
    signers = ("ann", "cem", "dan")
    walk(successor(*signers, issued=instant(ROOT.issued)))
    error = refusal(successor(*signers, issued=instant(ROOT.issued - timedelta(seconds=1))))
    assert (error.code, "trust root 5" in error.message) == ("root.issued", True)


def test_a_successor_is_for_the_same_product() -> None:
    """The same people may sign for another one."""
    error = refusal(successor("ann", "cem", "dan", product="koprogo-beta"))
    assert (error.code, "'koprogo-beta'" in error.message) == ("root.product", True)


def test_a_successor_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    """Ten minutes are forgiven, an instant more is not."""
    assert timedelta(minutes=10) == CLOCK_SKEW
    candidate = successor("ann", "cem", "dan", issued=instant(NOW))
    walk(candidate, now=NOW - CLOCK_SKEW)
    assert refusal(candidate, now=NOW - CLOCK_SKEW - INSTANT).code == "root.not_yet"


def test_whether_a_version_has_expired_makes_no_difference_to_the_next() -> None:
    """A machine that was off for years walks over what has expired meanwhile."""
    soon = instant(EPOCH + timedelta(days=1))
    old = read_root(root(5, roles(OLD_PEOPLE), expires=soon))
    walk(successor("ann", "cem", "dan", expires=soon), old)


def entries(**limits: dict[str, str]) -> dict[str, Any]:
    """The keys of the old people, some of them valid for a time only."""
    return {
        name: {
            "kind": "ssh",
            "fingerprint": fingerprint(name),
            "public": public(name),
            "valid_from": None,
            "valid_until": None,
            **limits.get(name, {}),
        }
        for name in (*OLD_PEOPLE, ONLINE)
    }


def test_old_keys_are_judged_when_the_successor_was_issued() -> None:
    """They were good when they signed; at the instant of their end they are not any more."""
    issued = EPOCH + timedelta(days=3)
    for days, good in ((4, True), (3, False)):
        until = {"valid_until": instant(EPOCH + timedelta(days=days))}
        current = read_root(root(5, roles(OLD_PEOPLE), keys=entries(ann=until)))
        candidate = successor("ann", "cem", "dan", issued=instant(issued))
        if good:
            walk(candidate, current)
        else:
            assert "not valid since" in refusal(candidate, current).message


def test_a_clock_that_runs_ahead_makes_no_key_valid_earlier() -> None:
    """Where the release manager's clock runs ahead of ours, ours counts."""
    begins = {"valid_from": instant(NOW)}
    current = read_root(root(5, roles(OLD_PEOPLE), keys=entries(ann=begins)))
    candidate = successor("ann", "cem", "dan", issued=instant(NOW + timedelta(minutes=5)))
    walk(candidate, current, now=NOW)
    error = refusal(candidate, current, now=NOW - timedelta(minutes=5))
    assert (error.code, "not valid before" in error.message) == ("signature.not_yet", True)


def test_a_key_that_is_revoked_here_confirms_no_successor() -> None:
    """The operator's own brake holds for the chain too."""
    stopped = replace(ROOT, revoked=frozenset({fingerprint("ann")}))
    error = refusal(successor("ann", "cem", "dan"), stopped)
    assert (error.code, "revoked on this machine" in error.message) == ("trust.threshold", True)
    walk(successor("ann", "bob", "cem", "dan"), stopped)


# --- freshness


def fresh(version: int = 7, signers: tuple[str, ...] = (ONLINE,), **changes: Any) -> Freshness:  # noqa: ANN401
    """A freshness document, signed by these."""
    return read_freshness(freshness(version, signers, **{"root": 5, **changes}))


def believe(
    candidate: Freshness,
    remembered: Freshness | None = None,
    now: datetime = NOW,
    trusted: Root = ROOT,
) -> None:
    """The judgement of a document, with the signatures that it carries."""
    testimony = hear(SimSignatures(), candidate.statements, trusted.keys, now)
    require_fresher(candidate, testimony, trusted, remembered, now)


def objection(
    candidate: Freshness,
    remembered: Freshness | None = None,
    now: datetime = NOW,
    trusted: Root = ROOT,
) -> str:
    """The code with which a freshness document is not believed."""
    with pytest.raises(Refused) as caught:
        believe(candidate, remembered, now, trusted)
    assert candidate.subject in caught.value.message
    return caught.value.code


@pytest.mark.parametrize("signers", [(), ("ann", "bob", "cem"), ("eve",)])
def test_freshness_is_signed_by_its_own_role(signers: tuple[str, ...]) -> None:
    """The keys of the root lie offline, and are no keys of freshness."""
    believe(fresh())
    assert objection(fresh(signers=signers)) == "trust.threshold"


def test_the_keys_of_freshness_are_judged_now() -> None:
    """A document lives for two days: it is signed anew long before its key ends."""
    until = {"valid_until": instant(NOW)}
    trusted = read_root(root(5, roles(OLD_PEOPLE), keys=entries(**{ONLINE: until})))
    believe(fresh(), now=NOW - INSTANT, trusted=trusted)
    assert objection(fresh(), now=NOW, trusted=trusted) == "trust.threshold"


def test_a_key_of_freshness_that_is_revoked_here_is_not_believed() -> None:
    """The operator's own brake."""
    stopped = replace(ROOT, revoked=frozenset({fingerprint(ONLINE)}))
    assert objection(fresh(), trusted=stopped) == "trust.threshold"


def test_freshness_is_for_this_product() -> None:
    """The same job may renew that of another one."""
    assert objection(fresh(product="koprogo-beta")) == "freshness.product"


def test_freshness_tells_of_a_root_that_is_withheld() -> None:
    """It names the newest root; one that the source does not show is kept back."""
    believe(fresh(root=4))
    believe(fresh(root=5))
    assert objection(fresh(root=6)) == "freshness.root"


def test_freshness_does_not_go_back() -> None:
    """Newer, or the very same once more; never an older one."""
    believe(fresh(8), remembered=fresh(7))
    believe(fresh(7), remembered=fresh(7))
    assert objection(fresh(6), remembered=fresh(7)) == "freshness.rollback"


def test_where_nothing_is_remembered_any_version_is_the_first() -> None:
    """So it is where the keys of freshness have changed: their era remembers nothing."""
    believe(fresh(1), remembered=None)


def test_two_documents_of_one_version_are_a_fork() -> None:
    """Whoever has signed them: the content counts, not the signatures."""
    assert objection(fresh(7, yanked={"1.0.0": "x"}), remembered=fresh(7)) == "freshness.forked"
    believe(fresh(7), remembered=fresh(7, signers=(ONLINE, ONLINE)))


def test_freshness_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    """Ten minutes are forgiven, an instant more is not."""
    candidate = fresh(issued=instant(NOW))
    believe(candidate, now=NOW - CLOCK_SKEW)
    assert objection(candidate, now=NOW - CLOCK_SKEW - INSTANT) == "freshness.not_yet"


def test_a_document_that_has_expired_is_believed_and_stale() -> None:
    """What it holds and yanks is still to be heeded; it vouches for nothing any more."""
    expired = fresh(expires=instant(NOW))
    believe(expired, now=NOW)
    assert staleness(ROOT, expired, NOW) == f"freshness 7 expired at {NOW.isoformat()}"


# --- until when


def test_a_root_expires_at_the_instant_of_its_expiry() -> None:
    """Not after it."""
    end = EPOCH + LONG
    assert root_expiry(ROOT, end - INSTANT) == ""
    assert root_expiry(ROOT, end) == f"trust root 5 expired at {end.isoformat()}"


def test_somebody_vouches_while_root_and_freshness_last() -> None:
    """Each until the very instant of its expiry; the root's is told first."""
    short = fresh(expires=instant(NOW))
    assert staleness(ROOT, short, NOW - INSTANT) == ""
    assert staleness(ROOT, short, NOW).startswith("freshness 7 expired")
    lasting = replace(fresh(), expires=EPOCH + 2 * LONG)
    assert staleness(ROOT, lasting, EPOCH + LONG - INSTANT) == ""
    assert staleness(ROOT, lasting, EPOCH + LONG).startswith("trust root 5 expired")
    assert staleness(ROOT, short, EPOCH + LONG).startswith("trust root 5 expired")


def test_without_freshness_nobody_vouches() -> None:
    """A source that shows none may be one that keeps it back."""
    assert "no freshness document" in staleness(ROOT, None, NOW)
