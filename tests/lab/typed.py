"""Runs what is typed, in processes forked from one that has imported both command lines.

Starting Python and importing the agent takes half a second of a processor, many times what most
verbs do with it. What is about how a program starts, starts the program itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from koprogo_agent.cli import app as _imported_with_every_verb  # noqa: F401 - main leaves it out
from koprogo_agent.cli import main as agent
from koprogo_agent.cli.release import main as release

PROGRAMS = {"koprogo-agent": agent.main, "koprogo-release": release.main}


def serve() -> None:
    """Forks for each line that comes in, and says how it ended as Popen's `returncode` does."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(*json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def become(
    words: list[str], env: Mapping[str, str], folder: str, printed: Sequence[str], seconds: int
) -> None:
    """Turns this process into what was typed; the kernel ends it after so many seconds."""
    for number, path in enumerate((os.devnull, *printed)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    signal.alarm(seconds)
    sys.argv = words
    PROGRAMS[words[0]]()


if __name__ == "__main__":
    serve()
