"""What the git adapter brings of a release, and what it refuses to bring."""

from __future__ import annotations

import random

import pytest

from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.manifest import BEGIN, END
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import Refused, RetryLater
from tests.integration.git.bench import FILES, Bench, fetch_failure
from tests.lab.front import Slow

pytestmark = pytest.mark.real


def test_a_tag_is_fetched_whole_and_only_once(bench: Bench) -> None:
    """The raw bytes come as they were published; again, they come from the mirror."""
    ref = bench.tag("v1.0.0", bench.commit())
    raw = bench.origin.repository.read("tag", ref.oid)
    git = bench.git()
    assert git.fetch(ref) == raw
    requests = len(bench.origin.front.requests)
    assert git.fetch(ref) == raw
    assert bench.git().fetch(ref) == raw
    assert len(bench.origin.front.requests) == requests


def test_files_are_read_from_the_commit(bench: Bench) -> None:
    """Content, listing and tree ids, and what is not there."""
    commit = bench.commit()
    bench.origin.repository.point("refs/heads/main", commit)
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    for path, content in FILES.items():
        assert git.read_file(commit, path) == content
    assert git.list_files(commit, "conf") == ("conf/deep/er/map", "conf/proxy.conf")
    assert git.list_files(commit, ".") == tuple(sorted(FILES))
    assert git.list_files(commit, "compose.yml") == ("compose.yml",)
    assert git.list_files(commit, "absent") == ()
    tree = bench.origin.repository.git("rev-parse", f"{commit}:migrations")
    assert git.tree_id(commit, "migrations") == tree
    assert git.tree_id(commit, "absent") is None
    assert git.tree_id(commit, "compose.yml") is None
    assert git.tree_id(commit, "compose.yml/x") is None


def test_only_regular_files_are_read(bench: Bench) -> None:
    """A link would lead elsewhere; a submodule would fetch from elsewhere."""
    repository = bench.origin.repository
    commit = bench.commit(links={"conf/link": "/etc/shadow"})
    module = b"160000 module\0" + bytes.fromhex("c" * 40)
    tree = repository.read("tree", f"{commit}^{{tree}}")
    entries = repository.store("tree", tree + module)
    commit = repository.commit(entries, [], "With a submodule", 1_700_000_000)
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    for path, code in (
        ("conf/link", "file.kind"),
        ("module", "file.kind"),
        ("conf", "file.kind"),
        (".", "file.kind"),
        ("absent", "file.missing"),
        ("../state", "file.missing"),
        ("/etc/passwd", "file.missing"),
        ("compose.yml/x", "file.missing"),
    ):
        with pytest.raises(Refused) as caught:
            git.read_file(commit, path)
        assert caught.value.code == code, path
    assert git.list_files(commit, ".") == tuple(sorted(FILES))


def test_a_path_that_would_need_quoting_is_refused(bench: Bench) -> None:
    """What is listed is laid on disk by root."""
    commit = bench.commit({"conf/a\nb": b""})
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    with pytest.raises(Refused) as caught:
        git.list_files(commit, "conf")
    assert caught.value.code == "file.path"


def test_files_that_belong_together_come_by_one_connection(bench: Bench) -> None:
    """Those that the manifest names, and those that were listed."""
    many = {f"conf/{number}": b"%d\n" % number for number in range(30)} | FILES
    commit = bench.commit(many)
    manifest = {
        "format": 1,
        "product": "koprogo",
        "channel": "stable",
        "version": "1.0.0",
        "counter": 1,
        "commit": commit,
        "images": {"b": {"repository": "a/b", "digest": f"sha256:{'1' * 64}"}},
        "files": {"compose.yml": "2" * 64, "migrations/1.sql": "2" * 64},
        "migrations": {"path": "migrations", "works_with": []},
        "upgrade_from": [],
        "agent_min": "0.0.1",
        "severity": "routine",
        "issued": "2026-01-01T00:00:00Z",
        "expires": "2027-01-01T00:00:00Z",
    }
    message = f"Release\n\n{BEGIN}\n{encode(manifest).decode()}\n{END}"
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit, message=message))
    before = len(bench.origin.front.requests)
    git.read_file(commit, "compose.yml")
    once = len(bench.origin.front.requests) - before
    git.read_file(commit, "migrations/1.sql")
    assert len(bench.origin.front.requests) - before == once
    for path in git.list_files(commit, "conf"):
        git.read_file(commit, path)
    assert len(bench.origin.front.requests) - before == 2 * once


