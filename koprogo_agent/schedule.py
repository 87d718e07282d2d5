"""A schedule that survives a wrong clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.executors.debug import DebugExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.blocking import BlockingScheduler


class SteadyScheduler(BlockingScheduler):  # type: ignore[misc] # APScheduler 3 is not typed
    """Runs jobs in the thread that starts it, none of them later than within its longest pause.

    APScheduler keeps the instant of the wall clock at which a job is due. A machine that booted
    ten years ahead, and then asked for the time, would have it sleep for ten years; one that
    booted ten years behind would have it count every run that it had missed.
    """

    def __init__(self, longest: timedelta) -> None:
        """`longest` is the longest pause between two runs of any job."""
        # All of the agent runs in one thread: the journal allows no other, and one job at a time
        # needs no pool of threads.
        super().__init__(executors={"default": DebugExecutor()}, timezone=UTC)
        self._longest = longest

    def _process_jobs(self) -> float | None:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if abs(job.next_run_time - now) > self._longest:
                job.modify(next_run_time=self._soon(job, now))
        try:
            wait: float | None = super()._process_jobs()
        except JobLookupError:
            # Stopped from within a job that runs once: it is not looked for where it still is.
            if self.running:
                raise
            return None
        return wait

    def _soon(self, job: Job, now: datetime) -> datetime:
        """When the job's own rule has it run next, unless that is not soon."""
        due: datetime | None = job.trigger.get_next_fire_time(None, now)
        return now if due is None else min(max(due, now), now + self._longest)
