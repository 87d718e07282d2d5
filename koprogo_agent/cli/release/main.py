"""The entry point of `koprogo-release`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from koprogo_agent.cli import program
from koprogo_agent.cli.release.app import PROGRAM, app


def main() -> None:
    """What `koprogo-release` calls."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the verb that the arguments name and gives the exit code."""
    return program.run(app, PROGRAM, arguments)
