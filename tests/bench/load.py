"""Updates while many users are at work: with and without schema change, and one to be taken back.

Floors are measured in the same run: the same users without any update, plain Compose with the same
kind of release, and by hand the parts of a hold that nothing can do faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from koprogo_agent.update.looking import gate_policy
from tests.bench.counts import Count, count, failures, together
from tests.bench.figure import Figure, middle, spread
from tests.bench.floors import Floors, amount, grow, measure_floors
from tests.bench.site import (
    BARE,
    PADDING_FILES,
    SHIPPED_GATE,
    Agent,
    Site,
    Update,
    Users,
    client,
)
from tests.bench.size import Size
from tests.lab.client import Tally
from tests.lab.recipes import Kind
from tests.lab.stack import Stack

FEW, MANY = Users(287, 0.3, 20), Users(287, 0.3, 400)
P99_SECONDS = 0.752
"""What the issue asks for throughout an update without schema change."""
TIMES_COMPOSE = 1.3
WAIT_MARGIN = 1.5
OUTAGE_MARGIN = 5.0
GIT_LIMIT_KB = 300
CALM_SECONDS = 10.0
BROKEN = Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION

Cell = tuple[Kind, Users]


@dataclass
class Seen:
    """What was measured of updates, by kind and users."""

    kept: dict[Cell, list[Count]] = field(default_factory=dict)
    plain: dict[Cell, list[Count]] = field(default_factory=dict)
    seconds: dict[Cell, list[float]] = field(default_factory=dict)
    floors: dict[Cell, list[float]] = field(default_factory=dict)
    steps: dict[Cell, list[dict[str, float]]] = field(default_factory=dict)
    git: list[float] = field(default_factory=list)

    def by_agent(self, cell: Cell, update: Update, outcome: str = "committed") -> None:
        """Notes one by the agent."""
        self.kept.setdefault(cell, []).append(count(update, outcome))
        self.seconds.setdefault(cell, []).append(update.seconds)
        self.steps.setdefault(cell, []).append(dict(update.steps))
        self.git.append(update.git_bytes / 1000)

    def by_compose(self, cell: Cell, update: Update) -> None:
        """Notes one by plain Compose."""
        self.plain.setdefault(cell, []).append(count(update))
        self.floors.setdefault(cell, []).append(update.seconds)


def measure(site: Site, size: Size, first_cost: int) -> Iterator[Figure]:
    """Everything, one kind after the other: what Compose is given, the agent has to pass as well.

    A release with a schema change of the one would make the next one of the other a change too.
    """
    for stack in (site.stack, site.plain):
        grow(stack, size.megabytes)
    yield from _calm(site.stack)
    seen = Seen()
    with Agent(site.kept.changed(**BARE)) as agent:
        for kind in (Kind.GOOD, Kind.GOOD_WITH_MIGRATION):
            for number in range(size.updates // 2):
                users = (FEW, MANY)[number % 2]
                seen.by_agent((kind, users), site.attempt(agent, kind, users))
                if number < 2 * size.plain:
                    seen.by_compose((kind, users), site.by_compose(kind, users))
        floors = measure_floors(site)
        for users in (FEW, MANY):
            broken = site.attempt(agent, BROKEN, users)
            seen.by_agent((BROKEN, users), broken, "rolled_back")
    yield from _of_updates(site, seen, floors)
    yield from _whole(seen, gate_policy(site.kept.settings).settled)
    yield from _careful(site, seen)
    yield Figure(
        f"git: one release of a repository of {PADDING_FILES} files",
        max(seen.git),
        "KB",
        floor=site.clone_bytes() / 1000,
        limit=GIT_LIMIT_KB,
        beside=f"the most of {len(seen.git)}; the very first: {first_cost / 1000:.0f} KB;"
        " floor: git clone --depth 1",
    )


def _calm(stack: Stack) -> Iterator[Figure]:
    """What client, ingress and backend can do while nothing is updated."""
    for users in (FEW, MANY):
        with client(stack, users) as one:
            time.sleep(CALM_SECONDS)
        tally = one.tally()
        yield Figure(
            f"no update, {users.connections} connections: P99",
            tally.p99,
            "s",
            limit=P99_SECONDS,
            beside=f"{users.rate:.0f} requests/s asked for, {tally.rate:.0f} reached,"
            f" {tally.failed} of {tally.requests:,} failed, the slowest {tally.longest_wait:.2f} s",
        )


def _of_updates(site: Site, seen: Seen, floors: Floors) -> Iterator[Figure]:
    for (kind, users), counts in seen.kept.items():
        kept = together(counts)
        compared = seen.plain.get((kind, users))
        plain = together(compared) if compared else None
        yield from failures(_TITLES[kind], kept, plain, users)
        yield from _patience(site, seen, (kind, users), floors)
        if kind is not Kind.GOOD:
            yield Figure(
                "  the wait that the agent tells, against what was counted",
                kept.misjudged,
                "s",
                limit=1.0,
                beside="the worst of all",
            )


def _patience(site: Site, seen: Seen, cell: Cell, floors: Floors) -> Iterator[Figure]:
    """What users waited for, by the bound of its kind."""
    kept = together(seen.kept[cell])
    match cell[0]:
        case Kind.GOOD:
            yield Figure(
                "  P99, of the worst update",
                kept.p99,
                "s",
                limit=P99_SECONDS,
                beside=f"the longest wait of all: {kept.longest:.2f} s",
            )
        case Kind.GOOD_WITH_MIGRATION:
            yield from _waits(site, seen, cell, floors)
        case _:
            # A gate that failed tells no time: the bound is then the stricter one, without it.
            gate = max(one.get("gate", 0.0) for one in seen.steps[cell])
            yield Figure(
                "  outage",
                kept.failing,
                "s",
                limit=gate + OUTAGE_MARGIN,
                beside=f"the longest wait: {kept.longest:.1f} s; limit: gate {gate:.1f} s"
                f" + {OUTAGE_MARGIN:.0f} s; data back in"
                f" {max(one.get('undo point', 0.0) for one in seen.steps[cell]):.2f} s",
            )


def _waits(site: Site, seen: Seen, cell: Cell, floors: Floors) -> Iterator[Figure]:
    """How long requests waited for a schema change, and for how much of it the agent is to blame.

    How long a copy takes differs from one minute to the next, by half of itself on a busy disk. So
    each wait is measured against the copy that it was for, and the copies against one by hand.
    """
    waits = [one.longest for one in seen.kept[cell]]
    points = [one.get("point", 0.0) for one in seen.steps[cell]]
    beyond = [wait - point for wait, point in zip(waits, points, strict=True)]
    steps = ", ".join(
        f"{name} {middle([one.get(name, 0.0) for one in seen.steps[cell]]):.1f}"
        for name in ("hold", "point", "migrate", "switch", "gate", "release")
    )
    yield Figure(
        f"  longest wait, {amount(site.stack)} of data",
        max(waits),
        "s",
        floor=floors.together,
        beside=f"{spread(waits, 's')}; floor: point {floors.point:.2f} + migration"
        f" {floors.migration:.2f} + start of the program {floors.start:.2f}; steps: {steps}",
    )
    yield Figure(
        "  of it beyond its own point + migration + start of the program",
        max(beyond) - floors.migration - floors.start,
        "s",
        limit=WAIT_MARGIN,
        beside="the worst of all",
    )
    yield Figure(
        "  the point",
        middle(points),
        "s",
        floor=floors.point,
        beside=f"{spread(points, 's')}; floor: the copy by hand, while nobody is there",
    )


def _whole(seen: Seen, sampled: float) -> Iterator[Figure]:
    """The whole update, from the tag that can be seen to the end.

    Args:
        seen: what was measured.
        sampled: seconds from the first good sample of the gate to the one that opens it.
    """
    for cell, took in seen.seconds.items():
        if floors := seen.floors.get(cell):
            kind, users = cell
            yield Figure(
                f"{_TITLES[kind]}, {users.connections} connections: tag visible to commit",
                middle(took),
                "s",
                floor=middle(floors),
                beside=f"{spread(took, 's')}; floor: compose pull && up -d --wait;"
                " without backup and rehearsal",
            )
            yield Figure(
                f"  the same without the gate's own sampling time ({sampled:.0f} s)",
                middle(took) - sampled,
                "s",
                floor=middle(floors),
                times_floor=TIMES_COMPOSE if kind is Kind.GOOD else None,
            )


def _careful(site: Site, seen: Seen) -> Iterator[Figure]:
    """The same with backup and rehearsal, as the agent is shipped."""
    with Agent(site.kept.changed(gate=SHIPPED_GATE)) as agent:
        update = site.attempt(agent, Kind.GOOD, FEW)
    dumped, rehearsed = update.steps.get("backup", 0.0), update.steps.get("rehearse", 0.0)
    yield Figure(
        f"the same with backup and rehearsal, {amount(site.stack)} of data",
        update.seconds,
        "s",
        floor=middle(seen.floors[Kind.GOOD, FEW]),
        beside=f"backup {dumped:.1f} s, rehearsal {rehearsed:.1f} s, while nothing has stopped",
    )
    one = count(update)
    yield from failures("  an update without schema change so", one, None, FEW)
    yield Figure("  P99 in it", one.p99, "s", limit=P99_SECONDS, beside=_slowest(update.tally))


def _slowest(tally: Tally) -> str:
    return f"the slowest {tally.slowest:.2f} s"


_TITLES = {
    Kind.GOOD: "update, no schema change",
    Kind.GOOD_WITH_MIGRATION: "update with schema change",
    BROKEN: "broken after its migration, taken back",
}
