"""What surrounds the agent fails: each fault has its code and its exit code, and costs nothing.

One stack goes through all of it; every test begins on a healthy stack and leaves one behind.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import docker
import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import RetryLater
from koprogo_agent.wiring import open_agent
from tests.instance import Instance, Seen
from tests.lab.front import Endless, Fault, Refuse, Silent, Slow, WrongCertificate
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.lab.stack import ONE_SHOT
from tests.scenes import Watched, bring, installed, lives, watch, writer

pytestmark = pytest.mark.real

LEAN: Mapping[str, Mapping[str, Any]] = {
    "gate": {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 120},
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}


@pytest.fixture(scope="module")
def lean(instance: Instance) -> Instance:
    """It leaves out what others prove."""
    return instance.changed(**LEAN)


@contextmanager
def engine_of(lab: Lab) -> Iterator[docker.DockerClient]:
    """What an operator types at `docker`."""
    client = lab.engine.client()
    try:
        yield client
    finally:
        client.close()


def nothing_changed(watched: Watched) -> bool:
    """No container was touched, and not one request failed."""
    return watched.restarted == set() and watched.tally.failed == 0


# --- the source


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refuse(500), "source.unreachable"),
        (Refuse(404), "source.denied"),
        (Refuse(429, retry_after="120"), "source.rate_limited"),
        (Slow(20), "source.slow"),
        (Silent(), "source.slow"),
        (Endless(), "source.slow"),
        (WrongCertificate(), "source.certificate"),
    ],
    ids=str,
)
def test_a_source_that_fails_is_asked_again_later(lean: Instance, fault: Fault, code: str) -> None:
    """The verb says so and exits 75; the state knows since when; nothing else happens."""
    patience = 4 if isinstance(fault, Slow | Silent | Endless) else 30
    impatient = lean.changed(source={"timeout": patience}, **LEAN)
    before = lives(lean.lab.stack)
    lean.lab.origin.front.fail(fault)
    try:
        said = impatient.type("check")
        status = impatient.type("status", "--json")
    finally:
        # A front that is held up in an answer ends with its server.
        lean.lab.origin.front.stop()
        lean.lab.origin.front.heal()
        lean.lab.origin.front.start()
    assert said.returncode == Exit.LATER, said.stderr
    assert lean.settings.source.url in said.stderr
    assert f'"code": "{code}"' in status.stdout
    assert lives(lean.lab.stack) == before
    assert lean.type("check").returncode == Exit.DONE
    with lean.engine() as engine:
        assert engine.standing.polls.failing_since is None


# --- the registry


@pytest.mark.parametrize(
    ("fault", "code", "exit_code", "word"),
    [
        (Refuse(401, where="/koprogo/"), "registry.unauthorized", Exit.OPERATOR, "docker login"),
        (Refuse(503, where="/koprogo/"), "registry.unreachable", Exit.LATER, "pull"),
        (Refuse(404, where="/koprogo/"), "registry.image_missing", Exit.LATER, "(yet)"),
        (
            Refuse(429, retry_after="1200", where="/koprogo/"),
            "registry.rate_limited",
            Exit.LATER,
            "limits",
        ),
    ],
    ids=str,
)
def test_a_registry_that_refuses_is_asked_again_later(
    lean: Instance, fault: Refuse, code: str, exit_code: Exit, word: str
) -> None:
    """Nothing has stopped; the release is not blamed; the wait is no shorter than asked for."""
    lab = lean.lab
    before = lives(lab.stack)
    release = lab.publisher.publish(Kind.GOOD)
    began = datetime.now(UTC)
    lab.registry.front.fail(fault)
    try:
        said = lean.type("update")
        asked = len(lab.registry.front.requests)
        assert said.returncode == exit_code, said.stdout + said.stderr
        assert word in said.stdout
        assert f"[{code}]" in said.stdout
        assert lives(lab.stack) == before
        with lean.engine() as engine:
            assert engine.tick() is None
            assert engine.memory.quarantined() == {}
            assert engine.standing.pending.reasons[0][:2] == (release.tag, "backoff")
        assert len(lab.registry.front.requests) == asked
    finally:
        lab.registry.front.heal()
    status = lean.type("why", "--json").stdout
    assert code in status
    if fault.retry_after:
        with lean.engine() as engine:
            waiting = next(iter(engine.journal.get(dict[str, Any], "postponed").values()))  # type: ignore[union-attr]
        until = datetime.fromisoformat(waiting["until"])
        assert until >= began + timedelta(seconds=float(fault.retry_after))
    assert lean.type("update").returncode == Exit.DONE
    assert installed(lean) == release.tag


# --- the database


def test_without_the_database_nothing_is_begun(lean: Instance) -> None:
    """It is down before the update: that is said, and the update is tried again later."""
    lab = lean.lab
    was = installed(lean)
    with writer(lab.stack), engine_of(lab) as engine:
        database = engine.containers.get(f"{lab.name}-postgres")
        release = lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
        database.stop(timeout=10)
        try:
            said = lean.type("update")
            assert said.returncode == Exit.LATER, said.stdout + said.stderr
            assert "[database.down]" in said.stdout
            assert installed(lean) == was
        finally:
            database.start()
        wait_until(lambda: _healthy(lean, "postgres"), 60, "the database")
    assert lean.type("update").returncode == Exit.DONE
    assert installed(lean) == release.tag


@pytest.mark.parametrize(
    "instant",
    [("before", "point"), ("after", "point"), ("before", "gate"), ("before", "release")],
)
def test_a_database_that_dies_in_the_middle(lean: Instance, instant: tuple[str, str]) -> None:
    """Killed during the hold it is started again, and the release comes, with every row."""
    lab = lean.lab
    release = lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    killed: list[str] = []

    def kill(boundary: str, action: str) -> None:
        if (boundary, action) == instant and not killed:
            killed.append(action)
            with engine_of(lab) as engine:
                engine.containers.get(f"{lab.name}-postgres").kill()

    with writer(lab.stack), lean.engine(Seen(at=kill)) as engine:
        ran = engine.tick()
        assert killed
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED
        assert engine.drift() == ()
    assert installed(lean) == release.tag
    assert lab.stack.applied() == list(release.migrations)


# --- the disk


def test_too_little_disk_is_found_before_anything_is_written(lean: Instance) -> None:
    """What is needed and where is said; once there is room, all is well."""
    small = lean.root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True)
    try:
        cramped = lean.changed(rehearsal={"when": "never"}, backup={"directory": str(small)})
        release = lean.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
        before = lives(lean.lab.stack)
        said = cramped.type("update")
        assert said.returncode == Exit.OPERATOR, said.stdout + said.stderr
        assert "[disk.too_little]" in said.stdout
        assert str(small) in said.stdout
        assert list(small.iterdir()) == []
        assert lives(lean.lab.stack) == before
    finally:
        subprocess.run(["umount", small], check=True)
    assert lean.type("update").returncode == Exit.DONE
    assert installed(lean) == release.tag


# --- the stack


class Flapping:
    """Stops and lets go of the newest container of a service in turn, as long as it exists."""

    def __init__(self, lab: Lab, service: str, times: int) -> None:
        """`times` is how often; what is gone by then is left alone."""
        self._lab, self._service, self._times = lab, service, times
        self._thread = threading.Thread(target=self._flap, daemon=True)

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def end(self) -> None:
        """Until it is over."""
        self._thread.join()

    def _flap(self) -> None:
        with engine_of(self._lab) as engine:
            container = engine.containers.get(f"{self._lab.name}-{self._service}")
            for _ in range(self._times):
                try:
                    container.pause()
                    threading.Event().wait(0.7)
                    container.unpause()
                    threading.Event().wait(0.4)
                except docker.errors.APIError:
                    return


@pytest.mark.parametrize(
    ("times", "outcome"), [(3, Outcome.COMMITTED), (1000, Outcome.ROLLED_BACK)]
)
def test_a_service_that_flaps_is_not_taken_for_healthy(
    lean: Instance, times: int, outcome: Outcome
) -> None:
    """Good looks must come in a row: it passes once it is calm, else it is taken back."""
    was = installed(lean)
    gate = {"samples": 3, "interval": 0.7, "deadline": 12, "max_deadline": 30}
    brief = lean.changed(**{**LEAN, "gate": gate})
    release = lean.lab.publisher.publish(Kind.GOOD)
    flapping = Flapping(lean.lab, "backend", times)

    def begin(boundary: str, action: str) -> None:
        if (boundary, action) == ("before", "gate"):
            flapping.begin()

    with writer(lean.lab.stack), brief.engine(Seen(at=begin)) as engine:
        ran = engine.tick()
        assert ran is not None
        assert ran.outcome is outcome
        flapping.end()
        wait_until(lambda: _healthy(lean, "backend"), 60, "the backend")
        assert engine.drift() == ()
    assert installed(lean) == (release.tag if outcome is Outcome.COMMITTED else was)


def stop_one(instance: Instance) -> None:
    """Somebody stops a service."""
    with engine_of(instance.lab) as engine:
        engine.containers.get(f"{instance.lab.name}-frontend").stop(timeout=2)


def remove_one(instance: Instance) -> None:
    """Somebody removes a container."""
    with engine_of(instance.lab) as engine:
        engine.containers.get(f"{instance.lab.name}-minio").remove(force=True)


def change_one(instance: Instance) -> None:
    """Somebody runs Compose by hand with another value, without the agent's pins."""
    stack = instance.lab.stack
    tag = str(installed(instance)).removeprefix("v")
    by_hand = {"DB_POOL_MAX_CONNECTIONS": "3", "IMAGE_TAG": tag}
    stack.compose(instance.tree, "up", "-d", "--no-deps", "backend", env=by_hand)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (stop_one, "frontend is exited"),
        (remove_one, "minio has no container"),
        (change_one, "backend was made anew"),
    ],
)
def test_what_an_operator_changes_by_hand_is_told_and_healed_if_wanted(
    lean: Instance, edit: Callable[[Instance], None], word: str
) -> None:
    """With drift = "report" it is told, once; with "heal" it, and only it, is put right."""
    before = lives(lean.lab.stack)
    edit(lean)
    reporting = lean.changed(policy={"drift": "report"}, **LEAN)
    with reporting.engine() as engine:
        assert engine.tick() is None
        drift = engine.standing.drift
        assert drift is not None
        assert any(one.startswith(word) for one in drift.differences)
        assert engine.tick() is None
        assert engine.standing.drift == drift
    assert word in lean.type("status").stdout

    healing = lean.changed(policy={"drift": "heal"}, **LEAN)
    with healing.engine() as engine:
        ran = engine.tick()
        assert ran is not None
        assert (ran.operation.kind, ran.outcome) == ("heal", Outcome.COMMITTED)
        assert engine.drift() == ()
        assert engine.tick() is None
        assert engine.standing.drift is None
    after = lives(lean.lab.stack)
    mended = {word.partition(" ")[0], ONE_SHOT}
    assert {name for name in before if before[name] != after.get(name)} <= mended