def test_a_release_of_a_large_repository_costs_at_most_300_kb(bench: Bench) -> None:
    """1,800 files of 6 MB, the first fetch, and eight files read."""
    noise = random.Random(7)
    files = {
        f"src/{n % 60}/{n % 7}/module_{n}.rs": noise.randbytes(3400) for n in range(1800)
    } | FILES
    commit = bench.commit(files)
    ref = bench.tag("v1.0.0", commit)
    git = bench.git()
    before = bench.origin.front.traffic()
    git.list_refs()
    git.fetch(ref)
    for path in FILES:
        git.read_file(commit, path)
    spent = bench.origin.front.traffic() - before
    assert spent.bytes <= 300_000, spent
    parents = [commit]
    files["src/0/0/module_0.rs"] = b"changed\n"
    second = bench.origin.repository.commit(
        bench.origin.repository.tree(files), parents, "Next", 1_700_000_001
    )
    before = bench.origin.front.traffic()
    git.fetch(bench.tag("v1.0.1", second))
    assert (bench.origin.front.traffic() - before).bytes <= 20_000


def test_a_ref_to_something_else_than_a_tag_is_refused(bench: Bench) -> None:
    """A lightweight tag: fetched, looked at, refused."""
    commit = bench.commit()
    bench.origin.repository.point("refs/tags/v1.0.0", commit)
    with pytest.raises(Refused) as caught:
        bench.git().fetch(TagRef("v1.0.0", commit))
    assert caught.value.code == "tag.lightweight"


def test_a_tag_that_moves_between_list_and_fetch_is_fetched_at_the_next_poll(bench: Bench) -> None:
    """What came is not what was listed; both objects are kept once seen."""
    commit = bench.commit()
    git = bench.git()
    first = bench.tag("v1.0.0", commit)
    raw = git.fetch(first)
    second = bench.tag("v1.0.0", commit, message="Moved")
    absent = TagRef("v1.0.0", "d" * 40)
    with pytest.raises(RetryLater) as caught:
        git.fetch(absent)
    assert caught.value.code == "source.changed"
    assert git.fetch(second) != raw
    assert git.fetch(first) == raw
    bench.origin.repository.drop("refs/tags/v1.0.0")
    with pytest.raises(RetryLater) as caught:
        git.fetch(absent)
    assert caught.value.code == "source.changed"


def test_a_pack_beyond_the_limit_is_refused_and_leaves_nothing(bench: Bench) -> None:
    """Git has no limit of its own for what it fetches."""
    files = {f"f{n}/{random.Random(n).randbytes(40).hex()}": b"" for n in range(3000)}
    ref = bench.tag("v1.0.0", bench.commit(files))
    limited = bench.git(max_bytes=64 * 1024)
    with pytest.raises(Refused) as caught:
        limited.fetch(ref)
    assert caught.value.code == "source.limit"
    small = bench.tag("v1.0.1", bench.commit())
    assert limited.fetch(small)
    assert not list(bench.mirror.rglob("tmp_*"))


def test_objects_that_git_itself_calls_malformed_are_refused(bench: Bench) -> None:
    """A tree with `..` in it is not even stored."""
    repository = bench.origin.repository
    blob = bytes.fromhex(repository.store("blob", b"x"))
    evil = repository.store("tree", b"100644 ..\0" + blob)
    commit = repository.commit(evil, [], "Evil", 1_700_000_000)
    ref = bench.tag("v1.0.0", commit)
    with pytest.raises(Refused) as caught:
        bench.git().fetch(ref)
    assert caught.value.code == "source.fsck"


def test_a_folder_with_too_many_entries_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few trees that name each other often can make billions of paths."""
    monkeypatch.setattr("koprogo_agent.adapters.git.MAX_ENTRIES", 10)
    inner = bench.origin.repository.tree({str(n): b"" for n in range(4)})
    outer = bench.origin.repository.tree({}, folders=dict.fromkeys("abc", inner))
    commit = bench.origin.repository.commit(outer, [], "Many", 1_700_000_000)
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    assert len(git.list_files(commit, "a")) == 4
    with pytest.raises(Refused) as caught:
        git.list_files(commit, ".")
    assert caught.value.code == "source.limit"


def test_a_fetch_that_is_cut_off_can_be_done_again(bench: Bench) -> None:
    """At any place in the pack; nothing of the first is in the way of the second."""
    files = {f"f{n}/{random.Random(n).randbytes(40).hex()}": b"" for n in range(400)}
    commit = bench.commit(files)
    ref = bench.tag("v1.0.0", commit)
    bench.origin.front.fail(Slow(8000))
    assert fetch_failure(bench.git(timeout=1.5), ref).code == "source.slow"
    bench.origin.front.heal()
    assert bench.git().fetch(ref)
    assert len(bench.git().list_files(commit, ".")) == 400
