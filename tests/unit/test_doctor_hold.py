"""What the doctor says of the hold: whether users would notice an update, and what mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.doctor import hold
from koprogo_agent.doctor.finding import Level, Patient
from koprogo_agent.errors import RetryLater
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance behind labels of Traefik's."""
    made = Instance.new(tmp_path)
    made.install()
    return made


@pytest.fixture
def patient(instance: Instance) -> Patient:
    """The machine on which it runs."""
    return Patient(
        settings=instance.settings,
        config=instance.folder / "config.toml",
        journal=instance.folder / "state.db",
        world=instance.scene.world(Taps()),
        host="unix:///nowhere.sock",
        now=instance.scene.clock.now(),
    )


def with_hold(patient: Patient, **keys: object) -> Patient:
    """The same with other settings of the hold."""
    changed = patient.settings.hold.model_copy(update=keys)
    return replace(patient, settings=patient.settings.model_copy(update={"hold": changed}))


def test_the_image_of_the_waiting_room(patient: Patient, instance: Instance) -> None:
    """Here, to be had, not to be had, and a registry that cannot be asked."""
    (here,) = hold.waiting_room(patient)
    instance.scene.images.names.pop(patient.settings.hold.image, None)
    (there,) = hold.waiting_room(patient)
    (absent,) = hold.waiting_room(with_hold(patient, image="haproxy:none"))
    assert [one.level for one in (here, there, absent)] == [Level.GOOD, Level.GOOD, Level.WARNING]
    assert "is pulled before" in there.found
    assert "users would notice" in absent.found
    assert "[hold]" in absent.advice


def test_an_image_whose_registry_does_not_answer(
    patient: Patient, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said as it is: nothing is known of the image."""

    def published(reference: str) -> bool:
        raise RetryLater(f"{reference}: no route", code="registry.unreachable")

    instance.scene.images.names.pop(patient.settings.hold.image, None)
    monkeypatch.setattr(instance.scene.images, "published", published)
    (found,) = hold.waiting_room(patient)
    assert (found.level, "cannot be asked" in found.found) == (Level.WARNING, True)


def test_a_routed_service_without_a_health_check_is_told(patient: Patient) -> None:
    """Traefik would lead users to it too soon; of the backend, which has one, nothing is said."""
    (found,) = hold.routes(patient)
    assert found.found.startswith("frontend has no health check")


def test_a_stack_without_routes_is_told(tmp_path: Path) -> None:
    """Its users notice each update."""
    made = Instance.new(tmp_path)
    made.scene.publisher.routed = False
    made.install()
    world = made.scene.world(Taps())
    config, journal = made.folder / "config.toml", made.folder / "state.db"
    now = made.scene.clock.now()
    patient = Patient(made.settings, config, journal, world, "unix:///nowhere.sock", now)
    (found,) = hold.routes(patient)
    assert "no service has routes" in found.found


def test_a_second_container_is_told(patient: Patient, instance: Instance) -> None:
    """A waiting room leads to one of them."""
    machine = instance.scene.machine
    box = machine.one(instance.settings.stack.project, "backend")
    assert box is not None
    machine.boxes.append(replace(box, id="another"))
    assert any("backend has 2 containers" in one.found for one in hold.routes(patient))


@pytest.mark.parametrize(("free", "level"), [(10, Level.GOOD), (1, Level.WARNING)])
def test_connections_for_two(patient: Patient, instance: Instance, free: int, level: Level) -> None:
    """Without them requests wait in each update."""
    instance.scene.database.free = free
    (found,) = hold.beside(patient)
    assert found.level is level
    assert not list(hold.beside(with_hold(patient, beside=False)))


@pytest.mark.parametrize(
    ("image", "limit", "given", "told"),
    [
        ("traefik:v3.7", 128, 0, ["may take 128 MB; Traefik"]),
        ("docker.io/library/traefik:v3", 64, 128, ["may take 64 MB; Traefik"]),
        ("traefik:v3.7", 128, 384, ["may take 128 MB, and 384 MB from"]),
        ("traefik:v3.7", 256, 0, []),
        ("traefik:v3.7", 0, 0, []),
        ("nginx:1", 64, 0, []),
    ],
)
def test_traefik_with_little_memory(image: str, limit: int, given: int, told: list[str]) -> None:
    """KoproGo's own limit is 128 MB, which the hold raises; none at all is no matter."""
    details = {
        "Name": "/koprogo-traefik",
        "Config": {"Image": image},
        "HostConfig": {"Memory": limit * 1024**2},
    }
    found = list(hold.of_memory(details, given))
    assert len(found) == len(told)
    assert all(
        f"koprogo-traefik {said}" in one.found for one, said in zip(found, told, strict=True)
    )
