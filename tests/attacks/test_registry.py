"""A registry that serves something else than what the release names."""

from __future__ import annotations

from contextlib import closing

import pytest

from koprogo_agent.domain.states import Outcome
from tests.attacks.field import Field
from tests.lab import oci
from tests.lab.front import Act
from tests.lab.hostile import answers
from tests.lab.recipes import Kind
from tests.lab.registry import INDEX_TYPE
from tests.scenes import watch

pytestmark = pytest.mark.real


def test_another_image_under_the_same_name_and_digest_is_refused(field: Field) -> None:
    """A whole image, valid in itself: its digest is another one, and nothing of it is kept."""
    release = field.lab.publisher.publish(Kind.GOOD)
    wanted, other = release.images["backend"], field.lab.publisher.releases[0].images["backend"]
    serves = Act(answers(200, other.index, INDEX_TYPE), f"/manifests/{wanted.digest}")
    with field.failing(field.lab.registry.front, serves):
        words = (f"pull .*@{wanted.digest}", "verification failed for digest")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


def test_another_layer_under_the_same_digest_is_refused(field: Field) -> None:
    """The same one floor below: the image is the right one, and a layer of it is not."""
    release = field.lab.publisher.publish(Kind.GOOD)
    serves = Act(answers(200, b"not this layer", "application/octet-stream"), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, serves):
        words = ("pull .*@sha256:", "(?i)verif|digest")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


def test_a_tag_that_moves_in_the_registry_moves_nothing_here(field: Field) -> None:
    """What runs is what was signed, whatever the registry calls by the release's name."""
    publisher, registry = field.lab.publisher, field.lab.registry
    release, evil = publisher.publish(Kind.GOOD), publisher.draft().images["backend"]
    names = (release.tag, release.version, "latest", "stable")
    oci.publish(evil, registry, names)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    container = field.lab.stack.containers()["backend"]
    with closing(field.lab.engine.client()) as client:
        image = client.api.inspect_container(container)["Image"]
        runs = client.images.get(image).attrs["RepoDigests"]
    assert [one.partition("@")[2] for one in runs] == [release.images["backend"].digest]
    field.watches_idly()
