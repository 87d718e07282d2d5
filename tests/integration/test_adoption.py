"""Adoption on real parts: a stack that somebody brought up by hand comes into the agent's care."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.deployment import UNKNOWN
from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.requests import Requests
from koprogo_agent.wiring import JOURNAL
from tests.instance import Instance
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.releases import Release
from tests.lab.stack import BASE_FILE, ONE_SHOT, QUICK
from tests.scenes import bring, installed, lives, remove_stack, watch, writer

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
UNNAMED = Path(BASE_FILE).parent.name
"""The project's name where nobody chose one."""
CHANGED = {"backend", "frontend"}
"""What the releases of these tests change."""
RUN_AGAIN = {*CHANGED, ONE_SHOT}
"""The one-shot has ended before; it runs again in the same container."""


def by_hand(lab: Lab, release: Release, image_tag: str = "") -> Instance:
    """The stack runs a release, brought up by plain Compose; the agent has never run."""
    remove_stack(lab)
    lab.install(release)
    if image_tag:
        lab.stack.write_env(image_tag)
    return Instance.create(lab, rehearsal={"when": "never"}, backup={"before_update": False})


def test_a_running_stack_is_adopted_updated_and_taken_back_to(lab: Lab) -> None:
    """Adopting restarts nothing; each way from there touches only what it changes."""
    first = lab.publisher.publish(Kind.GOOD)
    instance = by_hand(lab, first)

    adopted = watch(instance)
    assert adopted.ran is None
    assert adopted.restarted == set()
    assert adopted.tally.failed == 0
    assert installed(instance) == first.tag
    with instance.engine() as engine:
        assert engine.journal.floor is not None
        assert engine.journal.floor.version == first.version
        assert [event.name for event in engine.journal.events(1)] == ["stack.adopted"]
        assert engine.drift() == ()

    failed, taken_back = bring(instance, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)
    assert taken_back.outcome is Outcome.ROLLED_BACK
    assert taken_back.replaced <= CHANGED
    assert taken_back.restarted <= RUN_AGAIN
    assert lab.stack.applied() == list(first.migrations)
    assert installed(instance) == first.tag != failed.tag

    second, updated = bring(instance, Kind.GOOD)
    assert updated.outcome is Outcome.COMMITTED
    assert updated.replaced == CHANGED
    assert updated.restarted <= RUN_AGAIN
    assert installed(instance) == second.tag

    before = lives(lab.stack)
    with writer(lab.stack), instance.engine() as engine:
        assert Requests(engine).rollback().outcome is Outcome.COMMITTED
        assert engine.drift() == ()
        assert engine.tick() is None
    after = lives(lab.stack)
    assert {name for name in before if before[name] != after[name]} <= RUN_AGAIN
    assert installed(instance) == first.tag

    third, changed = bring(instance, Kind.GOOD_WITH_MIGRATION)
    assert changed.outcome is Outcome.COMMITTED
    assert changed.replaced == CHANGED
    assert changed.restarted <= RUN_AGAIN
    assert lab.stack.applied() == list(third.migrations)


def test_a_release_is_known_by_its_digests(lab: Lab) -> None:
    """The operator's tag names no release; the images do."""
    release = lab.publisher.publish(Kind.GOOD)
    instance = by_hand(lab, release)
    lab.stack.write_env("stable")
    adopted = watch(instance)
    assert adopted.ran is None
    assert adopted.restarted == set()
    assert installed(instance) == release.tag


def test_a_stack_of_no_known_release_is_adopted_and_updated(lab: Lab) -> None:
    """What runs is nobody's release: it is kept as it is, and gone back to when an update fails."""
    base = lab.publisher.publish(Kind.GOOD)
    own_build = Release(lab.publisher.draft(Kind.GOOD), tag_object="")
    instance = by_hand(lab, own_build)
    # Older than what runs, for all that anybody knows: the operator decides about the first step.
    waiting = instance.changed(policy={"automatic": False})
    adopted = watch(waiting)
    assert adopted.ran is None
    assert adopted.restarted == set()
    assert installed(waiting) == UNKNOWN
    with waiting.engine() as engine:
        assert engine.journal.floor is None
        assert engine.standing.pending.reasons[0][:2] == (base.tag, "manual")

    _, taken_back = bring(instance, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)
    assert taken_back.outcome is Outcome.ROLLED_BACK
    assert taken_back.replaced <= CHANGED
    assert taken_back.restarted <= RUN_AGAIN
    assert installed(instance) == UNKNOWN
    assert lab.stack.applied() == list(own_build.migrations)

    release, updated = bring(instance, Kind.GOOD_WITH_MIGRATION)
    assert updated.outcome is Outcome.COMMITTED
    assert updated.replaced == CHANGED
    assert updated.restarted <= RUN_AGAIN
    assert installed(instance) == release.tag


