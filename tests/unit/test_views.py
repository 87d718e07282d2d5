"""Folders of links in which Compose finds the stack's folder as it will be."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.domain.relocation import relocated
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


def test_relocated() -> None:
    """Whole paths only, wherever they stand in the model."""
    model = {"a": ["/view/x", "/viewer", {"b": "/view"}], "c": 1, "d": "see /view/x"}
    expected = {"a": ["/stack/x", "/viewer", {"b": "/stack"}], "c": 1, "d": "see /view/x"}
    assert relocated(model, "/view", "/stack") == expected
