"""No path from outside reaches a file out of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.durable import Folder
from koprogo_agent.errors import NeedsOperator, Refused

COMPONENT = st.sampled_from(["..", ".", "", "a", "up", "\0", "~", "x\n", ".git", "é", "/"])


@given(st.one_of(st.lists(COMPONENT, max_size=6).map("/".join), st.text(max_size=30)))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_path_leaves_the_folder(tmp_path: Path, path: str) -> None:
    """Write, read and remove of any path change nothing outside, symlink upwards included."""
    root = tmp_path / "outer/root"
    root.mkdir(parents=True, exist_ok=True)
    up = root / "up"
    if not up.is_symlink() and not up.exists():
        up.symlink_to("..")
    folder = Folder(root, 0o755)
    acts: tuple[Callable[[], object], ...] = (
        lambda: folder.write(path, b"new", 0o644),
        lambda: folder.read(path),
        lambda: folder.remove(path),
    )
    for act in acts:
        try:
            act()
        except (NeedsOperator, OSError, UnicodeEncodeError):
            continue
    assert [child.name for child in (tmp_path / "outer").iterdir()] == ["root"]


@given(path=st.lists(COMPONENT, max_size=5).map("/".join))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_staging_refuses_or_stays_inside(tmp_path: Path, path: str) -> None:
    """A release's path is refused, or its file is below the release's own folder."""
    files = LocalFiles(tmp_path / "state", tmp_path / "stack", tmp_path / "backups")
    try:
        files.stage("v1.0.0", {path: b"x"})
    except Refused:
        return
    inside = tmp_path / "state/releases/v1.0.0/files"
    assert (inside / path).resolve().is_relative_to(inside.resolve())
