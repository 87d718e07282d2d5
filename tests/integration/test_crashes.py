"""`kill -9` of the agent at any instant, on real parts, while somebody writes.

Whatever happens, the next start ends with the old release or the new one, healthy and with its
data, or HELD: never with a mixture. `KOPROGO_KILLS=50` kills more often at random instants and
takes each boundary by itself as well; `make crash` does that.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.requests import Requests
from tests.crashing import BEGUN
from tests.instance import Instance
from tests.lab.client import Client
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.releases import Release
from tests.scenes import installed, writer

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("KOPROGO_KILLS", "5"))
AT_LENGTH = "KOPROGO_KILLS" in os.environ
SEED = 20_261_123
ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 300.0
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


@dataclass
class Witness:
    """Watches a stack over many crashes.

    Attributes:
        instance: whose agent crashes.
        client: somebody who writes throughout.
        database: id of the database's container; it must never change.
        ends: how the operations ended.
    """

    instance: Instance
    client: Client
    database: str
    ends: list[str] = field(default_factory=list)

    def start(self, verb: str, instant: str = "") -> subprocess.Popen[str]:
        """An agent in a process of its own, at work."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashing", verb, instant],
            cwd=ROOT,
            env=self.instance.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        heard = ""
        while not heard.endswith(f"{BEGUN}\n"):
            line = process.stdout.readline()
            assert line, f"it did not even begin: {heard}"
            heard += line
        return process

    def killed_at(self, instant: str) -> None:
        """Runs an agent that does not outlive the instant."""
        said, _ = (process := self.start("update", instant)).communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == -signal.SIGKILL, f"not killed {instant}: {said}"

    def killed_within(self, verb: str, seconds: float) -> bool:
        """Kills an agent after so many seconds; tells whether it was still at work."""
        process = self.start(verb)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        assert process.returncode == 0, said
        return False

    def recover(self) -> None:
        """The next start, which nobody disturbs."""
        self.act("tick")

    def act(self, verb: str) -> None:
        """Lets an agent do something to its end."""
        said, _ = (process := self.start(verb)).communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 0, said

    def check(self) -> str | None:
        """Nothing is mixed, lost or left; gives the installed release unless all is HELD."""
        stack = self.instance.lab.stack
        assert stack.containers()["postgres"] == self.database
        assert self.client.lost(stack) == frozenset()
        with self.instance.engine() as engine:
            assert engine.journal.live() is None
            self.ends.append(str(engine.journal.past(1)[0].outcome))
            if engine.standing.held is not None:
                return None
            deployment = engine.journal.installed
            assert deployment is not None
            containers = engine.world.stack.containers(stack.name)
            assert {one.service: one.image for one in containers} == {
                name: pin.image for name, pin in deployment.pins.items()
            }
            assert engine.drift() == ()
        assert stack.applied() == list(self._release(deployment.tag).migrations)
        assert stack.state("backend")["Health"]["Status"] == "healthy"  # type: ignore[index]
        return deployment.tag

    def check_nothing_is_left(self) -> None:
        """No scratch database, rehearsal, one-off, half a file, or image that nobody needs."""
        lab, stack = self.instance.lab, self.instance.lab.stack
        names = stack.psql("SELECT datname FROM pg_database WHERE NOT datistemplate")
        assert set(names.splitlines()) == {"koprogo_db", "postgres"}
        with self.instance.engine() as engine:
            kept = [one for one in (engine.journal.installed, engine.journal.previous) if one]
            assert set(engine.world.files.releases()) <= {one.tag for one in kept}
        client = lab.engine.client()
        try:
            mine = [one.name or "" for one in client.containers.list(all=True)]
            images = client.images.list(f"{lab.registry.address}/koprogo/backend")
        finally:
            client.close()
        assert len([name for name in mine if name.startswith(lab.name)]) == len(stack.containers())
        assert len(images) <= len(kept) + 1  # the first one was not brought by the agent
        assert list(self.instance.root.rglob("*.partial")) == []

    def publish(self, kind: Kind) -> Release:
        """A release comes out."""
        return self.instance.lab.publisher.publish(kind)

    def _release(self, tag: str) -> Release:
        return next(one for one in self.instance.lab.publisher.releases if one.tag == tag)


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