# --- the source's contents


def test_a_force_push_of_the_branch_is_harmless(lean: Instance) -> None:
    """Only tags are looked at: another history of the branch changes nothing, and no release."""
    repository = lean.lab.origin.repository
    orphan = repository.commit(
        repository.tree({"README.md": b"other\n"}), [], "Anew", 1_800_000_000
    )
    repository.point("refs/heads/main", orphan)
    idle = watch(lean)
    assert idle.ran is None
    assert nothing_changed(idle)
    release, updated = bring(lean, Kind.GOOD)
    assert updated.outcome is Outcome.COMMITTED
    assert installed(lean) == release.tag


# --- another agent


def test_a_second_agent_does_not_act(lean: Instance) -> None:
    """It says who is at work and exits 75; reading is free."""
    with open_agent(lean.settings, Seen(), lambda: False) as agent, agent.lock():
        said = lean.type("update")
        assert said.returncode == Exit.LATER
        assert "another agent is at work (pid" in said.stderr
        assert lean.type("status").returncode == Exit.DONE
        with (
            open_agent(lean.settings, Seen(), lambda: False) as other,
            pytest.raises(RetryLater, match="another agent"),
            other.lock(),
        ):
            pass
    assert lean.type("update").returncode == Exit.DONE


def _healthy(instance: Instance, service: str) -> bool:
    state: Any = instance.lab.stack.state(service)
    return state["Running"] and not state["Paused"] and state["Health"]["Status"] == "healthy"
