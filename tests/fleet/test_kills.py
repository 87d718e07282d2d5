"""A server that is killed, or ended, while instances report."""

from __future__ import annotations

import threading
import time
import urllib.error
from collections.abc import Callable
from http.client import HTTPException

import pytest
from sqlalchemy import text

from koprogo_agent.fleet.store.instances import Store
from tests.fleet.machines import Machine, transition
from tests.fleet.servers import Fleet


class Speaker(threading.Thread):
    """An instance that tells of one change after the other, whether or not it is heard.

    Attributes:
        acknowledged: what the server said that it keeps.
    """

    def __init__(self, machine: Machine, over: threading.Event) -> None:
        """Nothing is said yet."""
        super().__init__(daemon=True)
        self.machine = machine
        self.acknowledged: list[int] = []
        self._over = over

    def run(self) -> None:
        """Speaks."""
        number = 0
        while not self._over.is_set():
            number += 1
            try:
                said = self.machine.says(transitions=(transition(number),))
            except (urllib.error.URLError, HTTPException, OSError):
                self._over.wait(0.05)
                continue
            assert said.status in {200, 429}, said
            if said.status != 200:
                self._over.wait(0.05)
            self.acknowledged += said.document.get("acknowledged", [])


def speak_through(fleet: Fleet, end: Callable[[], None]) -> list[Speaker]:
    """Several instances speak while the server goes and comes three times."""
    over = threading.Event()
    speakers = [Speaker(Machine(fleet.url), over) for _ in range(6)]
    for one in speakers:
        one.start()
    for _ in range(3):
        heard = sum(len(one.acknowledged) for one in speakers)
        deadline = time.monotonic() + 30
        while sum(len(one.acknowledged) for one in speakers) < heard + 20:
            assert time.monotonic() < deadline
            over.wait(0.02)
        end()
        fleet.start()
    over.set()
    for one in speakers:
        one.join()
    return speakers


def assert_nothing_lost(fleet: Fleet, speakers: list[Speaker]) -> None:
    """What was acknowledged is there."""
    with fleet.tables() as engine:
        for one in speakers:
            kept = {told.number for told in Store(engine).transitions(one.machine.name, 100_000)}
            assert one.acknowledged
            assert set(one.acknowledged) <= kept


def test_a_killed_server_loses_nothing_that_it_acknowledged(fleet: Fleet) -> None:
    """`kill -9` in the middle of it, three times."""
    assert_nothing_lost(fleet, speak_through(fleet, fleet.kill))


def test_nor_does_one_that_is_ended(fleet: Fleet) -> None:
    """It finishes what it has begun."""
    assert_nothing_lost(fleet, speak_through(fleet, fleet.stop))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_cut_the_line_is_written_to_again(fleet: Fleet, machine: Machine) -> None:
    """As after its own update; nobody who reports notices."""
    assert machine.says().status == 200
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with fleet.tables() as engine, engine.connect() as connection:
        assert connection.execute(text(cut)).scalars().all()
    assert machine.says(transitions=(transition(1),)).document["acknowledged"] == [1]
