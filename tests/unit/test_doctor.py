"""What the doctor finds: each fault with what to do, worst first."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from koprogo_agent.adapters.anchor import TrustDirectory
from koprogo_agent.doctor import agent, machine, source, stack
from koprogo_agent.doctor.examination import examine, is_well
from koprogo_agent.doctor.finding import Check, Finding, Level, Patient
from koprogo_agent.domain.database import (
    Console,
    DatabaseState,
    OpenTransaction,
    Prepared,
    Slot,
)
from koprogo_agent.errors import RetryLater
from koprogo_agent.settings.network import Network
from koprogo_agent.settings.sections import Notify, Source
from koprogo_agent.update.standing import Held, HeldBy
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance

NOW = datetime.now(UTC)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that runs v1.0.0."""
    made = Instance.new(tmp_path)
    made.install()
    return made


@pytest.fixture
def patient(instance: Instance) -> Patient:
    """The machine on which it runs, by the real clock."""
    config = instance.folder / "config.toml"
    config.touch(0o600)
    return Patient(
        settings=instance.settings,
        config=config,
        journal=instance.folder / "state.db",
        world=instance.scene.world(Taps()),
        host=f"unix://{instance.folder}/no-docker.sock",
        now=NOW,
    )


@pytest.fixture
def web() -> Iterator[str]:
    """A web server, which tells the time with every answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/koprogo.git"
        server.shutdown()


def only(check: Check, patient: Patient) -> Finding:
    """The one finding of a check."""
    (found,) = check(patient)
    return found


@pytest.mark.parametrize(
    ("off", "level", "word"),
    [
        (timedelta(minutes=2), Level.GOOD, "from the git server's"),
        (timedelta(minutes=30), Level.FAULT, "30 min ahead of"),
        (timedelta(days=3650), Level.FAULT, "days) ahead of"),
        (timedelta(days=-3650), Level.FAULT, "before this agent was installed"),
    ],
)
def test_a_clock_that_is_wrong(
    patient: Patient, web: str, off: timedelta, level: Level, word: str
) -> None:
    """By minutes or by ten years: everything that trust says of time hangs on it."""
    far = Source(url=web, allow_protocols=("http",))
    settings = patient.settings.model_copy(update={"source": far})
    found = only(machine.clock, replace(patient, settings=settings, now=datetime.now(UTC) + off))
    assert found.level is level
    assert word in found.found
    assert ("timedatectl" in found.advice) is (level is Level.FAULT)


def test_a_source_that_tells_no_time_is_no_fault(patient: Patient) -> None:
    """Whether it can be reached at all is another check's."""
    gone = Source(url="http://127.0.0.1:9/x.git", allow_protocols=("http",))
    settings = patient.settings.model_copy(update={"source": gone})
    assert only(machine.clock, replace(patient, settings=settings)).level is Level.GOOD


def test_folders_that_others_can_get_at(patient: Patient) -> None:
    """Writing is a fault; reading what holds data is a warning."""
    state, backups = patient.settings.state.directory, patient.settings.backup.directory
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    state.chmod(0o755)
    patient.config.chmod(0o666)
    found = {one.what: one for one in machine.folders(patient)}
    assert found["configuration"].level is Level.FAULT
    assert found["configuration"].advice == f"chmod 600 {patient.config}"
    assert found["state"].level is Level.WARNING
    assert found["state"].advice == f"chmod 700 {state}"
    assert found["backups"].level is (Level.GOOD if backups.exists() else Level.WARNING)


def test_the_agents_own_group_may_read_the_configuration(patient: Patient) -> None:
    """So it is where root writes it and a service without rights reads it."""
    ntfy = Notify(urls=(SecretStr("ntfy://topic"),))
    settings = patient.settings.model_copy(update={"notify": ntfy})
    for group, level in ((os.getegid(), Level.GOOD), (os.getegid() + 1, Level.WARNING)):
        os.chown(patient.config, -1, group)
        patient.config.chmod(0o640)
        found = next(iter(machine.folders(replace(patient, settings=settings))))
        assert found.level is level


