"""What data costs before anything stops: backup and rehearsal."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Figure
from tests.bench.floors import amount, grow
from tests.bench.site import SHIPPED_GATE, Agent, Site


def measure_precautions(site: Site, megabytes: int) -> Iterator[Figure]:
    """What backup and rehearsal add with so much data; all of it before anything stops."""
    grow(site.stack, megabytes)
    with Agent(site.kept.changed(gate=SHIPPED_GATE)) as agent:
        update = site.by_agent(agent)
    dumped, rehearsed = update.steps["backup"], update.steps["rehearse"]
    yield Figure(
        f"backup and rehearsal add, {amount(site.stack)} of data",
        dumped + rehearsed,
        "s",
        beside=f"backup {dumped:.1f} s, rehearsal {rehearsed:.1f} s; nothing has stopped yet;"
        f" {update.tally.failed} of {update.tally.requests:,} requests failed in that update",
    )
