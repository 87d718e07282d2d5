"""Runs the demo. At its end it stays up: on a terminal until Enter, with KEEP=1 everywhere.

PICTURES=FOLDER says where the pictures of the dashboard go.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console

from tests.demo.association import PEOPLE, Association
from tests.demo.beside import CONNECTIONS, RATE, plain_compose
from tests.demo.ending import save_pictures, say_where, stay
from tests.demo.lacking import no_dashboard
from tests.demo.story import Story
from tests.demo.visit import Visit
from tests.instance import PATIENT_GATE, Instance
from tests.lab.client import Client
from tests.lab.lab import Lab
from tests.offices import workshop_of

if TYPE_CHECKING:
    from tests.demo.dashboard import Dashboard

_CACHE = "KOPROGO_LAB_CACHE"


def main() -> int:
    """Tells the story; 0 when everything went as it should."""
    console = Console(highlight=False)
    console.print("[bold]koprogo-agent, on real parts[/]: an engine, a registry, a git server")
    with ExitStack() as exits:
        with console.status("bringing up the lab"):
            exits.enter_context(_nothing_left_behind())
            lab = exits.enter_context(Lab(shared=True))
            board = exits.enter_context(_dashboard(console, lab))
            instance = board.first if board else Instance.create(lab, gate=PATIENT_GATE)
            plain = exits.enter_context(plain_compose(lab))
            shop = exits.enter_context(workshop_of(lab, PEOPLE))
        association = Association(console, shop, instance)
        story = Story(console, association, plain)
        if not story.install():
            console.print("[red]the story cannot begin: the first release was not installed[/]")
            return 1
        if board:
            story.report()
        with Client(lab.stack, RATE, connections=CONNECTIONS) as client:
            story.with_user(client)
        visit, faults = _fleet(console, story, association, board)
        faults += story.sum_up(client)
        if visit and not faults:
            save_pictures(console, visit)
        console.print()
        if visit:
            say_where(console, visit)
        story.explain_how_to_look()
        stay(console)
    return 1 if faults else 0


def _fleet(
    console: Console, story: Story, association: Association, board: Dashboard | None
) -> tuple[Visit | None, list[str]]:
    """The dashboard, where there is one: how to look at it, and what went wrong."""
    if board is None:
        console.print(f"\nleft out, the association's dashboard: {no_dashboard()}", soft_wrap=True)
        return None, []
    visit, faults = board.play(association, story.installed())
    for fault in faults:
        console.print(f"[red]not as it should be: {fault}[/]")
    return visit, faults


def _dashboard(console: Console, lab: Lab) -> AbstractContextManager[Dashboard | None]:
    if no_dashboard():
        return nullcontext()
    from tests.demo.dashboard import dashboard  # noqa: PLC0415 - its packages may not be here

    return dashboard(console, lab)


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
