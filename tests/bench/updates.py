"""Updates without schema change, against plain Compose on a stack of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Figure, middle, spread
from tests.bench.site import PADDING_FILES, SHIPPED_GATE, Agent, Site, Update
from tests.lab.recipes import Kind

TIMES_COMPOSE = 1.3
GIT_LIMIT_KB = 300


def measure(site: Site, rounds: int, first_cost: int) -> Iterator[Figure]:
    """Agent and Compose in turn, so that whatever else the machine does strikes both."""
    kept, plain = [], []
    with Agent(site.kept) as agent:
        for _ in range(rounds):
            kept.append(site.by_agent(agent))
            plain.append(site.by_compose())
    yield from _times(kept, plain)
    yield _unavailable(kept, plain)
    costs = [one.git_bytes / 1000 for one in kept]
    yield Figure(
        f"git: one release of a repository of {PADDING_FILES} files",
        max(costs),
        "KB",
        floor=site.clone_bytes() / 1000,
        limit=GIT_LIMIT_KB,
        beside=f"the most of {rounds}; the very first: {first_cost / 1000:.0f} KB;"
        " floor: git clone --depth 1",
    )


def _times(kept: list[Update], plain: list[Update]) -> Iterator[Figure]:
    took = [one.seconds for one in kept]
    floor = middle([one.seconds for one in plain])
    yield Figure(
        "update, no schema change: tag visible to commit",
        middle(took),
        "s",
        floor=floor,
        times_floor=TIMES_COMPOSE,
        beside=f"floor: compose pull && up -d --wait; {spread(took, 's')}",
    )
    waits = (SHIPPED_GATE["samples"] - 1) * SHIPPED_GATE["interval"]
    gate = middle([one.steps["gate"] for one in kept])
    yield Figure(
        "  the same without the gate's pauses",
        middle(took) - waits,
        "s",
        floor=floor,
        beside=f"3 samples 2 s apart are {waits:.0f} s of waiting; the step gate is {gate:.1f} s",
    )


def _unavailable(kept: list[Update], plain: list[Update]) -> Figure:
    lost = [one.tally.unavailable for one in kept]
    return Figure(
        "  unavailable meanwhile, seen at 50 requests/s",
        middle(lost),
        "s",
        floor=middle([one.tally.unavailable for one in plain]),
        times_floor=1.0,
        beside=f"floor: the same compose; {spread(lost, 's')}",
    )


def measure_patient(site: Site) -> Iterator[Figure]:
    """The same where healthchecks come as seldom as KoproGo's own: every 30 s."""
    site.look_every("30s")
    with Agent(site.kept) as agent:
        kept, plain = site.by_agent(agent), site.by_compose()
        held = site.by_agent(agent, Kind.GOOD_WITH_MIGRATION)
    yield Figure(
        "  the same with KoproGo's own healthchecks, every 30 s",
        kept.seconds,
        "s",
        floor=plain.seconds,
        beside="one run; Compose exchanges the frontend only when the new backend is healthy",
    )
    yield Figure(
        "  unavailable with them, update with schema change",
        held.tally.unavailable,
        "s",
        beside="one run; the agent runs the healthchecks itself while users wait",
    )
    site.look_every("1s")
