"""The git adapter against a real smart-HTTP origin over TLS, in good and bad weather."""

from __future__ import annotations

import os
import random
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from koprogo_agent.adapters.git import Git
from koprogo_agent.adapters.git.command import MAX_WAIT
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.manifest import BEGIN, END
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import AgentError, NeedsOperator, Refused, RetryLater
from koprogo_agent.ports import Listing
from koprogo_agent.settings.sections import Source
from tests.lab.ca import Authority
from tests.lab.front import Endless, Fault, Refuse, Silent, Slow, WrongCertificate
from tests.lab.origin import Origin

pytestmark = pytest.mark.real

FILES = {
    "compose.yml": b"services: {}\n",
    "conf/proxy.conf": b"listen 80\n",
    "conf/deep/er/map": b"a b\n",
    "migrations/1.sql": b"create table a();\n",
}
SSH = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"


@dataclass(frozen=True)
class Bench:
    """An origin, and a fresh agent's folder."""

    origin: Origin
    state: Path

    def git(self, **changes: object) -> Git:
        """An adapter for the origin."""
        settings = {"url": self.origin.url, "ca_file": self.origin.ca_file, "timeout": 20}
        return Git(Source.model_validate(settings | changes), self.state)

    def commit(self, files: dict[str, bytes] | None = None, **kinds: dict[str, str]) -> str:
        """A commit with these files."""
        repository = self.origin.repository
        tree = repository.tree(FILES if files is None else files, **kinds)
        return repository.commit(tree, [], "Release", 1_700_000_000)

    def tag(self, name: str, target: str, kind: str = "commit", message: str = "Release") -> TagRef:
        """Publishes an annotated tag."""
        head = f"object {target}\ntype {kind}\ntag {name}\ntagger A <a@b> 1700000000 +0000"
        oid = self.origin.repository.store("tag", f"{head}\n\n{message}\n{SSH}".encode())
        self.origin.repository.point(f"refs/tags/{name}", oid)
        return TagRef(name, oid)

    @property
    def mirror(self) -> Path:
        """Where the mirror is."""
        return self.state / "mirror.git"

    def inspect(self, *words: str) -> str:
        """What git itself says of the mirror."""
        command = ["git", "--git-dir", str(self.mirror), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh origin."""
    authority = Authority.create(tmp_path, "lab")
    with Origin(tmp_path, authority, Authority.create(tmp_path, "stranger")) as origin:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        yield Bench(origin, state)


def failure(git: Git) -> AgentError:
    """The error of a poll."""
    with pytest.raises(AgentError) as caught:
        git.list_refs()
    assert caught.value.message.isprintable()
    assert not caught.value.message[0].isupper()
    return caught.value


def test_a_poll_lists_every_tag_and_the_trust_branch(bench: Bench) -> None:
    """Annotated, lightweight and odd names; other branches and peeled ids are left out."""
    commit, repository = bench.commit(), bench.origin.repository
    listed = {
        bench.tag("v1.0.0", commit),
        bench.tag("v1.1.0", commit),
        bench.tag("nightly/build", commit),
        bench.tag("trust", commit),
        TagRef("light", commit),
    }
    repository.point("refs/tags/light", commit)
    for other in ("refs/heads/main", "refs/heads/x/trust", "refs/trust", "refs/heads/trust2"):
        repository.point(other, commit)
    found = bench.git().list_refs()
    assert (len(found.tags), set(found.tags), found.trust) == (5, listed, None)
    trust = bench.commit()
    repository.point("refs/heads/trust", trust)
    assert bench.git().list_refs().trust == trust
    assert not bench.mirror.exists()


def test_a_poll_costs_at_most_4_kb(bench: Bench) -> None:
    """With TLS and all headers, for four releases; each one more adds its line of the list."""
    commit = bench.commit()
    costs = []
    for upto in (4, 14):
        for minor in range(upto):
            bench.tag(f"v1.{minor}.0", commit)
        costs.append(_poll_cost(bench))
    assert costs[0] <= 4096, costs
    assert (costs[1] - costs[0]) / 10 <= 120, costs


def _poll_cost(bench: Bench) -> float:
    """Bytes of a poll."""
    git = bench.git()
    git.list_refs()
    before = bench.origin.front.traffic()
    for _ in range(5):
        git.list_refs()
    return (bench.origin.front.traffic() - before).bytes / 5


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


def test_a_list_without_end_is_given_up(bench: Bench) -> None:
    """16,000 tags are more than any list of releases."""
    commit = bench.commit()
    lines = (f"create refs/tags/a-tag-with-a-rather-long-name-{n} {commit}\n" for n in range(16000))
    bench.origin.repository.git("update-ref", "--stdin", stdin="".join(lines).encode())
    assert failure(bench.git()).code == "source.list_limit"


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


def test_nothing_of_the_environment_reaches_git(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable, a user's configuration or a PATH of the caller's could change what git does."""
    ref = bench.tag("v1.0.0", bench.commit())
    config = tmp_path / "home"
    config.mkdir()
    (config / ".gitconfig").write_text('[url "https://127.0.0.1:1/"]\n\tinsteadOf = https://\n')
    (config / "git").write_text("#!/bin/sh\nexit 66\n")
    (config / "git").chmod(0o755)
    monkeypatch.setenv("HOME", str(config))
    monkeypatch.setenv("PATH", f"{config}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/elsewhere")
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    git = bench.git()
    assert git.list_refs().tags == (ref,)
    assert git.fetch(ref)
    bench.origin.front.fail(WrongCertificate())
    assert failure(git).code == "source.certificate"


def test_the_users_own_configuration_file_is_not_read(bench: Bench) -> None:
    """HOME is the agent's folder; what lies there is still no configuration."""
    (bench.state / ".gitconfig").write_text("[http]\n\tsslVerify = false\n")
    bench.origin.front.fail(WrongCertificate())
    assert failure(bench.git()).code == "source.certificate"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refuse(500), "source.unreachable"),
        (Refuse(503), "source.unreachable"),
        (Refuse(401), "source.denied"),
        (Refuse(403), "source.denied"),
        (Refuse(404), "source.denied"),
        (Refuse(429), "source.rate_limited"),
        (WrongCertificate(), "source.certificate"),
        (Silent(), "source.slow"),
        (Slow(20), "source.slow"),
        (Endless(), "source.slow"),
    ],
)
def test_a_source_that_fails_is_asked_again_later(bench: Bench, fault: Fault, code: str) -> None:
    """Whatever it does, and a poll after it is healed succeeds."""
    ref = bench.tag("v1.0.0", bench.commit())
    bench.origin.front.fail(fault)
    for error in (failure(bench.git(timeout=2)), _fetch_failure(bench.git(timeout=2), ref)):
        assert isinstance(error, RetryLater)
        assert error.code == code
        assert error.after is None
    bench.origin.front.heal()
    assert bench.git().list_refs().tags == (ref,)
    assert bench.git().fetch(ref)


