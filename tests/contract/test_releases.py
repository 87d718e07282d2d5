"""The ports `Source`, `Signatures`, `Images`, `Prober` and `Clock`."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from koprogo_agent.domain.tags import read_tag
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.ports import HttpProbe, PullProgress
from tests.contract.ground import Ground


def unseen(_progress: PullProgress) -> None:
    """Nobody watches a pull."""


def test_source(ground: Ground) -> None:
    """Tags are listed, their objects fetched, files and folders read without a checkout."""
    source = ground.engine.world.source
    ref = ground.publish()
    assert ref in source.list_tags()
    commit = read_tag(ref, source.fetch(ref)).commit
    settings = ground.engine.settings
    path, folder = settings.stack.compose_files[0], settings.migration.path
    assert b"services" in source.read_file(commit, path)
    assert source.list_files(commit, path) == (path,)
    migrations = source.list_files(commit, folder)
    assert migrations
    assert all(name.startswith(f"{folder}/") for name in migrations)
    assert source.list_files(commit, "no/such/folder") == ()
    assert source.tree_id(commit, "no/such/folder") is None
    with pytest.raises(Refused):
        source.read_file(commit, "no-such-file")
    with pytest.raises(Refused):
        source.read_file(commit, folder)


def test_tree_id_tells_whether_a_folder_changed(ground: Ground) -> None:
    """Two releases with the same migrations have the same tree of them."""
    source, folder = ground.engine.world.source, ground.engine.settings.migration.path
    refs = [ground.publish(), ground.publish()]
    commits = [read_tag(ref, source.fetch(ref)).commit for ref in refs]
    assert commits[0] != commits[1]
    trees = {source.tree_id(commit, folder) for commit in commits}
    assert len(trees) == 1
    assert None not in trees


def test_signatures(ground: Ground) -> None:
    """A trusted key is named; a stranger's is refused."""
    world = ground.engine.world
    good = ground.publish()
    tag = read_tag(good, world.source.fetch(good))
    assert world.signatures.check(tag, world.clock.now()).key
    assert world.signatures.state() == world.signatures.state()
    forged = ground.forge()
    tag = read_tag(forged, world.source.fetch(forged))
    with pytest.raises(Refused):
        world.signatures.check(tag, world.clock.now())


def test_images(ground: Ground) -> None:
    """What runs is found by the reference it runs by and by id, and is not removed."""
    images, installed = ground.engine.world.images, ground.engine.journal.installed
    assert installed is not None
    reference = installed.pins["backend"].image
    image = images.find(reference)
    assert image is not None
    assert reference in image.digests
    assert image.size > 0
    assert images.find(image.id) == image
    assert images.pull(reference, unseen).id == image.id
    images.remove(reference)
    assert images.find(image.id) is not None


def test_image_that_is_not_there(ground: Ground) -> None:
    """It is not published yet, perhaps; removing it is no fault."""
    images = ground.engine.world.images
    assert images.find(ground.missing) is None
    with pytest.raises(RetryLater) as raised:
        images.pull(ground.missing, unseen)
    assert raised.value.code == "registry.image_missing"
    images.remove(ground.missing)


def test_prober(ground: Ground) -> None:
    """Nothing to say about a good answer; a few words about any other."""
    world = ground.engine.world
    ground.wait_for(lambda: world.prober.ask(ground.public) is None)
    world.stack.stop(ground.project.name, ["ingress"])
    assert world.prober.ask(ground.public)
    world.stack.start(ground.project.name, ["ingress"])
    ground.wait_for(lambda: world.prober.ask(ground.public) is None)
    assert world.prober.ask(HttpProbe("nobody", "http://127.0.0.1:9/"))


def test_clock(ground: Ground) -> None:
    """Waiting takes as long as asked for, on both clocks; the wall clock is in UTC."""
    clock = ground.engine.world.clock
    wall, steady = clock.now(), clock.monotonic()
    clock.wait(0.2)
    assert wall.tzinfo is UTC
    assert clock.now() - wall >= timedelta(seconds=0.19)
    assert 0.19 <= clock.monotonic() - steady < 30
