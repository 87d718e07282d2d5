"""Runs the demo; `KEEP=1` leaves everything running until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from rich.console import Console

from tests.demo.association import PEOPLE, Association
from tests.demo.story import Story
from tests.instance import PATIENT_GATE, Instance
from tests.lab.client import Client
from tests.lab.lab import Lab
from tests.offices import workshop_of

_CACHE = "KOPROGO_LAB_CACHE"


def main() -> int:
    """Tells the story; 0 when everything went as it should."""
    console = Console(highlight=False)
    console.print("[bold]koprogo-agent, on real parts[/]: an engine, a registry, a git server")
    with ExitStack() as exits:
        with console.status("bringing up the lab"):
            exits.enter_context(_nothing_left_behind())
            lab = exits.enter_context(Lab())
            instance = Instance.create(lab, gate=PATIENT_GATE)
            shop = exits.enter_context(workshop_of(lab, PEOPLE))
        story = Story(console, Association(console, shop, instance))
        if not story.install():
            console.print("[red]the story cannot begin: the first release was not installed[/]")
            return 1
        with Client(lab.stack.url, rate=50) as client:
            story.with_user(client)
        faults = story.sum_up(client)
        if os.environ.get("KEEP"):
            story.explain_how_to_look()
            with suppress(KeyboardInterrupt):
                signal.pause()
    return 1 if faults else 0


@contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """Tests keep images and layers for the next run; a demo has none. The path must be short."""
    if _CACHE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="kpd", dir="/tmp") as cache:
        os.environ[_CACHE] = cache
        yield


if __name__ == "__main__":
    sys.exit(main())