def _fetch_failure(git: Git, ref: TagRef) -> AgentError:
    with pytest.raises(AgentError) as caught:
        git.fetch(ref)
    return caught.value


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "unreachable")])
def test_the_source_says_when_to_come_back(bench: Bench, status: int, code: str) -> None:
    """Its Retry-After is honoured, but not without bounds."""
    for header, seconds in (("77", 77), ("99999999", MAX_WAIT), ("soon", None)):
        bench.origin.front.fail(Refuse(status, retry_after=header))
        error = failure(bench.git())
        assert isinstance(error, RetryLater)
        assert (error.code, error.after) == (f"source.{code}", seconds)


def test_a_source_that_is_not_there_is_asked_again_later(bench: Bench) -> None:
    """Nobody listens, or the name does not exist."""
    bench.origin.front.stop()
    assert failure(bench.git()).code == "source.unreachable"
    assert failure(bench.git(url="https://nowhere.invalid/x.git")).code == "source.unreachable"
    bench.origin.front.start()


def test_a_page_that_is_not_git_is_no_successful_poll(bench: Bench) -> None:
    """A captive portal answers every address with a page, which git takes for an empty list."""
    page = "portal"
    bench.origin.repository.path.rename(bench.origin.repository.path.with_name("away.git"))
    folder = bench.origin.repository.path / "info"
    folder.mkdir(parents=True)
    (folder / "refs").write_text(f"<html>{page}</html>")
    assert isinstance(failure(bench.git()), RetryLater)


