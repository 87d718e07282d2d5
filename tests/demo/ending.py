"""How the demo ends: pictures of the dashboard, and time to look at it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from tests.demo.lacking import no_pictures
from tests.demo.visit import Visit


def save_pictures(console: Console, visit: Visit) -> None:
    """Pictures of every page, in the folder that PICTURES names or in a new one that stays."""
    if why := no_pictures():
        console.print(f"left out, the pictures of the dashboard: {why}", soft_wrap=True)
        return
    from tests.demo.pictures import take  # noqa: PLC0415 - needs a package that may not be here

    folder = Path(os.environ.get("PICTURES") or mkdtemp(prefix="koprogo-pictures-"))
    with console.status("taking pictures of the dashboard"):
        files = take(visit, folder)
    console.print(f"{len(files)} pictures of the dashboard are in {folder}", soft_wrap=True)


def say_where(console: Console, visit: Visit) -> None:
    """Where the dashboard is, and who may look."""
    console.print(f"  {'the dashboard':<15} {visit.address}")
    console.print(f"  {'log in as':<15} {visit.name}, password {visit.password}", soft_wrap=True)


def stay(console: Console) -> None:
    """On a terminal until Enter, elsewhere until Ctrl-C with KEEP, and else not at all."""
    with suppress(KeyboardInterrupt, EOFError):
        if sys.stdin.isatty() and sys.stdout.isatty():
            console.input("all of it stays up until Enter or Ctrl-C ")
        elif os.environ.get("KEEP"):
            console.print("all of it stays up until Ctrl-C")
            signal.pause()
