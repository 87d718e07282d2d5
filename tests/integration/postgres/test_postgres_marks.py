"""Whether the server works on something."""

from __future__ import annotations

import threading

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from tests.integration.postgres.server import (
    Postgres,
    ended,
)

pytestmark = pytest.mark.real


class TestMarks:
    """Whether it works is told from its log."""

    def test_a_hang_makes_no_progress(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """A migration that sleeps or waits for a lock does not move the mark."""
        stack.sql("CHECKPOINT")
        with stack.connect() as sleeper, stack.connect() as holder, stack.connect() as waiter:
            holder.execute("LOCK TABLE charge")
            sleeping = threading.Thread(target=ended(sleeper, "SELECT pg_sleep(60)"))
            waiting = threading.Thread(target=ended(waiter, "DELETE FROM charge"))
            sleeping.start()
            waiting.start()
            marks = set()
            for _ in range(4):
                marks.add(adapter.progress_mark(stack.at))
                stack.sql("CHECKPOINT", "postgres")
            for session in (sleeper, waiter):
                session.cancel()
            sleeping.join()
            waiting.join()
        # The little that checkpoints write may cross one step of the mark.
        assert len(marks) <= 2

    def test_work_makes_progress(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """Rows being written move the mark before their transaction ends."""
        with stack.connect() as session:
            marks = set()
            for _ in range(3):
                session.execute("UPDATE charge SET label = label || 'x'")
                marks.add(adapter.progress_mark(stack.at))
        assert len(marks) == 3
