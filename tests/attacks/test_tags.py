"""Tags that are not what they seem: moved, renamed, nested, beside others of the same name."""

from __future__ import annotations

import zlib

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import Field
from tests.lab.forgeries import BAD_NAMES, BAD_REFS, Forgery
from tests.lab.recipes import Kind
from tests.lab.releases import TagText
from tests.lab.repository import Repository
from tests.lab.stack import OVERRIDE_FILE
from tests.scenes import watch

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "forgery",
    [
        Forgery.RENAMED,
        Forgery.SECOND_TAG_HEADER,
        Forgery.NESTED,
        Forgery.SIGNED_BLOB,
        Forgery.SIGNED_TREE,
    ],
    ids=lambda one: one.name.lower(),
)
def test_a_tag_that_is_not_one_of_a_release_is_refused(field: Field, forgery: Forgery) -> None:
    """All of them well signed, and `git verify-tag` finds nothing wrong with any."""
    field.try_out(forgery, *REFUSED[forgery])


def test_a_tag_of_what_runs_that_moves_is_refused_and_its_return_forgiven(field: Field) -> None:
    """Well signed, but not what was first seen: the evidence is kept, and what runs stays."""
    release = field.lab.publisher.publish(Kind.GOOD)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    moved = field.forger.move(release)
    words = f"first seen as {release.tag_object} and is now {moved.object}"
    field.refuses(release.tag, "tag.moved", words)
    said = field.types("verify", release.tag)
    assert (said.returncode, "[tag.moved]" in said.stdout) == (Exit.REFUSED, True)
    field.forger.restore(release)
    field.watches_idly()
    assert field.letters.empty() == []
    assert field.types("verify", release.tag).returncode == Exit.DONE


def test_a_tag_that_moves_while_its_release_waits_is_not_installed(field: Field) -> None:
    """It was seen while it waited for the operator; what it names later is not what was seen."""
    waiting = field.under(policy={"automatic": False})
    release = field.lab.publisher.publish(Kind.GOOD)
    waiting.watches_idly()
    moved = field.forger.move(release)
    field.refuses(release.tag, "tag.moved", release.tag_object, moved.object)
    said = field.types("update", release.tag)
    assert said.returncode == Exit.REFUSED
    assert "was moved" in said.stderr
    field.forger.withdraw(release)


def test_a_stranger_cannot_occupy_the_name_of_a_release(field: Field) -> None:
    """Else one tag that was pushed for an hour would keep that version out for ever."""
    forged = field.forger.forge(Forgery.WRONG_SSH_KEY)
    field.refuses(forged.tag, *REFUSED[Forgery.WRONG_SSH_KEY])
    release = field.lab.publisher.tag(forged.draft)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag == forged.tag


def test_names_that_are_no_release_s_are_never_looked_at(field: Field) -> None:
    """Well signed under that very name, or a ref that is no tag: neither fetched nor told."""
    forged = [field.forger.bad_name(name) for name in BAD_NAMES]
    forged += [field.forger.bad_ref(ref) for ref in BAD_REFS]
    before = len(field.lab.origin.front.requests)
    field.watches_idly()
    assert field.letters.empty() == []
    asked = field.lab.origin.front.requests[before:]
    assert len(asked) == 2, "a poll, and nothing that was fetched"
    with field.instance.engine() as engine:
        assert {one.ref.name for one in engine.look().offers}.isdisjoint(BAD_NAMES)
    for one in forged:
        field.forger.withdraw(one)


def test_refs_of_the_same_name_elsewhere_are_not_taken_for_the_tag(field: Field) -> None:
    """Git itself would take `refs/v1` and, in its way, a branch for what `v1` means."""
    release = field.lab.publisher.publish(Kind.GOOD)
    other = field.lab.publisher.releases[0].commit
    evil = field.lab.origin.repository.store("tag", TagText(other, release.tag, "Evil").raw())
    refs = (f"refs/{release.tag}", f"refs/heads/{release.tag}", f"refs/remotes/{release.tag}")
    for ref in refs:
        field.lab.origin.repository.point(ref, evil if ref.count("/") == 1 else other)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    with field.instance.engine() as engine:
        installed = engine.journal.installed
    assert installed is not None
    assert (installed.tag, installed.oid) == (release.tag, release.tag_object)
    for ref in refs:
        field.lab.origin.repository.drop(ref)


def test_a_replace_ref_replaces_nothing(field: Field) -> None:
    """Neither at the source nor in the mirror, where whoever reads would get another file."""
    release = field.lab.publisher.publish(Kind.GOOD)
    assert field.types("verify", release.tag).returncode == Exit.DONE
    origin, mirror = field.lab.origin.repository, Repository(field.state / "mirror.git")
    for repository in (origin, mirror):
        for path in (OVERRIDE_FILE, "README.md"):
            wanted = origin.git("rev-parse", f"{release.commit}:{path}")
            _replace(repository, wanted, b"# evil\n")
    assert watch(field.instance).outcome is Outcome.COMMITTED
    laid = (field.instance.tree / OVERRIDE_FILE).read_bytes()
    assert laid == release.draft.files[OVERRIDE_FILE]
    assert not mirror.path.with_suffix(".damaged").exists(), "nobody was led to look at it"


def _replace(repository: Repository, wanted: str, content: bytes) -> None:
    """What `git replace` does, without its leave."""
    evil = repository.store("blob", content)
    repository.point(f"refs/replace/{wanted}", evil)
    file = repository.path / "objects" / evil[:2] / evil[2:]
    assert zlib.decompress(file.read_bytes()).endswith(content)
