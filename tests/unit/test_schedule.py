"""The schedule under a clock that jumps: what was due soon is due soon."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from koprogo_agent.schedule import SteadyScheduler

YEARS = timedelta(days=365)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def end(scheduler: SteadyScheduler) -> None:
    """Ends it, as the daemon does: a job must not wait for itself."""
    threading.Thread(target=scheduler.shutdown).start()


@pytest.mark.parametrize("jump", [YEARS, -YEARS], ids=["set back", "set ahead"])
def test_a_clock_that_is_set_puts_no_run_off(jump: timedelta) -> None:
    """Each job finds itself due a year from now, or a year ago; it runs, once, and again."""
    scheduler = SteadyScheduler(timedelta(seconds=1))
    ran: list[str] = []

    def run(name: str) -> None:
        ran.append(name)
        if ran.count("poll") == 2:
            end(scheduler)

    every_second = IntervalTrigger(seconds=1, start_date=EPOCH)
    poll = scheduler.add_job(run, every_second, ["poll"], coalesce=True, misfire_grace_time=None)
    once = DateTrigger(datetime.now(UTC) + jump)
    scheduler.add_job(run, once, ["look"], misfire_grace_time=None)
    poll.modify(next_run_time=datetime.now(UTC) + jump)
    scheduler.start()
    assert (ran.count("poll"), ran.count("look")) == (2, 1)


def test_a_clock_before_the_beginning_of_all_polls() -> None:
    """What is to begin in years begins now: a machine may boot in 1970."""
    scheduler = SteadyScheduler(timedelta(seconds=1))
    begins = IntervalTrigger(seconds=1, start_date=datetime.now(UTC) + YEARS)
    scheduler.add_job(lambda: end(scheduler), begins)
    scheduler.start()
    assert not scheduler.running
