"""Runs the demo; `KEEP=1` leaves everything running at the end."""

from __future__ import annotations

import os
import signal
import sys

from rich.console import Console

from tests.demo.story import Story
from tests.instance import Instance
from tests.lab.client import Client
from tests.lab.lab import Lab


def main() -> int:
    """Tells the story; 0 when everything went as it should."""
    console = Console(highlight=False)
    console.print("[bold]koprogo-agent, on real parts[/]: an engine, a registry, a git server")
    with console.status("bringing up the lab"), Lab() as lab:
        story = Story(console, lab, Instance.create(lab))
        story.install()
        with Client(lab.stack.url, rate=50) as client:
            story.with_user(client)
        faults = story.sum_up(client)
        if os.environ.get("KEEP"):
            story.explain_how_to_look()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
