"""Types at terminals: `typed.py` runs what is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]


def type_in(
    words: Sequence[str], env: Mapping[str, str], folder: Path, seconds: int
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end in this environment and folder, with nothing on standard input.

    Raises:
        TimeoutExpired: it had not ended after so many seconds, and was ended.
    """
    parent = _parent()
    assert parent.stdin
    assert parent.stdout
    with TemporaryDirectory() as name:
        printed = [f"{name}/stdout", f"{name}/stderr"]
        asked = [list(words), dict(env), str(folder), printed, seconds]
        parent.stdin.write(f"{json.dumps(asked)}\n")
        code = int(parent.stdout.readline())
        out, err = (Path(path).read_text() for path in printed)
    if code == -signal.SIGALRM:
        raise subprocess.TimeoutExpired(list(words), seconds, out, err)
    return subprocess.CompletedProcess(list(words), code, out, err)


@cache
def _parent() -> subprocess.Popen[str]:
    """Whose children the typed programs are; it ends when this process closes its input."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab.typed"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