def test_a_repository_without_tags_has_none(bench: Bench) -> None:
    """A young project is no fault; a repository without anything is no source."""
    assert failure(bench.git()).code == "source.empty"
    bench.origin.repository.point("refs/heads/main", bench.commit())
    assert bench.git().list_refs() == Listing((), None)


def test_an_authority_file_that_is_missing_needs_the_operator(bench: Bench, tmp_path: Path) -> None:
    """It lies on this machine, and no waiting brings it."""
    error = failure(bench.git(ca_file=tmp_path / "absent.pem"))
    assert isinstance(error, NeedsOperator)
    assert error.code == "source.settings"


def test_the_authority_of_the_operator_is_the_only_one(bench: Bench, tmp_path: Path) -> None:
    """A private source is vouched for by its own authority, not by all the world's."""
    other = Authority.create(tmp_path / "other", "other")
    assert failure(bench.git(ca_file=other.file)).code == "source.certificate"
    assert failure(bench.git(ca_file=None)).code == "source.certificate"


def test_only_the_named_protocols_are_used(bench: Bench, tmp_path: Path) -> None:
    """Also a redirect cannot lead git to a local path."""
    bench.tag("v1.0.0", bench.commit())
    local = f"file://{bench.origin.repository.path}"
    assert bench.git(url=local, allow_protocols=("file",)).list_refs().tags
    settings = Source.model_construct(
        url=local, ca_file=None, allow_protocols=("https",), timeout=20.0, max_bytes=1 << 20
    )
    error = failure(Git(settings, tmp_path))
    assert (error.code, isinstance(error, NeedsOperator)) == ("source.settings", True)


@pytest.mark.parametrize("url", ["--upload-pack=touch /tmp/x", "-u", "ext::sh -c id"])
def test_an_address_is_never_an_option_or_a_program(tmp_path: Path, url: str) -> None:
    """Even one that got past the settings."""
    settings = Source.model_construct(
        url=url, ca_file=None, allow_protocols=("https",), timeout=20.0, max_bytes=1 << 20
    )
    assert failure(Git(settings, tmp_path))


@pytest.mark.parametrize("name", ["--force", "v1.0.0:refs/heads/main", "*", "v1.0.0\nv2", "main"])
def test_a_name_that_is_no_release_is_never_fetched(bench: Bench, name: str) -> None:
    """It would become part of a refspec."""
    with pytest.raises(Refused) as caught:
        bench.git().fetch(TagRef(name, "c" * 40))
    assert caught.value.code == "version.grammar"
    assert not bench.mirror.exists()


@pytest.mark.parametrize("oid", ["", "c" * 39, "c" * 64, "HEAD", "--batch"])
def test_an_id_that_is_none_of_a_sha1_repository_is_refused(bench: Bench, oid: str) -> None:
    """It would become part of a command."""
    git = bench.git()
    with pytest.raises(Refused) as caught:
        git.fetch(TagRef("v1.0.0", oid))
    assert caught.value.code == "source.object_format"
    with pytest.raises(Refused):
        git.read_file(oid, "compose.yml")


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
    assert _fetch_failure(bench.git(timeout=1.5), ref).code == "source.slow"
    bench.origin.front.heal()
    assert bench.git().fetch(ref)
    assert len(bench.git().list_files(commit, ".")) == 400


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
