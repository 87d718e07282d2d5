"""Publishing to a real git server: all of it or nothing, never by force, nothing else touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from koprogo_agent.domain.armour import Kind
from koprogo_agent.errors import RetryLater
from koprogo_agent.release.product import open_product
from tests.desks import JOB, Desk, Workshop
from tests.lab.engine import Engine
from tests.offices import workshop

pytestmark = pytest.mark.real

TRUST = "refs/heads/trust"
KEYLESS = {"SSH_AUTH_SOCK": "/nowhere"}


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """A product of two people of whom one is enough, with one release."""
    with workshop(lab_engine, {"ann": Kind.SSH, "bob": Kind.SSH}) as made:
        made.found("--threshold", "1")
        made["ann"].must("publish", made.cut("1.0.0", "ann", "bob"))
        made["bob"].git("fetch", "--quiet", "--tags")
        yield made


def at_origin(shop: Workshop, ref: str) -> str:
    """What a ref of the origin names; empty where there is none."""
    return shop.origin.repository.git("for-each-ref", "--format=%(objectname)", ref)


def state_of(desk: Desk) -> tuple[str, ...]:
    """What a clone's work tree and index are like."""
    index = (desk.clone / ".git/index").read_bytes()  # before git itself refreshes it
    shown = desk.git("status", "--porcelain"), desk.git("branch", "--show-current")
    return (hashlib.sha256(index).hexdigest(), *shown)


def test_publishing_touches_neither_the_work_tree_nor_the_index(shop: Workshop) -> None:
    """A release manager may be in the middle of something else, on any branch."""
    ann = shop["ann"]
    file = shop.cut("1.0.1", "ann", "bob")
    (ann.clone / "README.md").write_text("half done")
    state_of(ann)
    before = state_of(ann)

    ann.must("publish", file)
    ann.must("hold", "1.0.1", "--reason", "x")

    assert state_of(ann) == before
    ann.git("checkout", "--quiet", "README.md")


def test_without_a_key_a_signed_release_is_published_all_the_same(shop: Workshop) -> None:
    """By a build machine, say; and it is told that freshness does not name it yet."""
    file = shop.cut("1.0.2", "ann", "bob")
    trust = at_origin(shop, TRUST)

    done = shop["ann"].type("publish", file, "--rollout", "1d", env=KEYLESS)
    assert (done.returncode, at_origin(shop, "refs/tags/v1.0.2")) == (5, "")

    done = shop["ann"].type("publish", file, env=KEYLESS)
    assert done.returncode == 0
    assert "freshness does not name v1.0.2 yet" in done.stdout
    assert at_origin(shop, "refs/tags/v1.0.2")
    assert at_origin(shop, TRUST) == trust
    assert "channel stable  v1.0.2" in shop[JOB].must("freshness", "--push")


def test_tag_and_freshness_go_out_together_or_not_at_all(shop: Workshop) -> None:
    """A rollout that comes later than its release comes too late."""
    file = shop.cut("1.0.3", "ann", "bob")
    hook = shop.origin.repository.path / "hooks/update"
    hook.write_text('#!/bin/sh\ntest "$1" != refs/heads/trust\n')
    hook.chmod(0o755)
    try:
        done = shop["ann"].type("publish", file)
    finally:
        hook.unlink()

    assert (done.returncode, "does not let you change" in done.stderr) == (5, True)
    assert at_origin(shop, "refs/tags/v1.0.3") == ""
    assert shop["ann"].git("tag", "--list", "v1.0.3") == ""
    shop["ann"].must("publish", file)
    assert at_origin(shop, "refs/tags/v1.0.3")


