"""The port `Images`: what a registry has, in memory and on a real one."""

from __future__ import annotations

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.setup.image_tags import try_patterns
from tests.contract.ground import Ground


def test_a_registry_tells_what_it_has_without_a_pull(ground: Ground) -> None:
    """By digest as by tag; what it lacks is an answer, and no fault."""
    images, installed = ground.engine.world.images, ground.engine.journal.installed
    assert installed is not None
    assert images.published(installed.pins["backend"].image)
    assert not images.published(ground.missing)
    assert images.find(ground.missing) is None


def test_the_pattern_of_image_tags_is_that_of_the_registry(ground: Ground) -> None:
    """Whatever the configuration says: the lab's images are there as 1.0.0."""
    tag = ground.publish()
    settings, world = ground.engine.settings, ground.engine.world
    tried = try_patterns(settings, world, [parse_tag(tag.name)])
    assert tried is not None
    assert tried.found is not None
    assert tried.fits
    assert tried.found.pattern == settings.stack.image_tag
