"""What a release deploys of a commit, and the version that the commit tells, from a real clone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused
from koprogo_agent.release.clone import Clone
from koprogo_agent.release.demands import told_version
from koprogo_agent.release.deployed import paths_of_repository, read_files, require_same
from koprogo_agent.release.files import lying
from koprogo_agent.release.git import Git
from koprogo_agent.release.migrations import read_added
from tests.lab.processes import run

FILES = {"install.sh": b"#!/bin/sh\n", "systemd/a.service": b"[Unit]\n", "systemd/b": b"b\n"}
VERSION = parse_version("1.2.0")


def committed(folder: Path, files: Mapping[str, bytes]) -> Clone:
    """A clone with one commit of these files, and a link."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "link").symlink_to("/etc/hostname")
    who = ("-c", "user.name=R", "-c", "user.email=r@k.example")
    for words in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "-m", "Begin")):
        run(["git", *words], cwd=folder)
    return Clone(Git(folder))


def test_files_and_folders_are_deployed_without_a_stack(tmp_path: Path) -> None:
    """Each under its hash, and with it whoever signs holds them against the clone."""
    clone = committed(tmp_path, {**FILES, "README.md": b"no"})
    found = read_files(clone, "HEAD", ("install.sh", "systemd"))
    assert found.hashes == {
        path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()
    }
    assert found.images == {}
    require_same(clone, "HEAD", found.hashes)


@pytest.mark.parametrize(
    ("path", "code"),
    [("system", "file.missing"), ("systemd/x", "file.missing"), ("link", "file.kind")],
)
def test_what_cannot_be_deployed_is_named(tmp_path: Path, path: str, code: str) -> None:
    """A folder that was renamed would leave the release without its files."""
    clone = committed(tmp_path, FILES)
    with pytest.raises(Refused, match=path) as refused:
        read_files(clone, "HEAD", (path,))
    assert refused.value.code == code


def test_a_product_may_have_no_migrations(tmp_path: Path) -> None:
    """Neither now nor before."""
    clone = committed(tmp_path, FILES)
    commit = clone.commit("HEAD")
    assert read_added(clone, commit, commit, "migrations").is_none


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'"""x."""\n\n__version__ = "1.2.0"\n', None),
        (b'[project]\nname = "x"\nversion = "1.2.0"\n', None),
        (b'{\n  "name": "x",\n  "version": "1.2.0"\n}\n', None),
        (b'__version__ = "1.1.0"\n', "told says '1.1.0', and not 1.2.0"),
        (b"nothing\n", "told says no version"),
    ],
)
def test_the_commit_tells_the_version_that_is_released(
    tmp_path: Path, content: bytes, said: str | None
) -> None:
    """Whoever forgets to set it would release something that calls itself by an older version."""
    clone = committed(tmp_path, {"told": content})
    if said is None:
        assert told_version(clone, "HEAD", "told", VERSION) == VERSION
        return
    with pytest.raises(Refused, match=said) as refused:
        told_version(clone, "HEAD", "told", VERSION)
    assert refused.value.code == "version.file"


def test_drafts_are_found_by_their_product(tmp_path: Path) -> None:
    """And not those of another one whose name begins alike."""
    names = ["koprogo-v1.0.0.draft.json", "koprogo-root-1.draft.json"]
    for name in (*names, "koprogo-agent-v1.0.0.draft.json", "koprogo-agent-root-1.draft.json"):
        (tmp_path / name).touch()
    assert [path.name for path in lying(tmp_path, "koprogo")] == sorted(names)
    assert len(lying(tmp_path, "koprogo-agent")) == 2


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("open {0}/infra/a.yml: no such file", "open infra/a.yml: no such file"),
        ('"{0}/a.yml" is bad', '"a.yml" is bad'),
        ("…oprogo/{1}/b.yml, in {0}", "b.yml, in the repository"),
        ("/etc/hosts is not ours", "/etc/hosts is not ours"),
    ],
)
def test_errors_name_paths_of_the_repository(said: str, told: str, tmp_path: Path) -> None:
    """The folder in which compose files are rendered is gone when a person reads of it."""
    text = said.format(tmp_path, tmp_path.name)
    error = Refused(text, code="x", advice=f"see {text}")
    with pytest.raises(Refused) as caught, paths_of_repository(tmp_path):
        raise error
    assert (caught.value.message, caught.value.advice) == (told, f"see {told}")
