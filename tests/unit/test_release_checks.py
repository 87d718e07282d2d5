"""Checks before a release is prepared: what is told, what is demanded, what changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from koprogo_agent.domain.canonical import MOST, encode
from koprogo_agent.domain.freshness import Freshness, read_freshness
from koprogo_agent.domain.manifest import Image, parse
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import NeedsOperator, Refused, RetryLater
from koprogo_agent.release import demands
from koprogo_agent.release.changes import changes, compare
from koprogo_agent.release.checks import Check, Checks
from koprogo_agent.release.deployed import Deployed
from koprogo_agent.release.images import Resolved, platforms
from koprogo_agent.release.releases import Releases, Tagged
from tests.cases import document
from tests.simulation.trust import freshness


@dataclass
class Seen:
    """Remembers what it is told."""

    checks: list[Check] = field(default_factory=list)

    def begins(self, what: str) -> None:
        """Nothing yet."""

    def ends(self, check: Check) -> None:
        """Remembers."""
        self.checks.append(check)


def refuse() -> str:
    """A check that does not hold."""
    raise Refused("it is bad", code="x")


def later() -> str:
    """One that may hold later."""
    raise RetryLater("it is away", code="x")


def test_one_fault_does_not_hide_another() -> None:
    """Whoever prepares a release mends all of them in one go."""
    seen = Seen()
    checks = Checks(seen)
    first = checks.make("first", refuse, str)
    second = checks.make("second", lambda: "good", str.upper)
    third = checks.make("third", lambda: "not reached", str, needs=(second, first))

    assert [one.holds for one in (first, second, third)] == [False, True, False]
    assert second.value == "good"
    assert [(one.what, one.found) for one in seen.checks] == [
        ("first", "it is bad"),
        ("second", "GOOD"),
        ("third", None),
    ]
    with pytest.raises(Refused, match="cannot prepare v1: 1 check failed"):
        checks.require_all("v1")


def test_what_may_hold_later_is_no_refusal() -> None:
    """A registry that is away is tried again by the same command."""
    checks = Checks(Seen())
    checks.make("a", later, str)
    checks.make("b", later, str)
    with pytest.raises(RetryLater, match="2 checks failed"):
        checks.require_all("v1")

    checks.make("c", refuse, str)
    with pytest.raises(Refused, match="3 checks failed"):
        checks.require_all("v1")


def test_when_all_hold_nothing_is_said() -> None:
    """The draft is written."""
    checks = Checks(Seen())
    checks.make("a", lambda: "x", str)
    checks.require_all("v1")


def tagged(version: str, **changed: object) -> Tagged:
    """A tag of a version whose manifest nobody has verified."""
    manifest = parse(encode(document(version=version, **changed)).decode())
    return Tagged(TagRef(f"v{version}", ""), parse_version(version), b"", manifest, None, None)


RELEASES = Releases((tagged("1.2.0", upgrade_from=[">=1.0.0"]), tagged("1.1.0")))


def test_a_version_is_above_every_tag() -> None:
    """A tag counts, whoever made it: its name is taken."""
    assert demands.new_version("v1.2.1", RELEASES) == parse_version("1.2.1")
    for text in ("1.2.0", "1.1.9", "1.2.0-rc.1"):
        with pytest.raises(Refused) as refused:
            demands.new_version(text, RELEASES)
        assert refused.value.code == "version.old"
    with pytest.raises(Refused, match="not a version"):
        demands.new_version("1.2", RELEASES)


def test_one_comes_from_where_one_came_before_unless_somebody_says_otherwise() -> None:
    """Commas and several options mean the same."""
    last = RELEASES.last
    assert demands.comparators(None, last) == (">=1.0.0",)
    assert demands.comparators([">=1.1.0, <2.0.0", "!=1.1.5"], last) == (
        ">=1.1.0",
        "<2.0.0",
        "!=1.1.5",
    )
    assert demands.comparators(None, None) == ()
    with pytest.raises(Refused):
        demands.comparators(["1.1.0"], last)


def test_whoever_runs_the_last_release_is_not_left_behind() -> None:
    """It would be all instances that are up to date."""
    assert demands.reachable((">=1.2.0",), RELEASES.last) == (">=1.2.0",)
    with pytest.raises(Refused, match=r"nobody who runs 1\.2\.0"):
        demands.reachable((">=1.3.0",), RELEASES.last)


def test_a_release_works_with_releases_that_there_were() -> None:
    """A mistyped one would be relied on in a rollback."""
    assert demands.known_versions(["v1.1.0"], RELEASES) == ("1.1.0",)
    with pytest.raises(Refused, match=r"no release 1\.0\.0"):
        demands.known_versions(["1.0.0"], RELEASES)


def test_each_image_is_run_by_some_service() -> None:
    """An agent pins services by the repository of their image: one that none runs pins nothing."""
    images = [Resolved("x", Image("ghcr.io/k/b", "sha256:1"), ("linux/amd64",))]
    assert demands.used_images(images, Deployed({}, {"b": "ghcr.io/k/b:1", "t": "traefik"}))
    with pytest.raises(Refused, match="no service of the compose files runs"):
        demands.used_images(images, Deployed({}, {"t": "traefik"}))


def test_images_that_no_digest_pins_are_named_with_what_to_type() -> None:
    """Third-party ones too: a tag such as `latest` may lead to another image tomorrow."""
    images = {
        "backend": "ghcr.io/k/b:1.0.0",
        "traefik": "traefik:latest",
        "store": "minio/minio",
        "bootstrap": "minio/minio",
        "db": f"postgres:15@sha256:{'1' * 64}",
    }
    found = list(demands.unpinned(Deployed({}, images), {"backend": "ghcr.io/k/b"}))
    assert [one.said.split(": ")[0] for one in found] == [
        "minio/minio, run by bootstrap, store",
        "traefik:latest, run by traefik",
    ]
    assert found[1].advice.endswith('koprogo-release.toml: traefik = "traefik"')


def test_an_image_is_pinned_at_the_tag_that_the_compose_files_have() -> None:
    """Each repository has one digest in a manifest, so services agree on the tag."""
    images = {"a": "k/b:1.0.0", "b": "k/b:1.0.0", "c": f"k/c:1@sha256:{'1' * 64}", "d": "k/d"}
    deployed = Deployed({}, images)
    tags = [deployed.tag_of(f"k/{name}") for name in "bcdx"]
    assert tags == ["1.0.0", f"sha256:{'1' * 64}", "latest", None]
    with pytest.raises(Refused, match=r"several images of one repository: k/b:1, k/b:2"):
        Deployed({}, {"a": "k/b:1", "b": "k/b:2"}).tag_of("k/b")


def test_the_platforms_of_an_index_are_those_of_its_images() -> None:
    """A builder's attestations are none."""
    listed = [
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "linux", "architecture": "amd64"},
        {"os": "unknown", "architecture": "unknown"},
    ]
    assert platforms(listed) == ("linux/amd64", "linux/arm64/v8")


def test_what_changes_is_told_by_name() -> None:
    """Added, changed, removed, and how many stay."""
    found = compare({"a": 1, "b": 1, "c": 1}, {"b": 1, "c": 2, "d": 1})
    assert (found.added, found.changed, found.removed, found.same) == (("d",), ("c",), ("a",), 1)

    first, second = (tagged(version).claimed for version in ("1.0.0", "1.1.0"))
    assert second is not None
    new = changes(first, second)
    assert (str(new.since), new.images.is_empty, new.files.same) == ("1.0.0", True, 1)
    assert changes(None, second).since is None
    assert (compare({}, {}).is_none, compare({"a": 1}, {"a": 1}).is_none) == (True, False)


def test_the_counter_has_an_end() -> None:
    """Whoever brought it there with a stolen key is answered by taking the key out."""

    def said(counter: int) -> Freshness:
        channels = {"stable": {"version": "1.0.0", "counter": counter}}
        return read_freshness(freshness(channels=channels))

    assert Releases(()).next_counter(None) == 1
    assert Releases(()).next_counter(said(9)) == 10
    with pytest.raises(NeedsOperator, match="come to its end"):
        Releases(()).next_counter(said(MOST))
