"""A registry that serves something else than what the release names, or never ends to serve."""

from __future__ import annotations

import secrets
from contextlib import closing
from functools import partial

import pytest

from koprogo_agent.adapters.images import RegistryImages
from koprogo_agent.domain.states import Outcome
from tests.attacks.field import Field, within
from tests.lab import oci
from tests.lab.front import Act
from tests.lab.hostile import Deed, answers, crawls, never_ends
from tests.lab.recipes import Kind
from tests.lab.registry import INDEX_TYPE
from tests.lab.releases import Release
from tests.scenes import watch

pytestmark = pytest.mark.real

MEGABYTES = 1 << 20
LAYER = "application/octet-stream"


def fresh(field: Field, least: int = 1) -> Release:
    """A release with an image that no engine has ever seen: what one knows, it does not ask for."""
    return field.lab.publisher.publish(Kind.GOOD, ballast=least + secrets.randbelow(MEGABYTES))


def test_another_image_under_the_same_name_and_digest_is_refused(field: Field) -> None:
    """A whole image, valid in itself: its digest is another one, and nothing of it is kept."""
    release = fresh(field)
    wanted, other = release.images["backend"], field.lab.publisher.releases[0].images["backend"]
    serves = Act(answers(200, other.index, INDEX_TYPE), f"/manifests/{wanted.digest}")
    with field.failing(field.lab.registry.front, serves):
        words = (f"pull .*@{wanted.digest}", "verification failed for digest")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


def test_another_layer_under_the_same_digest_is_refused(field: Field) -> None:
    """The same one floor below: the image is the right one, and a layer of it is not."""
    release = fresh(field)
    serves = Act(answers(200, b"not this layer", LAYER), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, serves):
        words = ("pull .*@sha256:", "(?i)verif|digest")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


def test_a_tag_that_moves_in_the_registry_moves_nothing_here(field: Field) -> None:
    """What runs is what was signed, whatever the registry calls by the release's name."""
    publisher, registry = field.lab.publisher, field.lab.registry
    release, evil = fresh(field), publisher.draft().images["backend"]
    names = (release.tag, release.version, "latest", "stable")
    oci.publish(evil, registry, names)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    container = field.lab.stack.containers()["backend"]
    with closing(field.lab.engine.client()) as client:
        image = client.api.inspect_container(container)["Image"]
        runs = client.images.get(image).attrs["RepoDigests"]
    assert [one.partition("@")[2] for one in runs] == [release.images["backend"].digest]
    field.watches_idly()


# --- registries that never end, or crawl


@pytest.fixture
def brisk(field: Field, monkeypatch: pytest.MonkeyPatch) -> Field:
    """An agent that gives a registry three seconds without a sign of life, not two minutes."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages", partial(RegistryImages, stall_seconds=3)
    )
    return field


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("deed", "where"),
    [
        (never_ends(INDEX_TYPE), "/koprogo/.*/manifests/"),
        (crawls(1), "/koprogo/.*/manifests/"),
        (crawls(1), "/koprogo/.*/blobs/"),
    ],
    ids=["a manifest without end", "a manifest byte by byte", "a layer byte by byte"],
)
def test_a_registry_has_its_time(brisk: Field, deed: Deed, where: str) -> None:
    """Later again, by the agent's own word: the release is not blamed for it."""
    release = fresh(brisk, 4 * MEGABYTES)
    with brisk.failing(brisk.lab.registry.front, Act(deed, where)), within(30):
        words = ("the pull of .*@sha256:", "stood still for 3 s")
        brisk.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    brisk.forger.withdraw(release)


@pytest.mark.timeout(60)
def test_a_layer_that_drips_has_its_time(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just fast enough never to stand still: a hundred megabytes would take a day."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages",
        partial(RegistryImages, stall_seconds=3, least_pace=100_000),
    )
    release = fresh(field, 4 * MEGABYTES)
    drips = Act(crawls(20_000), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, drips), within(30):
        words = ("the pull of .*@sha256:", "less than 100000 bytes a second")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


@pytest.mark.timeout(60)
def test_a_layer_has_an_end(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the engine stores it until the disk of the whole machine is full."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages",
        partial(RegistryImages, stall_seconds=3, most_bytes=64 * MEGABYTES),
    )
    release = fresh(field)
    endless = Act(never_ends(LAYER), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, endless), within(30):
        words = ("the pull of .*@sha256:", "more than 67108864 bytes")
        field.stops(release.tag, Outcome.POSTPONED, "registry.limit", *words)
    field.forger.withdraw(release)
