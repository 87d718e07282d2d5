"""What the doctor finds of the agent as a product of its own."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from koprogo_agent.doctor import itself
from koprogo_agent.doctor.finding import Finding, Level, Patient
from koprogo_agent.errors import RetryLater
from koprogo_agent.selfupdate.own import PRODUCT
from koprogo_agent.settings.itself import Itself
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance
from tests.simulation.succeeding import Succession
from tests.simulation.trust import root


@pytest.fixture
def succession(tmp_path: Path) -> Succession:
    """An instance, and its agent's home."""
    made = Instance.new(tmp_path)
    made.install()
    return Succession(made)


@pytest.fixture
def patient(succession: Succession, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """The machine, on which the agent runs from its home and was given a trust root."""
    instance, home = succession.instance, succession.home
    monkeypatch.setattr(sys, "prefix", str(home / "versions/0.1.0"))
    trust = instance.folder / "trust"
    trust.mkdir(mode=0o700)
    (trust / "root.json").write_bytes(root(product=PRODUCT))
    own = Itself(home=home, trust_directory=trust)
    return Patient(
        settings=instance.settings.model_copy(update={"agent": own}),
        config=instance.folder / "config.toml",
        journal=instance.folder / "state.db",
        world=instance.scene.world(Taps()),
        host=f"unix://{instance.folder}/no-docker.sock",
        now=instance.scene.clock.now(),
    )


def with_own(patient: Patient, **changes: object) -> Patient:
    """The same machine with other settings for the agent itself."""
    own = patient.settings.agent.model_copy(update=changes)
    return replace(patient, settings=patient.settings.model_copy(update={"agent": own}))


def worst(patient: Patient) -> Finding:
    """The worst finding."""
    return min(itself.itself(patient), key=lambda one: one.level)


def test_one_that_does_not_run_from_its_home_stays_as_it_is(patient: Patient) -> None:
    """As a developer's; nothing is wrong with that."""
    found = worst(with_own(patient, home=Path("/elsewhere")))
    assert (found.level, "stays as it is" in found.found) == (Level.GOOD, True)


def test_one_that_is_not_to_update_itself_says_so(patient: Patient) -> None:
    """The operator has said it."""
    found = worst(with_own(patient, update=False))
    assert (found.level, "agent.update is off" in found.found) == (Level.GOOD, True)


def test_without_a_trust_root_it_will_grow_old(patient: Patient) -> None:
    """Nobody else would notice."""
    found = worst(with_own(patient, trust_directory=patient.config.parent / "none"))
    assert found.level is Level.WARNING
    assert "--agent-root" in found.advice


def test_one_that_has_not_looked_yet_is_well(patient: Patient) -> None:
    """An hour later it will have."""
    assert worst(patient).level is Level.GOOD


def test_what_was_put_aside_is_told(patient: Patient, succession: Succession) -> None:
    """Somebody of the association should hear of it."""
    succession.publish("0.2.0", "exit 1")
    assert not succession.start().change()
    found = worst(patient)
    assert found.level is Level.WARNING
    assert "v0.2.0 of the agent cannot be used here" in found.found


def test_a_source_that_is_away_for_days_is_told(patient: Patient, succession: Succession) -> None:
    """For an hour it is nobody's business."""
    agent = succession.start()
    succession.origin.failure = RetryLater("away for good", code="source.unreachable")
    with pytest.raises(RetryLater):
        agent.change()
    assert worst(patient).level is Level.GOOD
    later = replace(patient, now=patient.now + timedelta(days=3))
    assert worst(later).found == "away for good"


@pytest.fixture
def placed(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A version with two units and a script, and where root has put them."""
    shipped, folder = Path(sys.prefix) / "systemd", patient.config.parent
    places = {"units": folder / "units", "scripts": folder / "scripts"}
    for one in (shipped, *places.values()):
        one.mkdir(parents=True)
    monkeypatch.setattr(itself, "_UNITS", places["units"])
    monkeypatch.setattr(itself, "_SCRIPTS", places["scripts"])
    monkeypatch.setattr("koprogo_agent.doctor.itself.shutil.which", lambda _name: "/usr/bin/docker")
    found = {
        "koprogo-agent.service": places["units"],
        "koprogo-agent-hold.timer": places["units"],
        "end-hold": places["scripts"],
    }
    for name, place in found.items():
        (shipped / name).write_text("as shipped")
        (place / name).write_text("as shipped")
    return {name: place / name for name, place in found.items()}


def test_units_as_shipped_are_well(patient: Patient, placed: dict[str, Path]) -> None:
    """Nothing is said of them."""
    assert placed
    assert not list(itself.units(patient))


@pytest.mark.parametrize("name", ["koprogo-agent-hold.timer", "end-hold"])
def test_units_of_another_version_are_told(
    patient: Patient, placed: dict[str, Path], name: str
) -> None:
    """Only root can bring them up to date, or put a new one in place."""
    placed[name].write_text("of old")
    (old,) = itself.units(patient)
    placed[name].unlink()
    (absent,) = itself.units(patient)
    assert "another version" in old.found
    assert "is not there" in absent.found
    assert "install.sh" in absent.advice


def test_without_a_service_nothing_is_said_of_units(
    patient: Patient, placed: dict[str, Path]
) -> None:
    """Somebody runs it in another way."""
    for path in placed.values():
        path.unlink()
    assert not list(itself.units(patient))


def test_without_the_program_docker_a_hold_cannot_be_ended(
    patient: Patient, placed: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent needs only the engine's socket, the unit needs more."""
    assert placed
    monkeypatch.setattr("koprogo_agent.doctor.itself.shutil.which", lambda _name: None)
    (found,) = itself.units(patient)
    assert "no program docker" in found.found
