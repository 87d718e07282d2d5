"""The ports `Source`, `Anchor`, `Signatures`, `Images`, `Prober` and `Clock`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.freshness import read_freshness
from koprogo_agent.domain.root import read_root
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
    assert ref in source.list_refs().tags
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


def test_the_trust_branch_is_listed_and_read(ground: Ground) -> None:
    """It is no tag; its documents are read as files of a commit are."""
    source, authority = ground.engine.world.source, ground.engine.authority
    commit = source.list_refs().trust
    assert commit is not None
    assert source.list_files(commit, "root") == ("root/1.json",)
    root = read_root(source.read_file(commit, "root/1.json"))
    assert root.envelope == authority.root.envelope
    assert read_freshness(source.read_file(commit, "freshness.json")) == authority.freshness


def test_signatures(ground: Ground) -> None:
    """A trusted key is named; a stranger's is refused, and so is another purpose."""
    engine = ground.engine
    world, keys, now = engine.world, engine.authority.root.keys, engine.world.clock.now()
    good, forged = ground.publish(), ground.forge()
    statement = read_tag(good, world.source.fetch(good)).statement
    assert world.signatures.signer(statement, keys, now).key in {key.fingerprint for key in keys}
    strange = read_tag(forged, world.source.fetch(forged)).statement
    for refused in (strange, replace(statement, purpose=Purpose.RELEASE)):
        with pytest.raises(Refused):
            world.signatures.signer(refused, keys, now)


def test_anchor(ground: Ground) -> None:
    """The machine was given a trust root, and distrusts nobody."""
    anchor = ground.engine.world.anchor
    assert read_root(anchor.pinned()).version == 1
    assert anchor.revoked() == frozenset()


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
    world.stack.stop(ground.project.name, [ground.ingress])
    assert world.prober.ask(ground.public)
    world.stack.start(ground.project.name, [ground.ingress])
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
