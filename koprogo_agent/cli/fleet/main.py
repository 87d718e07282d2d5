"""The entry point of `koprogo-fleet`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from koprogo_agent.cli import program
from koprogo_agent.cli.fleet.app import PROGRAM, app


def main() -> None:
    """What `koprogo-fleet` calls."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the verb that the arguments name and gives the exit code."""
    return program.run(app, PROGRAM, arguments)
