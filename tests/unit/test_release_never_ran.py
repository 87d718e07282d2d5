"""Yanked releases that are left behind: who may be, and what comes after them."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.freshness import read_freshness
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release.never_ran import base_of, hint, require_yanked
from koprogo_agent.release.releases import Releases, Tagged
from tests.simulation.trust import freshness
from tests.simulation.verified import verified

WHY = "its migration fails on every database"
SAID = read_freshness(freshness(yanked={"1.2.0": "it does not start"}))


def tagged(version: str, *, trusted: bool = True) -> Tagged:
    """A tag of a version, of a release unless it is not trusted."""
    release = verified(version) if trusted else None
    return Tagged(TagRef(f"v{version}", ""), parse_version(version), b"", None, release, None)


RELEASES = Releases((tagged("1.2.0"), tagged("1.1.0"), tagged("1.0.0")))


def test_a_yanked_release_may_be_left_behind() -> None:
    """With the reason that goes into the manifest, on one line."""
    found = require_yanked(["v1.2.0"], f" {WHY}\n", RELEASES, SAID)
    assert found == {parse_version("1.2.0"): WHY}


@pytest.mark.parametrize(
    ("version", "reason", "code"),
    [
        ("1.1.0", WHY, "never_ran.not_yanked"),
        ("1.3.0", WHY, "version.unknown"),
        ("1.2.0", " \n", "never_ran.reason"),
        ("1.2.0", "a\x1bb", "never_ran.reason"),
        ("1.2", WHY, "version.grammar"),
    ],
)
def test_nothing_else_is_left_behind(version: str, reason: str, code: str) -> None:
    """An instance may install at any time what was not yanked."""
    with pytest.raises(Refused) as caught:
        require_yanked([version], reason, RELEASES, SAID)
    assert caught.value.code == code


def test_a_reason_has_an_end() -> None:
    """Every agent keeps it."""
    with pytest.raises(NeedsOperator, match="at most 300"):
        require_yanked(["1.2.0"], "x" * 301, RELEASES, SAID)


def test_without_freshness_nothing_was_yanked() -> None:
    """The release manager fetches it first."""
    with pytest.raises(Refused, match="not yanked"):
        require_yanked(["1.2.0"], WHY, RELEASES, None)


def test_migrations_are_held_against_the_newest_release_that_may_have_run() -> None:
    """Whose own migrations stay in every later release."""
    one, two = parse_version("1.2.0"), parse_version("1.1.0")
    without: list[set[Version]] = [set(), {one}, {one, two}]
    assert [base_of(RELEASES, left) for left in without] == list(RELEASES.tagged)
    only = Releases((tagged("1.2.0"),))
    assert base_of(only, {one}) is None


def test_what_is_not_trusted_counts_where_nothing_is() -> None:
    """Instances without manifests have run it."""
    releases = Releases((tagged("1.2.0"), tagged("1.1.0", trusted=False)))
    found = base_of(releases, {parse_version("1.2.0")})
    assert found is releases.tagged[1]


def test_the_way_out_is_told_where_there_is_one() -> None:
    """Of a release that was yanked, and of no other."""
    assert "--never-ran v1.2.0 --reason" in hint(RELEASES.tagged[0], SAID)
    assert (
        hint(RELEASES.tagged[1], SAID) == hint(None, SAID) == hint(RELEASES.tagged[0], None) == ""
    )
