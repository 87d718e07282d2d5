"""What users met in updates of one kind: the samples of each are summed up, not kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.bench.figure import Figure
from tests.bench.site import Update, Users


@dataclass(frozen=True)
class Count:
    """What users met in one update, or in several together.

    Attributes:
        sent: requests.
        failed: those that were not answered as they should have been.
        lost: acknowledged rows that the database does not hold.
        repeated: writes that were executed twice.
        p99: seconds within which 99 of 100 were answered, of the worst update.
        longest: the longest that a request took, in seconds.
        failing: seconds for which requests failed, of the worst update.
        rate: requests a second, of the slowest update.
        misjudged: seconds between the wait that the agent told and the one that was counted.
        answers: what the failed ones were answered, `429: 3`; 0 stands for no answer.
        restarts: times that the ingress was started anew meanwhile: the kernel kills Traefik where
            its memory is too little, and every connection with it.
        unlike: updates that did not end as they should have.
        updates: how many there were.
    """

    sent: int
    failed: int
    lost: int
    repeated: int
    p99: float
    longest: float
    failing: float
    rate: float
    misjudged: float
    unlike: int
    answers: Counter[int]
    restarts: int
    updates: int = 1


def count(update: Update, outcome: str = "committed") -> Count:
    """Sums up one update, which should have ended so."""
    tally, told = update.tally, _told(update)
    return Count(
        sent=tally.requests,
        failed=tally.failed,
        lost=update.lost,
        repeated=len(tally.repeated),
        p99=tally.p99,
        longest=tally.longest_wait,
        failing=tally.failing,
        rate=tally.rate,
        misjudged=0.0 if told is None else abs(told - tally.longest_wait),
        unlike=int(update.outcome != outcome),
        answers=Counter(one.status for one in tally.samples if not one.ok),
        restarts=int(update.ingress_restarted),
    )


def together(counts: Iterable[Count]) -> Count:
    """Several updates as one: sums, and the worst of what cannot be summed."""
    all_of_them = list(counts)
    return Count(
        sent=sum(one.sent for one in all_of_them),
        failed=sum(one.failed for one in all_of_them),
        lost=sum(one.lost for one in all_of_them),
        repeated=sum(one.repeated for one in all_of_them),
        p99=max(one.p99 for one in all_of_them),
        longest=max(one.longest for one in all_of_them),
        failing=max(one.failing for one in all_of_them),
        rate=min(one.rate for one in all_of_them),
        misjudged=max(one.misjudged for one in all_of_them),
        unlike=sum(one.unlike for one in all_of_them),
        answers=sum((one.answers for one in all_of_them), Counter()),
        restarts=sum(one.restarts for one in all_of_them),
        updates=sum(one.updates for one in all_of_them),
    )


def failures(title: str, kept: Count, plain: Count | None, users: Users) -> Iterator[Figure]:
    """What must be nought, of updates by the agent; the floor is what plain Compose costs."""
    asked = f"{users.rate:.0f} requests/s asked for, {kept.rate:.0f} reached"
    yield Figure(
        f"{title}, {users.connections} connections: failed requests",
        kept.failed,
        "",
        floor=None if plain is None else plain.failed,
        limit=0,
        beside=f"of {kept.sent:,} in {kept.updates} updates, {asked}"
        + _why(kept)
        + (
            ""
            if plain is None
            else f"; floor: plain Compose, of {plain.sent:,} in {plain.updates},"
            f" outage {plain.failing:.1f} s, longest wait {plain.longest:.1f} s"
        ),
    )
    wrong = kept.lost + kept.repeated + kept.unlike
    yield Figure(
        "  rows lost, writes executed twice, updates that ended otherwise",
        wrong,
        "",
        limit=0,
        beside=f"{kept.lost}, {kept.repeated} and {kept.unlike}",
    )


def _why(kept: Count) -> str:
    """What requests failed with, and whether it was the ingress that fell."""
    answers = ", ".join(f"{status}: {number:,}" for status, number in kept.answers.most_common())
    fallen = f"; the ingress fell in {kept.restarts} of them" if kept.restarts else ""
    return (f"; answered {answers}" if answers else "") + fallen


def _told(update: Update) -> float | None:
    """The wait that the agent has told of, where users waited."""
    for step in ("release", "undo release"):
        if waited := update.facts.get(step, {}).get("waited"):
            return float(waited)
    return None