def truncated(content: bytearray) -> None:
    """Half of it is gone."""
    del content[len(content) // 2 :]


def bits_flipped(content: bytearray) -> None:
    """One bit in each of many places is wrong."""
    dice = random.Random(2)
    for _ in range(200):
        content[dice.randrange(100, len(content))] ^= 1 << dice.randrange(8)


def header_lost(content: bytearray) -> None:
    """It does not even look like a database."""
    content[:100] = bytes(100)


@pytest.fixture(scope="module")
def updated(lab: Lab) -> Instance:
    """A stack that the agent has adopted and then brought to another release."""
    instance = by_hand(lab, lab.publisher.publish(Kind.GOOD))
    assert watch(instance).ran is None
    assert bring(instance, Kind.GOOD_WITH_MIGRATION)[1].outcome is Outcome.COMMITTED
    return instance


@pytest.mark.parametrize("harm", [truncated, bits_flipped, header_lost])
def test_a_corrupt_journal_is_made_anew(
    updated: Instance, harm: Callable[[bytearray], None]
) -> None:
    """It is kept as evidence; the labels on the containers say what runs; nothing is restarted."""
    journal = updated.settings.state.directory / JOURNAL
    was = installed(updated)
    _damage(journal, harm)
    beside = set(journal.parent.glob(f"{JOURNAL}.corrupt-*"))

    rebuilt = watch(updated)
    assert rebuilt.ran is None
    assert rebuilt.restarted == set()
    assert rebuilt.tally.failed == 0
    assert installed(updated) == was
    assert set(journal.parent.glob(f"{JOURNAL}.corrupt-*")) > beside

    _, next_one = bring(updated, Kind.GOOD)
    assert next_one.outcome is Outcome.COMMITTED
    assert next_one.restarted <= RUN_AGAIN


def test_a_journal_lost_during_a_hold_leaves_no_stack_down(updated: Instance) -> None:
    """Killed and damaged at once: what was stopped runs again, and the update is done anew.

    The copy of the database that was made stays: it might be the only good one. The doctor tells.
    """
    stack = updated.lab.stack
    patient = updated.changed(backup={"before_update": False}, rehearsal={"when": "never"})
    with writer(stack):
        release = updated.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
        command = [sys.executable, "-m", "tests.crashing", "update", "forward after point"]
        killed = subprocess.run(command, cwd=ROOT, env=patient.environment, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert stack.state("backend")["Status"] == "exited"
        _damage(updated.settings.state.directory / JOURNAL, truncated)
        with patient.engine() as engine:
            adopted = engine.look()
            assert adopted.choice.candidate is not None
            assert stack.state("backend")["Running"]
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED
    assert installed(patient) == release.tag
    assert stack.applied() == list(release.migrations)
    copy = stack.psql("SELECT datname FROM pg_database WHERE datname LIKE 'koprogo_agent%'")
    said = patient.type("doctor")
    assert said.returncode == Exit.DONE
    assert f"exec postgres dropdb -U koprogo {copy}" in said.stdout


def _damage(path: Path, harm: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    harm(content)
    path.write_bytes(content)


@pytest.fixture
def unnamed() -> Iterator[Lab]:
    """A lab whose operator starts the stack without `-p`; the name is not unique on an engine."""
    with Engine(own=True) as engine, Lab(engine, settings=QUICK, project=UNNAMED) as lab:
        yield lab


def test_a_stack_started_without_a_project_name_is_adopted_and_updated(unnamed: Lab) -> None:
    """Compose calls it after the folder of the first file, as it does KoproGo's."""
    first = unnamed.publisher.publish(Kind.GOOD)
    unnamed.install(first)
    assert f"IMAGE_TAG={first.version}\n" in unnamed.stack.env_file.read_text()
    instance = Instance.create(
        unnamed, rehearsal={"when": "never"}, backup={"before_update": False}
    )
    adopted = watch(instance)
    assert adopted.ran is None
    assert adopted.restarted == set()
    assert installed(instance) == first.tag

    second, updated = bring(instance, Kind.GOOD_WITH_MIGRATION)
    assert updated.outcome is Outcome.COMMITTED
    assert updated.replaced == CHANGED
    assert installed(instance) == second.tag
