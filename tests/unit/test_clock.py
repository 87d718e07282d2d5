"""The machine's clocks."""

from __future__ import annotations

import time
from datetime import timedelta

from koprogo_agent.adapters.clock import SystemClock


def test_time_goes_by() -> None:
    """The wall clock is in UTC, and a wait takes as long as it says."""
    clock = SystemClock()
    before = clock.monotonic()
    clock.wait(0.05)
    assert clock.monotonic() - before >= 0.05
    assert clock.now().utcoffset() == timedelta(0)
    assert abs(clock.now().timestamp() - time.time()) < 5
