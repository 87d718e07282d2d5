"""The same releases by plain Compose, on a second stack of the same shape, while the story goes on.

Compose mostly waits there for health checks, so that it costs the story little.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue

from tests.lab.client import Client, Tally
from tests.lab.lab import Lab
from tests.lab.processes import LabError, free_port
from tests.lab.releases import Release
from tests.lab.stack import UP_SECONDS, Stack

RATE, CONNECTIONS = 50, 6
"""What users do: more connections would open more to the database than it grants."""


@dataclass(frozen=True)
class ByCompose:
    """One update by plain Compose.

    Attributes:
        title: names it in the table.
        tally: what a client saw.
        complaint: what Compose said where it failed.
    """

    title: str
    tally: Tally
    complaint: str = ""


class PlainCompose:
    """A stack that is updated by `docker compose pull && docker compose up -d --wait` alone."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.stack: Stack = replace(
            lab.stack,
            name=f"{lab.name}-plain",
            directory=lab.root / "plain",
            http_port=free_port(),
        )
        self.updates: list[ByCompose] = []
        self.lost: frozenset[str] = frozenset()
        self.fault = ""
        self._waiting: Queue[tuple[str, Release] | None] = Queue()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def bring(self, title: str, release: Release) -> None:
        """Has a release brought, once those before it are; the first one is installed."""
        if not self._thread.is_alive():
            self._thread.start()
        self._waiting.put((title, release))

    def finish(self) -> None:
        """Waits until all of them are brought."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def give_up(self) -> None:
        """Brings nothing more; what is under way ends first, so that nothing of it is left."""
        self._given_up.set()
        self.finish()

    # --- inside

    def _run(self) -> None:
        try:
            first = self._waiting.get()
            if first is None:
                return
            self._lay(first[1])
            self._up()
            while (one := self._waiting.get()) is not None and not self._given_up.is_set():
                self._update(*one)
        except (LabError, OSError) as error:
            self.fault = str(error)

    def _update(self, title: str, release: Release) -> None:
        with Client(self.stack, RATE, connections=CONNECTIONS) as client:
            self._lay(release)
            self.stack.compose(self._tree, "pull", "--quiet")
            complaint = self._wait()
        self.updates.append(ByCompose(title, client.tally(), complaint))
        self.lost |= client.lost(self.stack)

    def _up(self) -> None:
        # Compose gives up on a database whose first start is slow, and finds it healthy later.
        with suppress(LabError):
            self.stack.up(self._tree)
            return
        self.stack.up(self._tree)

    def _wait(self) -> str:
        """What Compose complains of, or an empty string."""
        words = ("up", "-d", "--wait", "--wait-timeout", str(UP_SECONDS))
        try:
            self.stack.compose(self._tree, *words, *self.stack.long_lived)
        except LabError as error:
            return str(error)
        return ""

    def _lay(self, release: Release) -> None:
        self._lab.export(release, self._tree)
        self.stack.write_env(release.version)

    @property
    def _tree(self) -> Path:
        return self.stack.tree


@contextmanager
def plain_compose(lab: Lab) -> Iterator[PlainCompose]:
    """A plain stack, which takes no more releases at the end of the block."""
    plain = PlainCompose(lab)
    try:
        yield plain
    finally:
        plain.give_up()
