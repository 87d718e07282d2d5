"""`kill -9` of the agent at any instant, on real parts, while somebody writes.

Whatever happens, the next start ends with the old release or the new one, healthy and with its
data, or HELD: never with a mixture. `KOPROGO_KILLS=50` kills more often at random instants and
takes each boundary by itself as well; `make crash` does that.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import pytest

from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.requests import Requests
from tests.instance import Instance
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.scenes import installed, writer
from tests.witness import Witness

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("KOPROGO_KILLS", "5"))
AT_LENGTH = "KOPROGO_KILLS" in os.environ
SEED = 20_261_123
# What is broken shows by its restarts: patience costs nothing, and a busy machine needs it.
GATE = {"samples": 2, "interval": 0.5, "deadline": 120, "max_deadline": 200}

FORWARD = (
    *(Step.STAGE, Step.BUDGET, Step.PULL, Step.BACKUP, Step.REHEARSE),
    *(Step.HOLD, Step.POINT, Step.SWITCH, Step.GATE, Step.RELEASE),
    *(Step.COMMIT, Step.SOAK, Step.TIDY),
)
BACK = ("hold", "undo point", "undo switch", "undo gate", "undo release", "undo pull")
CLEANING = ("undo stage", "tidy")


def boundaries(course: str, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The instants before and after each action."""
    return tuple(f"{course} {when} {one}" for one in actions for when in ("before", "after"))


def rounds(instants: tuple[str, ...]) -> list[tuple[str, ...]]:
    """One operation that is killed at every instant in turn; at length, one each besides."""
    return [instants, *((one,) for one in instants)] if AT_LENGTH else [instants]


@pytest.fixture(scope="module")
def crashing(lab: Lab) -> Instance:
    """A stack that was brought up by hand and adopted."""
    lab.install(lab.publisher.publish(Kind.GOOD))
    instance = Instance.create(lab, gate=GATE, rehearsal={"when": "never"})
    with instance.engine() as engine:
        assert engine.tick() is None
    return instance


@pytest.fixture
def witness(crashing: Instance) -> Iterator[Witness]:
    """Somebody who writes from now on, and knows what was there."""
    stack = crashing.lab.stack
    with writer(stack) as client:
        yield Witness(crashing, client, stack.containers()["postgres"])


@pytest.mark.parametrize("instants", rounds(boundaries("forward", FORWARD)), ids=len)
def test_an_update_survives_a_kill_at_every_boundary(
    witness: Witness, instants: tuple[str, ...]
) -> None:
    """With schema change and rehearsal: killed in turn before and after each of its steps."""
    witness.instance = witness.instance.changed(gate=GATE)
    release = witness.publish(Kind.GOOD_WITH_MIGRATION)
    for instant in instants:
        witness.killed_at(instant)
    witness.recover()
    runs = witness.check()
    if AT_LENGTH and len(instants) == 1:
        return
    with witness.instance.engine() as engine:
        last = engine.journal.past(1)[0]
    assert last.operation.state.plan.steps == FORWARD
    assert (runs, last.outcome) == (release.tag, Outcome.COMMITTED)
    witness.check_nothing_is_left()


@pytest.mark.parametrize("instants", rounds(boundaries("back", (*BACK, *CLEANING))), ids=len)
def test_a_rollback_survives_a_kill_at_every_boundary(
    witness: Witness, instants: tuple[str, ...]
) -> None:
    """Image and data go back as a pair, killed in turn before and after each step back."""
    was = installed(witness.instance)
    witness.publish(Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)
    for instant in instants:
        witness.killed_at(instant)
    witness.recover()
    assert witness.check() == was
    with witness.instance.engine() as engine:
        last = engine.journal.past(1)[0]
    assert tuple(map(str, last.operation.state.actions)) == (*BACK, *CLEANING)
    assert last.outcome is Outcome.ROLLED_BACK
    witness.check_nothing_is_left()


def test_kills_at_random_instants(witness: Witness) -> None:
    """Seeded, so that a failure comes again; now and then the recovery is killed as well."""
    dice = random.Random(SEED)
    kinds = (Kind.GOOD_WITH_MIGRATION, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, Kind.GOOD)
    killed = number = 0
    while killed < KILLS:
        kind = kinds[number % len(kinds)]
        number += 1
        witness.publish(kind)
        killed += witness.killed_within("update", dice.uniform(0.2, 8.0))
        while dice.random() < 0.3:
            killed += witness.killed_within("tick", dice.uniform(0.1, 5.0))
        witness.recover()
        if witness.check() is None:
            with witness.instance.engine() as engine:
                Requests(engine).resume()
            witness.recover()
            assert witness.check() is not None
    # What was postponed keeps its images for the next try, until something newer is here.
    newest = witness.publish(Kind.GOOD)
    witness.act("update")
    assert witness.check() == newest.tag
    witness.check_nothing_is_left()
    sys.stdout.write(f"{killed} kills in {number} operations: {sorted(witness.ends)}\n")