def test_what_was_pushed_meanwhile_is_never_overwritten(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the fetch and the push somebody else may have been there."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in shop["ann"].environment.items():
        monkeypatch.setenv(name, value)
    ann = open_product(shop["ann"].clone)
    old = ann.branch.commit({"x": b"y"}, "Late", ann.branch.tip())
    shop["bob"].must("hold", "1.0.0", "--reason", "bob was first")
    trust = at_origin(shop, TRUST)

    with pytest.raises(RetryLater, match="has moved meanwhile") as refused:
        ann.remote.push({TRUST: old})

    assert refused.value.code == "remote.moved"
    assert at_origin(shop, TRUST) == trust


def test_two_who_published_apart_are_told_so(shop: Workshop) -> None:
    """The message has the command that goes on from what the remote has."""
    ann, bob = shop["ann"], shop["bob"]
    bob.git("fetch", "--quiet")
    kept = bob.must("yank", "1.0.0", "--reason", "bob's word", "--no-push")
    assert f"git push --atomic origin {TRUST}" in kept
    ann.must("hold", "1.0.1", "--reason", "ann's word")

    done = bob.type("yank", "1.0.0", "--reason", "bob's word")
    assert (done.returncode, "went different ways" in done.stderr) == (5, True)
    bob.git("update-ref", "-d", TRUST)  # what it says to type
    both = bob.must("yank", "1.0.0", "--reason", "bob's word")
    assert "ann's word" in both
    assert "bob's word" in both


def test_what_was_kept_back_can_be_pushed_by_hand(shop: Workshop) -> None:
    """By the command that is printed."""
    ann = shop["ann"]
    file = shop.cut("1.0.4", "ann", "bob")
    shown = ann.must("publish", file, "--no-push")
    assert at_origin(shop, "refs/tags/v1.0.4") == ""

    command = next(line.split() for line in shown.splitlines() if "git push" in line)
    ann.git(*command[1:])
    assert at_origin(shop, "refs/tags/v1.0.4") == ann.git("rev-parse", "v1.0.4")
    assert "in this clone alone" not in ann.must("publish", file)  # again changes nothing


def test_a_taken_tag_is_not_moved(shop: Workshop) -> None:
    """Neither one that is known nor one that comes with the fetch."""
    file = shop.cut("1.0.5", "ann", "bob")
    shop.origin.repository.point("refs/tags/v1.0.5", at_origin(shop, "refs/heads/main"))

    done = shop["ann"].type("publish", file)
    assert (done.returncode, "another tag v1.0.5 already" in done.stderr) == (3, True)

    shop.origin.repository.point("refs/tags/v1", at_origin(shop, "refs/heads/main"))
    shop["ann"].must("freshness", "--push")
    shop.origin.repository.point("refs/tags/v1", at_origin(shop, "refs/tags/v1.0.4"))
    shop["ann"].must("freshness", "--push")  # v1 is no release, and may move

    shop.origin.repository.point("refs/tags/v1.0.5", at_origin(shop, "refs/tags/v1.0.4"))
    done = shop["ann"].type("publish", file)
    assert (done.returncode, "has rewritten what was published" in done.stderr) == (5, True)
    shop.origin.repository.drop("refs/tags/v1.0.5")
    shop["ann"].git("tag", "--delete", "v1.0.5")


def test_while_the_network_is_away_people_sign_and_nothing_is_published(shop: Workshop) -> None:
    """Everything but digests and pushing works without it."""
    ann, file = shop["ann"], "koprogo-v1.0.6.draft.json"
    shop.push_images("1.0.6")
    shop.origin.front.stop()
    try:
        ann.must("prepare", "1.0.6")
        ann.must("sign", file)
        ann.must("verify", file)
        ann.must("status")
        done = ann.type("publish", file)
    finally:
        shop.origin.front.start()

    assert (done.returncode, "cannot reach origin" in done.stderr) == (75, True)
    assert ann.git("tag", "--list", "v1.0.6") == ""
    ann.must("publish", file)


def test_a_remote_that_is_none_is_named(shop: Workshop) -> None:
    """As where somebody's clone calls it otherwise."""
    bob = shop["bob"]
    bob.git("remote", "rename", "origin", "upstream")
    done = bob.type("freshness", "--push")
    bob.git("remote", "rename", "upstream", "origin")
    assert (done.returncode, "has no remote origin" in done.stderr) == (5, True)
