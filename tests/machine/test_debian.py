"""The bare machine itself: what its tests say of power cuts is worth what is shown here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import tidy
from tests.lab.debian import Debian
from tests.lab.engine import Engine

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def machine(lab_engine: Engine) -> Iterator[Debian]:
    """A machine that shares nothing."""
    with Debian(lab_engine, f"{tidy.new_name()}-debian", {}) as made:
        yield made


def test_a_power_cut_takes_all_but_the_disk(machine: Debian) -> None:
    """What was synced is there when systemd is up again; what ran, or lay in memory, is not."""
    machine.does("sh", "-c", "echo word >/var/synced && sync /var/synced && echo word >/run/memory")
    machine.does("systemd-run", "--unit=busy", "sleep", "infinity")
    machine.cut_power()
    machine.boot()
    assert machine.does("cat", "/var/synced") == "word\n"
    assert machine.types("test", "-e", "/run/memory").code
    assert machine.types("systemctl", "is-active", "busy").text.strip() == "inactive"


def test_machines_side_by_side_are_strangers(machine: Debian, lab_engine: Engine) -> None:
    """Each has a disk and an identity of its own, and stays up when another falls."""
    with Debian(lab_engine, f"{tidy.new_name()}-debian", {}) as other:
        machine.does("touch", "/var/here")
        assert other.types("test", "-e", "/var/here").code
        identity = ("cat", "/etc/machine-id")
        assert machine.does(*identity) != other.does(*identity)
        machine.does("systemd-run", "--unit=steady", "sleep", "infinity")
        other.cut_power()
        assert machine.does("systemctl", "is-active", "steady").strip() == "active"
