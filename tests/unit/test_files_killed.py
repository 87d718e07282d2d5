"""Killed before any system call of staging and laying: what is there is told as it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from tests.trees import ONE, TWO, displaced, tree

KILLED = """
import os, signal, sys
from pathlib import Path
from koprogo_agent.adapters.files import LocalFiles
import koprogo_agent.durable as durable

left = 0
ACTS = ("fsync", "rename", "unlink", "mkdir", "fchmod")

def dying(real):
    def act(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return act

for name in ACTS:
    setattr(os, name, dying(getattr(os, name)))
two = {"compose.yml": b"two", "conf/proxy.cfg": b"proxy", "scripts/run.sh": b"#!/bin/sh\\n"}
for point, place in enumerate(sys.stdin, 1):
    child = os.fork()
    if child == 0:
        left, root = point, Path(place.rstrip())
        files = LocalFiles(root / "state", root / "stack", root / "backups")
        files.stage("v2.0.0", two)
        files.lay("v2.0.0")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def killed() -> Iterator[Callable[[Path], int]]:
    """Stages and lays in a process that gets one system call further each time; how that ended.

    All are forked from one, because starting Python takes longer than all that they do.
    """
    command = [sys.executable, "-c", KILLED]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as parent:
        assert parent.stdin
        assert parent.stdout
        written, heard = parent.stdin, parent.stdout

        def go_on(root: Path) -> int:
            written.write(f"{root}\n")
            return int(heard.readline())

        yield go_on
    assert parent.returncode == 0


def test_killed_anywhere_the_truth_is_told(tmp_path: Path, killed: Callable[[Path], int]) -> None:
    """Killed before each system call of stage and lay: never a mixture that counts as whole.

    And from every such point both ways on are open: forward to the new release, and back to the
    old one without a file of the new one left.
    """
    point, ended = 0, False
    while not ended:
        point += 1
        root = tmp_path / str(point)
        (root / "stack").mkdir(parents=True)
        (root / "stack/.env").write_bytes(b"own")
        files = LocalFiles(root / "state", root / "stack", root / "backups")
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        code = killed(root)
        ended = code == 0
        assert ended or code == -signal.SIGKILL
        assert files.staged("v2.0.0") in (None, TWO)
        expected = {"v1.0.0": {**ONE, ".env": b"own"}, "v2.0.0": {**TWO, ".env": b"own"}}
        laid = files.laid()
        assert laid is None or whole(root / "stack") == expected[laid]
        files.tidy()
        order = ("v1.0.0", "v2.0.0") if point % 2 else ("v2.0.0", "v1.0.0")
        files.stage("v2.0.0", TWO)
        for release in order:
            files.lay(release)
            assert files.laid() == release
            assert tree(root / "stack") == expected[release]
        assert displaced(root) == []
    assert point > 20


def whole(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for half-written ones, which nothing reads."""
    return {path: data for path, data in tree(folder).items() if not path.endswith(".partial")}
