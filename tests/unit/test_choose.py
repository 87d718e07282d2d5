"""The choice among verified releases, and the reasons against the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from koprogo_agent.domain.choose import Circumstances, Reason, Waits, choose, is_newer, why_not
from koprogo_agent.domain.freshness import Freshness, Rollout, place, read_freshness
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import parse_version
from tests.simulation.clock import EPOCH
from tests.simulation.trust import freshness
from tests.simulation.verified import verified

HERE = Circumstances(
    installed=parse_version("1.0.0"),
    floor=parse_version("1.0.0"),
    agent=parse_version("0.1.0"),
    channel="stable",
    quarantined=frozenset(),
    at=EPOCH,
    instance="this one",
)
RELEASE = verified("1.1.0")
SECURITY = verified("1.1.0", manifest={"severity": "security"})
LEGACY = verified("1.1.0", legacy=True)
PLACE = place("this one", RELEASE.fingerprint)
INSTANT = timedelta(microseconds=1)


def said(**entries: Any) -> Freshness:  # noqa: ANN401 - fields of a document
    """What the association says of v1.1.0, as `held="why"`."""
    by_version: dict[str, Any] = {key: {"1.1.0": entry} for key, entry in entries.items()}
    return read_freshness(freshness(**by_version))


def rollout(duration: int, share: int) -> Freshness:
    """A rollout of v1.1.0 that begins now."""
    start = f"{EPOCH:%Y-%m-%dT%H:%M:%SZ}"
    return said(rollouts={"start": start, "duration": duration, "share": share})


def reason(release: VerifiedRelease = RELEASE, **changes: Any) -> Reason:  # noqa: ANN401 - fields
    """Why a release is not installed in these circumstances."""
    found = why_not(release, replace(HERE, **changes))
    assert found is not None
    assert (found.tag, bool(found.detail)) == (release.tag, True)
    return found


def waits(release: VerifiedRelease = RELEASE, **changes: Any) -> Waits | None:  # noqa: ANN401
    """What it waits for, or None."""
    found = why_not(release, replace(HERE, **changes))
    return found.waits if found else None


def test_the_newest_that_may_be_installed() -> None:
    """Releases come newest first; the reasons are those against the newer ones."""
    later = verified("2.0.0", manifest={"upgrade_from": [">=1.1.0"]})
    other = verified("1.2.0", manifest={"channel": "edge"})
    choice = choose([later, other, RELEASE, verified("1.0.1")], HERE)
    assert choice.candidate is RELEASE
    assert [(one.tag, one.waits) for one in choice.reasons] == [
        ("v2.0.0", Waits.STEP),
        ("v1.2.0", Waits.CHANNEL),
    ]
    assert choose([], HERE).candidate is None


def test_no_release_is_verified_in_vain() -> None:
    """What lies below the candidate is not even asked for."""

    def offered() -> object:
        yield RELEASE
        raise AssertionError("nobody needs to see this one")

    assert choose(offered(), HERE).candidate is RELEASE  # type: ignore[arg-type]


ROLLED = {"start": "2026-01-05T12:00:00Z", "duration": 0, "share": 0}
YANKED, STOPPED = said(yanked="it loses data"), said(held="we look into it")
GATES: list[tuple[Waits, dict[str, Any]]] = [
    (Waits.YANKED, {"freshness": YANKED}),
    (Waits.QUARANTINE, {"quarantined": frozenset({RELEASE.fingerprint})}),
    (Waits.CHANNEL, {"channel": "edge"}),
    (Waits.AGENT, {"agent": parse_version("0.0.9")}),
    (Waits.STEP, {"installed": parse_version("0.9.0")}),
    (Waits.HOLD, {"held": "a reason"}),
    (Waits.STALE, {"stale": "it expired"}),
    (Waits.STOPPED, {"freshness": STOPPED}),
    (Waits.MANUAL, {"automatic": False}),
    (Waits.WINDOW, {"window_open": False}),
    (Waits.ROLLOUT, {"freshness": rollout(0, 0)}),
    (Waits.BACKOFF, {"postponed": {RELEASE.fingerprint: "later"}}),
]
"""In the order in which they count: what lasts comes before what passes."""


def test_nothing_stands_against_a_good_release() -> None:
    """Also on a machine where nothing is installed, and where nothing is said of it."""
    assert waits() is None
    assert waits(installed=None) is None
    assert waits(freshness=read_freshness(freshness())) is None
    assert (
        waits(freshness=read_freshness(freshness(held={"1.1.1": "x"}, yanked={"1.0.9": "x"})))
        is None
    )


@pytest.mark.parametrize(("gate", "changes"), GATES, ids=str)
def test_each_gate_keeps_a_release_out_and_says_which_it_is(
    gate: Waits, changes: dict[str, Any]
) -> None:
    """With a reason for a person."""
    assert reason(**changes).waits is gate


@pytest.mark.parametrize("first", range(len(GATES)))
def test_the_gates_count_in_order(first: int) -> None:
    """A release that will never do is not said to wait for a window."""
    others = GATES[first:]
    merged = {key: value for _, changes in reversed(others) for key, value in changes.items()}
    assert reason(**merged).waits is GATES[first][0]


def test_what_is_both_yanked_and_held_is_yanked() -> None:
    """Holding is for now, yanking is for ever."""
    both = said(yanked="it loses data", held="we look into it", rollouts=ROLLED)
    assert reason(freshness=both).detail == "the association took it back: it loses data"
    held = said(held="we look into it", rollouts=ROLLED)
    assert reason(freshness=held).detail == "the association holds it back: we look into it"


def test_whoever_runs_what_a_release_leaves_behind_does_not_take_it() -> None:
    """It lacks migrations that this database holds: its backend would not start."""
    leaves = verified("1.1.0", manifest={"never_ran": {"1.0.1": "it fails everywhere"}})
    assert waits(leaves) is None
    found = reason(leaves, installed=parse_version("1.0.1"))
    assert found.waits is Waits.STEP
    assert "it fails everywhere" in found.detail


@pytest.mark.parametrize("release", [SECURITY, LEGACY])
@pytest.mark.parametrize(
    ("gate", "changes"),
    [one for one in GATES if one[0] in {Waits.YANKED, Waits.HOLD, Waits.STALE, Waits.STOPPED}],
    ids=str,
)
def test_the_association_and_the_operator_stop_any_release(
    release: VerifiedRelease, gate: Waits, changes: dict[str, Any]
) -> None:
    """A security release too, and one without a manifest."""
    assert waits(release, **changes) is gate


def test_a_stale_source_installs_nothing_by_itself() -> None:
    """The operator is told why, and what to type."""
    assert reason(stale="freshness 7 expired").detail == (
        "freshness 7 expired; to install it all the same:"
        " koprogo-agent update v1.1.0 --although-stale"
    )


def test_a_security_release_waits_for_no_window_and_no_turn() -> None:
    """Nor for both; but for a day after it failed, and for an operator who installs by hand."""
    assert waits(SECURITY, window_open=False, freshness=rollout(0, 0)) is None
    later = {SECURITY.fingerprint: "later"}
    assert waits(SECURITY, window_open=False, postponed=later) is Waits.BACKOFF
    assert waits(SECURITY, automatic=False) is Waits.MANUAL


def test_a_release_without_a_manifest_is_routine() -> None:
    """Nobody signed that it is urgent."""
    assert waits(LEGACY, window_open=False) is Waits.WINDOW
    assert waits(LEGACY, freshness=rollout(0, 0)) is Waits.ROLLOUT


def test_an_instance_takes_its_turn_at_its_place() -> None:
    """At that very instant, not before it."""
    turn = Rollout(EPOCH, 86_400, 100).turn(PLACE)
    assert turn is not None
    assert EPOCH < turn < EPOCH + timedelta(days=1)
    assert waits(freshness=rollout(86_400, 100), at=turn) is None
    early = reason(freshness=rollout(86_400, 100), at=turn - INSTANT)
    assert early.waits is Waits.ROLLOUT
    assert early.detail == f"this instance's turn is at {turn:%Y-%m-%d %H:%M} UTC"


def test_before_its_start_nobody_has_a_turn() -> None:
    """A rollout at once begins at its start."""
    assert waits(freshness=rollout(0, 100), at=EPOCH) is None
    assert waits(freshness=rollout(0, 100), at=EPOCH - INSTANT) is Waits.ROLLOUT


def test_beyond_its_share_an_instance_has_no_turn() -> None:
    """It is told that it waits for others to go first; the next percent reaches it."""
    beyond = int(PLACE * 100)
    late = EPOCH + timedelta(days=9999)
    found = reason(freshness=rollout(86_400, beyond), at=late)
    assert found.waits is Waits.ROLLOUT
    assert f"reaches {beyond} % of the instances so far" in found.detail
    assert waits(freshness=rollout(86_400, beyond + 1), at=late) is None


def test_every_instance_has_its_own_place() -> None:
    """Of two hundred, about half are reached by half; each has another place for each release."""
    names = [f"instance {number}" for number in range(200)]
    half = rollout(0, 50)
    reached = [name for name in names if waits(freshness=half, instance=name) is None]
    assert 75 < len(reached) < 125
    again = [name for name in names if waits(LEGACY, freshness=half, instance=name) is None]
    assert reached != again


def test_whoever_does_not_wait_for_a_turn_has_it_at_once() -> None:
    """The operator's word; windows and back-offs still count."""
    assert waits(freshness=rollout(0, 0), waits_its_turn=False) is None
    assert waits(freshness=rollout(0, 0), waits_its_turn=False, window_open=False) is Waits.WINDOW
    later = {RELEASE.fingerprint: "later"}
    assert waits(freshness=rollout(0, 0), waits_its_turn=False, postponed=later) is Waits.BACKOFF
    assert waits(freshness=YANKED, waits_its_turn=False) is Waits.YANKED


@pytest.mark.parametrize(("channel", "kept_out"), [("stable", True), ("edge", False)])
def test_prerelease_without_a_manifest(channel: str, kept_out: bool) -> None:  # noqa: FBT001
    """Only who follows another channel than stable gets it."""
    found = waits(verified("1.1.0-rc.1", legacy=True), channel=channel)
    assert found is (Waits.PRERELEASE if kept_out else None)


@pytest.mark.parametrize(
    ("version", "installed", "floor", "newer"),
    [
        ("1.1.0", "1.0.0", "1.0.0", True),
        ("1.0.0", "1.0.0", "1.0.0", False),
        ("1.1.0", "1.0.0", "1.2.0", False),  # after a rollback from 1.2.0
        ("1.2.0", "1.0.0", "1.2.0", True),
        ("1.0.0", None, None, True),
        ("1.0.0-rc.1", "1.0.0", None, False),
    ],
)
def test_is_newer(version: str, installed: str | None, floor: str | None, newer: bool) -> None:  # noqa: FBT001
    """Above what is installed, and not below the floor."""
    here = replace(
        HERE,
        installed=parse_version(installed) if installed else None,
        floor=parse_version(floor) if floor else None,
    )
    assert is_newer(parse_version(version), here) is newer