def test_a_configuration_with_a_password_is_kept_from_others(patient: Patient) -> None:
    """That of a proxy is as secret as an address to notify."""
    keys = {"proxy": "http://h:1", "proxy_user": "ann", "proxy_password": "x"}
    network = Network.model_validate(keys)
    patient.config.chmod(0o644)
    assert next(iter(machine.folders(patient))).level is Level.GOOD
    settings = patient.settings.model_copy(update={"network": network})
    assert next(iter(machine.folders(replace(patient, settings=settings)))).level is Level.WARNING


def test_a_folder_from_another_machine_is_given_to_the_agent(patient: Patient) -> None:
    """Not to root, where the agent is another user: it could not write there."""
    backups = patient.settings.backup.directory
    backups.mkdir(parents=True, exist_ok=True)
    os.chown(backups, os.geteuid() + 1, -1)
    found = {one.what: one for one in machine.folders(patient)}["backups"]
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert (found.level, found.advice) == (Level.FAULT, f"chown -R {user}: {backups}")


def test_a_service_that_the_stack_does_not_have(patient: Patient) -> None:
    """Under a wrong name nothing would be closed, and users would write on meanwhile."""
    assert list(stack.services(patient)) == []
    wrong = patient.settings.stack.model_copy(update={"ingress": ("traefik",)})
    settings = patient.settings.model_copy(update={"stack": wrong})
    found = only(stack.services, replace(patient, settings=settings))
    assert (found.level, "traefik" in found.found, "backend" in found.advice) == (
        Level.FAULT,
        True,
        True,
    )


def test_a_configuration_of_an_older_form_is_a_notice(patient: Patient) -> None:
    """The agent works with it; what to type makes it one of today."""
    assert not list(machine.configuration(patient))
    patient.config.write_text("[source]\ninterval = 0.5\n")
    found = only(machine.configuration, patient)
    assert found.level is Level.WARNING
    assert "source.interval" in found.found
    assert found.advice == f"koprogo-agent config migrate --config {patient.config}"


def test_an_empty_trust_directory(patient: Patient, tmp_path: Path) -> None:
    """The agent can verify nothing, and the doctor passes on what the adapter advises."""
    empty = tmp_path / "trust"
    empty.mkdir()
    world = replace(patient.world, anchor=TrustDirectory(empty))
    found = examine(replace(patient, world=world), lambda _: None)
    (trust,) = (one for one in found if one.what == "trust")
    assert trust.level is Level.FAULT
    assert str(empty) in trust.advice
    assert found[0].level is Level.FAULT
    assert [one.level for one in found] == sorted(one.level for one in found)
    assert not is_well(found)


def test_what_cannot_be_checked_is_a_finding(patient: Patient, instance: Instance) -> None:
    """A silent engine and a silent source end no examination."""
    instance.scene.origin.failure = RetryLater("no route", code="source.unreachable", advice="wait")
    found = {one.what: one for one in examine(patient, lambda _: None)}
    assert found["source"].found == "no route"
    assert found["source"].advice == "wait"
    assert found["engine"].level is Level.FAULT
    assert found["journal"].level is Level.GOOD


def test_a_source_without_releases(patient: Patient, instance: Instance) -> None:
    """A wrong address may well answer."""
    assert "newest v1.0.0" in only(source.source, patient).found
    instance.scene.origin.refs.clear()
    assert only(source.source, patient).level is Level.WARNING


def test_a_variable_without_a_value(patient: Patient, instance: Instance) -> None:
    """And an env file that is not there."""
    settings = patient.settings.stack
    for path in settings.compose_files:
        laid = patient.world.files.stack_path(path)
        laid.parent.mkdir(parents=True, exist_ok=True)
        laid.write_text("{}")
    assert [one.level for one in stack.variables(patient)][:1] != [Level.FAULT]
    settings.env_files[0].unlink()
    found = only(stack.variables, patient)
    assert found.level is Level.FAULT
    assert str(settings.env_files[0]) in found.found
    assert instance.installed == "v1.0.0"


