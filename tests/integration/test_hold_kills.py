"""`kill -9` of the agent at random instants of the hold, on real parts, while users ask all along.

No request may fail, none may wait longer than the hold's limit and a restart of the agent, no row
may be lost and no write executed twice. The agent starts again as systemd starts it.

Health checks are quick here: what users wait for is bounded by the hold, in which the agent runs
the checks of what it started itself. `test_hold.py` has KoproGo's own, which come every 30 s.
The limit of the hold is longer than the default: a machine that tests share is slow, the agent is
killed up to three times in one hold, and a request that gets the page would count as failed. What
is printed says how long they waited.

`KOPROGO_KILLS=100` kills more often; `make crash` does that.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.instance import Instance
from tests.lab.client import Client
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.witness import LONGEST_SECONDS, Kill, Witness

pytestmark = [pytest.mark.real, pytest.mark.timeout(3 * 3600)]

KILLS = int(os.environ.get("KOPROGO_KILLS", "3"))
SEED = int(os.environ.get("KOPROGO_SEED", "20261130"))
GATE = {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 90}
RESTART = 3.0
"""Seconds after which systemd starts the agent again (`RestartSec`)."""
STARTED = 5.0
"""Seconds that the agent's own start may take besides, on a busy machine."""
LIMIT = 120
MOST_KILLS = 3
"""In one hold."""
CONNECTIONS = 6
"""Of the client: more would open more to the database than it grants."""

KINDS = (
    Kind.GOOD_WITH_MIGRATION,
    Kind.GOOD,
    Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION,
    Kind.BROKEN_IN_PRODUCTION,
)
"""What is published in turn."""


@dataclass
class Campaign:
    """Updates in a row, each of them killed in its hold.

    Attributes:
        dice: chooses the instants.
        lasts: kind -> seconds from before the hold to after it, as far as known: within these the
            instants are chosen.
        kills: those that met an agent at work.
    """

    witness: Witness
    dice: random.Random
    lasts: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 12.0))
    kills: list[Kill] = field(default_factory=list)

    def update(self, kind: Kind) -> None:
        """Publishes a release, kills the agent in its hold, and lets it carry on."""
        witness, began = self.witness, time.monotonic()
        release = witness.publish(kind)
        seconds = self.dice.uniform(0.0, self.lasts[kind])
        kills = [witness.killed_after("update", seconds, "forward before backup")]
        if not kills[0].killed:
            self.lasts[kind] = kills[0].seconds
        while kills[-1].killed:
            # The time of systemd is no waiting for an event: nothing happens in it.
            time.sleep(RESTART)
            once_more = len(kills) < MOST_KILLS and self.dice.random() < 0.5
            again = self.dice.uniform(0.0, 12.0) if once_more else LONGEST_SECONDS
            kills.append(witness.killed_after("tick", again))
        self.kills += [one for one in kills if one.killed]
        runs = witness.check()
        assert runs is not None, "the agent asks for a person"
        self._check_users(began, [*map(_words, kills)], f"{release.tag} {kind}", runs)

    def _check_users(self, began: float, kills: list[str], what: str, runs: str) -> None:
        tally = self.witness.client.tally()
        mine = tally.since(began)
        bad = [(s.status, round(s.started - began, 1)) for s in mine.samples if not s.ok]
        limit = self.witness.instance.settings.hold.limit
        sys.stdout.write(
            f"{len(self.kills):3d} kills; {what}: killed {'; '.join(kills)};"
            f" {self.witness.ends[-1]}, {runs} runs;"
            f" {mine.failed} of {mine.requests} failed, longest wait {mine.longest_held:.1f} s,"
            f" {time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.flush()
        assert not bad, bad
        assert not tally.repeated
        assert mine.longest_held <= limit + RESTART + STARTED


def _words(kill: Kill) -> str:
    return f"after {kill.seconds:.1f} s, {kill.instant}" if kill.killed else "not"


@pytest.fixture(scope="module")
def killed(lab: Lab) -> Instance:
    """A stack that was brought up by hand and adopted."""
    lab.install(lab.publisher.publish(Kind.GOOD))
    instance = Instance.create(lab, gate=GATE, rehearsal={"when": "never"}, hold={"limit": LIMIT})
    with instance.engine() as engine:
        assert engine.tick() is None
    return instance


@pytest.fixture
def campaign(killed: Instance) -> Iterator[Campaign]:
    """Users who ask from now on."""
    stack = killed.lab.stack
    with Client(stack, rate=25, writes=0.3, connections=CONNECTIONS, timeout=2 * LIMIT) as client:
        witness = Witness(killed, client, stack.containers()["postgres"])
        yield Campaign(witness, random.Random(SEED))
    assert client.lost(stack) == frozenset()
    assert client.tally().failed == 0


def test_kills_at_random_instants_of_the_hold(campaign: Campaign) -> None:
    """Good releases without and with schema change, and bad ones, until there were enough kills."""
    number = 0
    while len(campaign.kills) < KILLS:
        campaign.update(KINDS[number % len(KINDS)])
        number += 1
    witness = campaign.witness
    newest = witness.publish(Kind.GOOD)
    witness.act("update")
    assert witness.check() == newest.tag
    witness.check_nothing_is_left()
    tally, instants = witness.client.tally(), Counter(one.instant for one in campaign.kills)
    sys.stdout.write(
        f"{len(campaign.kills)} kills in {number} updates: {tally.failed} of {tally.requests}"
        f" requests failed, {len(tally.acknowledged)} rows kept,"
        f" longest wait {tally.longest_held:.1f} s; instants: {dict(instants)}\n"
    )
