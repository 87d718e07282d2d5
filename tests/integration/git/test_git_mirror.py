"""The git adapter's mirror: nothing that befalls it is for an operator to mend."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.integration.git.bench import FILES, Bench

pytestmark = pytest.mark.real


def test_the_mirror_is_configured_by_nothing_from_outside(bench: Bench) -> None:
    """No address, no remote, no hooks; and reading it can fetch nothing."""
    commit = bench.commit()
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    git.read_file(commit, "compose.yml")
    assert bench.inspect("config", "--local", "--list").split() == [
        "core.repositoryformatversion=0",
        "core.filemode=true",
        "core.bare=true",
    ]
    assert not (bench.mirror / "hooks").exists()


@pytest.mark.parametrize("damage", ["pack", "index", "head", "all", "ref", "shallow"])
def test_a_damaged_mirror_mends_itself(bench: Bench, damage: str) -> None:
    """Bits flip and files are truncated; the operator never hears of it."""
    first, second = bench.commit(), bench.commit(FILES | {"new": b"new\n"})
    ref = bench.tag("v1.0.0", first)
    git = bench.git()
    git.fetch(ref)
    git.read_file(first, "compose.yml")
    _damage(bench.mirror, damage)
    git = bench.git()
    assert git.fetch(bench.tag("v1.1.0", second))
    assert git.fetch(ref)
    assert git.read_file(first, "compose.yml") == FILES["compose.yml"]
    assert git.read_file(second, "new") == b"new\n"
    assert git.list_files(first, ".") == tuple(sorted(FILES))


def _damage(mirror: Path, what: str) -> None:
    pattern = {
        "pack": "objects/pack/*.pack",
        "index": "objects/pack/*.idx",
        "head": "HEAD",
        "ref": "refs/tags/*",
        "shallow": "shallow",
        "all": "**/*",
    }[what]
    for path in mirror.glob(pattern):
        if path.is_file():
            path.chmod(0o600)
            content = bytearray(path.read_bytes())
            content[len(content) // 2 :] = b"\0" * len(content[len(content) // 2 :])
            path.write_bytes(content)


def test_what_a_killed_git_leaves_does_not_stop_the_next(bench: Bench) -> None:
    """Locks that nobody holds, and half of a pack."""
    commit = bench.commit()
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    for leftover in ("shallow.lock", "refs/tags/v1.1.0.lock", "objects/pack/tmp_pack_x"):
        (bench.mirror / leftover).write_bytes(b"half")
    (bench.state / "mirror.new").mkdir()
    assert git.fetch(bench.tag("v1.1.0", bench.commit(FILES | {"new": b"\n"})))
    assert not list(bench.mirror.rglob("*.lock"))
    assert not list(bench.mirror.rglob("tmp_*"))
    assert not (bench.state / "mirror.damaged").exists()


def test_an_object_under_a_wrong_id_is_not_believed(bench: Bench) -> None:
    """Git reads what lies under an id; the agent holds it against the id."""
    commit = bench.commit()
    git = bench.git()
    git.fetch(bench.tag("v1.0.0", commit))
    oid = bench.origin.repository.git("rev-parse", f"{commit}:compose.yml")
    forged = bench.mirror / "objects" / oid[:2] / oid[2:]
    forged.parent.mkdir()
    forged.write_bytes(zlib.compress(b"blob 5\0evil\n"))
    assert git.read_file(commit, "compose.yml") == FILES["compose.yml"]


def test_a_mirror_half_made_is_made_from_nothing(bench: Bench) -> None:
    """Whatever a killed agent, or someone else, left where mirrors are made."""
    unfinished = bench.state / "mirror.new"
    unfinished.mkdir()
    (unfinished / "config").write_text('[remote "origin"]\n\turl = https://elsewhere.example/\n')
    assert bench.git().fetch(bench.tag("v1.0.0", bench.commit()))
    assert "elsewhere" not in bench.inspect("config", "--local", "--list")


def test_a_mirror_of_too_many_packs_is_made_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither grows for ever nor needs a repack; what it forgot is fetched again by its id."""
    monkeypatch.setattr("koprogo_agent.adapters.git.mirror.MAX_PACKS", 3)
    git = bench.git()
    commits = [bench.commit(FILES | {"n": b"%d" % number}) for number in range(6)]
    for number, commit in enumerate(commits):
        git.fetch(bench.tag(f"v1.{number}.0", commit))
    assert len(list(bench.mirror.glob("objects/pack/*.pack"))) <= 4
    assert git.read_file(commits[0], "n") == b"0"
    assert git.tree_id(commits[0], "conf") == git.tree_id(commits[5], "conf")
