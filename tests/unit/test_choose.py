"""The choice among verified releases, and the reasons against the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from koprogo_agent.domain.choose import Circumstances, Waits, choose, is_newer, why_not
from koprogo_agent.domain.versions import parse_version
from tests.simulation.verified import verified

HERE = Circumstances(
    installed=parse_version("1.0.0"),
    floor=parse_version("1.0.0"),
    agent=parse_version("0.1.0"),
    channel="stable",
    quarantined=frozenset(),
)
RELEASE = verified("1.1.0")
SECURITY = verified("1.1.0", manifest={"severity": "security"})


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


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"quarantined": frozenset({RELEASE.fingerprint})}, Waits.QUARANTINE),
        ({"channel": "edge"}, Waits.CHANNEL),
        ({"agent": parse_version("0.0.9")}, Waits.AGENT),
        ({"installed": parse_version("0.9.0")}, Waits.STEP),
        ({"held": "a reason"}, Waits.HOLD),
        ({"automatic": False}, Waits.MANUAL),
        ({"window_open": False}, Waits.WINDOW),
        ({"postponed": {RELEASE.fingerprint: "later"}}, Waits.BACKOFF),
        ({"installed": None}, None),
        ({}, None),
    ],
    ids=str,
)
def test_reasons(changes: dict[str, object], waits: Waits | None) -> None:
    """Each gate keeps a release out, and says which it is."""
    reason = why_not(RELEASE, replace(HERE, **changes))  # type: ignore[arg-type]
    assert (reason.waits if reason else None) is waits
    assert reason is None or reason.detail


def test_lasting_reasons_come_first() -> None:
    """A release that will never do is not said to wait for a window."""
    here = replace(HERE, channel="edge", window_open=False, held="a reason")
    reason = why_not(RELEASE, here)
    assert reason is not None
    assert reason.waits is Waits.CHANNEL


def test_security_release() -> None:
    """It does not wait for a window; but it waits for an operator who holds."""
    assert why_not(SECURITY, replace(HERE, window_open=False)) is None
    held = why_not(SECURITY, replace(HERE, window_open=False, held="a reason"))
    assert held is not None
    assert held.waits is Waits.HOLD


@pytest.mark.parametrize(("channel", "kept_out"), [("stable", True), ("edge", False)])
def test_prerelease_without_a_manifest(channel: str, kept_out: bool) -> None:  # noqa: FBT001
    """Only who follows another channel than stable gets it."""
    reason = why_not(verified("1.1.0-rc.1", legacy=True), replace(HERE, channel=channel))
    assert (reason is not None) == kept_out


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