def test_what_the_stack_needs_of_the_machine(patient: Patient, instance: Instance) -> None:
    """A pause, and a name that another container has, are told with what to type."""
    for path in patient.settings.stack.compose_files:
        laid = patient.world.files.stack_path(path)
        laid.parent.mkdir(parents=True, exist_ok=True)
        laid.write_text("{}")
    assert only(stack.host, patient).level is Level.GOOD
    instance.scene.machine.pause("koprogo", "storage")
    found = only(stack.host, patient)
    assert found.level is Level.FAULT
    assert found.advice == "once it may run again: docker unpause koprogo-storage-1"


def test_an_override_file_that_compose_cannot_use(patient: Patient, instance: Instance) -> None:
    """The file is named, not the agent's own commands."""
    own = patient.settings.stack.directory / "own.yml"
    settings = patient.settings.stack.model_copy(update={"overrides": (own,)})
    for path in settings.compose_files:
        laid = patient.world.files.stack_path(path)
        laid.parent.mkdir(parents=True, exist_ok=True)
        laid.write_text("{}")
    instance.scene.disk.texts[own] = b"services: ["
    changed = patient.settings.model_copy(update={"stack": settings})
    found = only(stack.host, replace(patient, settings=changed))
    assert (found.level, found.what) == (Level.FAULT, "compose files")
    assert str(own) in found.advice


def test_a_database_that_does_not_run(patient: Patient, instance: Instance) -> None:
    """A fault where a stack runs; before the first installation it is as it should be."""
    (box,) = instance.scene.machine.of("koprogo", ("postgres",))
    instance.scene.machine.stop(box)
    assert only(stack.database, patient).level is Level.FAULT


def test_the_agents_own_state(patient: Patient, instance: Instance) -> None:
    """Held, stale, damaged and set aside are told, with the word that helps."""
    instance.engine.standing.hold(Held(HeldBy.AGENT, "it fell over", "type resume", NOW))
    patient.journal.with_name("state.db.corrupt-20260101T000000").touch()
    found = {one.what: one for one in agent.journal(replace(patient, now=NOW))}
    assert found["held"].found == "it fell over"
    assert found["polls"].level is Level.FAULT
    assert found["polls"].advice.startswith("systemctl")
    aside = [one for one in agent.journal(patient) if "set aside" in one.found]
    assert [one.level for one in aside] == [Level.WARNING]
    assert only(agent.lock, patient).level is Level.GOOD


def test_the_condition_of_the_stack(patient: Patient, instance: Instance) -> None:
    """Up with what was asked; down with what to type; and whether the ingress is asked at all."""
    instance.tick()
    up = only(stack.condition, patient)
    assert up.level is Level.GOOD
    assert up.found.endswith("asked: containers, the application (health), the ingress (health)")
    instance.scene.prober.ingress = "answered 404, expected 200"
    instance.tick()
    down = only(stack.condition, patient)
    assert down.level is Level.FAULT
    assert "health through the ingress: answered 404" in down.found
    assert down.advice.startswith("look: docker compose -p koprogo")
    blind = replace(patient, settings=patient.settings.model_copy(update={"probe": ()}))
    told = [one.found for one in stack.condition(blind)]
    assert told[1] == "the ingress is never asked: no probe has a url"


def test_what_postgresql_would_refuse() -> None:
    """What an update would wait for is a warning, what a person must mend a fault."""
    state = DatabaseState(
        name="koprogo_db",
        console=Console("koprogo", "postgres", "koprogo"),
        major=15,
        prepared=(Prepared("x", "bank"),),
        slots=(Slot("reports", active=False),),
        transactions=(OpenTransaction(7, "ann from 10.0.0.9", 2000.0),),
    )
    prepared, open_, slot = stack.obstacles(state)
    assert (prepared.level, open_.level, slot.level) == (
        Level.FAULT,
        Level.WARNING,
        Level.WARNING,
    )
    assert "bank has prepared the transaction" in prepared.found
    assert "ROLLBACK PREPARED 'x'" in prepared.advice
    assert "pg_terminate_backend(7)" in open_.advice
    assert "pg_drop_replication_slot('reports')" in slot.advice
