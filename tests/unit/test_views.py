"""Folders of links in which Compose finds the stack's folder as it will be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.domain.relocation import relocated, with_mounts_at
from koprogo_agent.errors import RetryLater


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A stack's folder with files of the operator's own."""
    folder = tmp_path / "stack"
    (folder / "place" / "own").mkdir(parents=True)
    (folder / "place" / ".env").write_text("A=1")
    (folder / "place" / "own" / "mine.conf").write_text("mine")
    return folder


@pytest.fixture
def files(tmp_path: Path, stack: Path) -> LocalFiles:
    """The agent's folders."""
    return LocalFiles(tmp_path / "state", stack, tmp_path / "backups")


def seen(view: Path) -> dict[str, str]:
    """Path -> content of every file that is found in a view."""
    paths = [path for path in view.rglob("*") if path.is_file()]
    for link in [path for path in view.rglob("*") if path.is_symlink() and path.is_dir()]:
        paths += [link / path.relative_to(link.resolve()) for path in link.resolve().rglob("*")]
    return {str(path.relative_to(view)): path.read_text() for path in paths}


OWN = {"place/.env": "A=1", "place/own/mine.conf": "mine"}


def test_a_view_shows_the_release_among_the_operators_files(files: LocalFiles) -> None:
    """The next release's files in the place of those that are laid; and again as it was."""
    files.stage("v1", {"place/base.yml": b"one", "place/old/extra.yml": b"old"})
    assert seen(files.view("v1")) == {
        **OWN,
        "place/base.yml": "one",
        "place/old/extra.yml": "old",
    }
    files.lay("v1")
    files.stage("v2", {"place/base.yml": b"two", "place/new.yml": b"new"})
    after = {**OWN, "place/base.yml": "two", "place/new.yml": "new"}
    assert seen(files.view("v2")) == after
    files.lay("v2")
    assert seen(files.view("v2")) == after
    assert seen(files.view("v1"))["place/base.yml"] == "one"
    assert "place/new.yml" not in seen(files.view("v1"))


def test_a_view_follows_what_the_operator_changes(files: LocalFiles, stack: Path) -> None:
    """A file that comes or goes, also where a folder was."""
    files.stage("v1", {"place/base.yml": b"one"})
    files.view("v1")
    (stack / "place" / ".env").unlink()
    (stack / "place" / "own" / "mine.conf").unlink()
    (stack / "place" / "own").rmdir()
    (stack / "place" / "own").write_text("a file now")
    assert seen(files.view("v1")) == {"place/base.yml": "one", "place/own": "a file now"}


def test_a_view_of_nothing(files: LocalFiles) -> None:
    """What is not staged cannot be shown; what is forgotten is not shown any more."""
    with pytest.raises(RetryLater):
        files.view("v1")
    files.stage("v1", {"place/base.yml": b"one"})
    view = files.view("v1")
    files.unstage("v1")
    assert not view.exists()


def test_where_a_file_can_be_read_before_it_is_laid(files: LocalFiles, stack: Path) -> None:
    """Of the release, where it is staged; a folder that the operator shares is the stack's."""
    files.stage("v1", {"place/plan/a": b"one", "place/own/b": b"b", "top": b"top"})
    staged = files.staged_path("v1", "top").parent
    for path in ("place/plan/a", "place/plan", "place/own/b", "top"):
        assert files.readable_at("v1", stack / path) == staged / path
    elsewhere = Path("/etc/hosts")
    for plain in (stack / "place", stack / "place/own", stack / "place/.env", stack, elsewhere):
        assert files.readable_at("v1", plain) == plain
    with pytest.raises(RetryLater):
        files.readable_at("v2", stack / "top")


def test_mounts_at() -> None:
    """Bind mounts, configs and secrets; nothing else of the model."""
    model = {
        "services": {
            "one": {
                "volumes": [{"type": "bind", "source": "/a", "target": "/a", "read_only": True}]
            },
            "two": {"volumes": [{"type": "volume", "source": "/a"}], "image": "/a"},
            "three": {},
        },
        "configs": {"c": {"file": "/a"}, "d": {"content": "/a"}},
        "secrets": {"s": {"environment": "/a"}},
        "volumes": {"/a": None},
    }
    there = with_mounts_at(model, lambda path: f"/there{path}")
    changed = json.loads(json.dumps(model))
    changed["services"]["one"]["volumes"][0]["source"] = "/there/a"
    changed["configs"]["c"]["file"] = "/there/a"
    assert there == changed


def test_relocated() -> None:
    """Whole paths only, wherever they stand in the model."""
    model = {"a": ["/view/x", "/viewer", {"b": "/view"}], "c": 1, "d": "see /view/x"}
    expected = {"a": ["/stack/x", "/viewer", {"b": "/stack"}], "c": 1, "d": "see /view/x"}
    assert relocated(model, "/view", "/stack") == expected
