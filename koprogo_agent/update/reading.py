"""The journal for whoever only looks, such as `koprogo-agent status` beside a busy daemon."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.update.journal import Journal
from koprogo_agent.update.store import ReadOnlyStore


class JournalToRead(Journal):
    """A journal in which nothing is written, and which must exist."""

    def __init__(self, path: Path) -> None:
        """Opens it; raises as `ReadOnlyStore` does."""
        self._store = ReadOnlyStore(path)
