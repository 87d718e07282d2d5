"""Several servers on one database, and one that begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, update
from sqlalchemy.exc import DBAPIError

from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.bulletins import Bulletins, Entry, What
from koprogo_agent.fleet.store.instances import Change, Store
from koprogo_agent.fleet.store.outages import Outages
from tests.fleet.conftest import empty_postgres
from tests.fleet.machines import Machine, heard
from tests.fleet.servers import Fleet

NOW = 1_795_000_000
ONE = "0" * 32
CURRENT = 'koprogo_fleet_instances{installed="v1.0.0",state="current",verified="false"}'


def test_each_bulletin_is_read_once_by_each_process(engine: Engine) -> None:
    """None reads its own; what was lost is read anew."""
    first, second = Bulletins(engine), Bulletins(engine)
    entries = [Entry(ONE, NOW, 7, What.CHANGED), Entry("f" * 32, NOW, 9, What.ERASED)]
    first.publish(entries, NOW)
    assert (first.read(NOW), second.read(NOW), second.read(NOW)) == ([], entries, [])
    first.publish([], NOW + 5)
    assert (second.read(NOW + 5), second.last()) == ([], NOW + 5)
    second.read_anew()
    assert second.read(NOW + 5) == entries


def test_old_bulletins_go(engine: Engine) -> None:
    """Those of this process, and of processes that are no more."""
    first, second = Bulletins(engine), Bulletins(engine)
    first.publish([Entry(ONE, NOW, 7, What.HEARD)], NOW)
    second.publish([Entry(ONE, NOW, 7, What.HEARD)], NOW)
    first.publish([], NOW + 601)
    assert len(Bulletins(engine).read(NOW)) == 1
    second.tidy(NOW + 601)
    assert (Bulletins(engine).read(NOW), Bulletins(engine).last()) == ([], NOW + 601)


def test_a_time_without_a_server_is_noted(engine: Engine) -> None:
    """Not the first beginning, nor one that nobody noticed."""
    outages, bulletins = Outages(engine), Bulletins(engine)
    outages.note(bulletins, NOW)
    bulletins.publish([], NOW)
    outages.note(bulletins, NOW + 59)
    assert outages.last() is None
    outages.note(bulletins, NOW + 3600)
    outages.note(bulletins, NOW + 3600)
    (outage,) = outages.since(NOW)
    assert (outage.began, outage.ended) == (NOW, NOW + 3600)


def process(engine: Engine) -> Sharing:
    """A server process that begins now."""
    return Sharing(FleetSettings(), engine, Store(engine))


def reports(sharing: Sharing, engine: Engine, one: Instance, what: What = What.CHANGED) -> None:
    """A report has come to a process; what is new is written down first."""
    if what is What.CHANGED:
        Store(engine).keep([Change(one)])
    sharing.put(one, one.seen, what)


def leaves(sharing: Sharing, engine: Engine, name: str) -> None:
    """An instance is erased by a process."""
    sharing.forget(name)
    Store(engine).erase(name)


def exchange(*processes: Sharing) -> None:
    """Each has told, and then each has heard, what there is."""
    for each in (*processes, *processes):
        asyncio.run(each.exchange())


def test_who_comes_back_after_being_erased_is_there_for_everybody(engine: Engine) -> None:
    """Also where it comes back before anybody was told, and for a process that begins later."""
    now = int(time())
    here, there, one = process(engine), process(engine), heard(1, now)
    reports(here, engine, one)
    exchange(here, there)
    leaves(here, engine, one.id)
    back = replace(one, enrolled=now + 1, seen=now + 1, verified=True)
    reports(here, engine, back)
    exchange(here, there)
    leaves(there, engine, one.id)
    again = replace(back, enrolled=now + 2, seen=now + 2)
    reports(here, engine, again)
    exchange(there, here)
    for each in (here, there, process(engine)):
        known = each.known.get(one.id)
        assert known is not None
        assert (known.enrolled, known.verified) == (now + 2, True)


def test_what_could_not_be_told_is_told_later(engine: Engine) -> None:
    """What has changed has changed, whatever is heard after it."""
    now = int(time())
    here, there, one = process(engine), process(engine), heard(1, now)
    reports(here, engine, one)
    schema.bulletin.drop(engine)

    async def is_heard_meanwhile() -> None:
        telling = asyncio.create_task(here.exchange())
        await asyncio.sleep(0)  # it has begun
        reports(here, engine, replace(one, sequence=2), What.HEARD)
        with pytest.raises(DBAPIError):
            await telling

    asyncio.run(is_heard_meanwhile())
    schema.bulletin.create(engine)
    exchange(here, there)
    known = there.known.get(one.id)
    assert known is not None
    assert known.sequence == 2


@pytest.fixture
def other(fleet: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """A second server on the same database, behind the same address."""
    (tmp_path / "other").mkdir()
    made = Fleet(fleet.database, tmp_path / "other", {"PUBLIC_URL": fleet.url})
    made.start()
    yield made
    made.kill()


def test_servers_may_begin_at_once_where_nothing_is_yet(postgres_url: str, tmp_path: Path) -> None:
    """One of them makes the tables, and the others find them made."""
    url = f"{postgres_url.rpartition('/')[0]}/{empty_postgres(postgres_url)}"
    servers = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        servers.append(Fleet(url, tmp_path / str(number)))
    with ThreadPoolExecutor() as pool:
        list(pool.map(Fleet.start, servers))
    for server in servers:
        assert Machine(server.url).says().status == 200
        server.stop()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_one_server_hears_the_other_knows(other: Fleet, machine: Machine) -> None:
    """Who is new, what has changed, what was erased; a report to either is one to both."""
    machine.says()
    other.wait_until(f"{CURRENT} 1.0")
    machine.says(installed="v1.1.0")
    other.wait_until(CURRENT.replace("v1.0.0", "v1.1.0") + " 1.0")
    assert machine.leaves().status == 204
    other.wait_until("koprogo_fleet_instances", absent=CURRENT.replace("v1.0.0", "v1.1.0"))


def test_who_has_reported_has_done_so_for_the_next_server(fleet: Fleet, machine: Machine) -> None:
    """Reports without news are not written down one by one; yet a restart makes nobody late."""
    machine.says()
    with fleet.tables() as engine, engine.begin() as connection:
        hours_ago = schema.instance.c.seen - 7200
        connection.execute(update(schema.instance).values(seen=hours_ago))
    machine.says()
    fleet.stop()
    fleet.start()
    assert f"{CURRENT} 1.0" in fleet.get("/metrics")
    said = machine.says()
    assert said.status == 200


def test_an_erased_instance_is_forgotten_by_a_server_that_runs(
    fleet: Fleet, machine: Machine
) -> None:
    """Also where the association types it."""
    machine.says()
    assert "it is forgotten" in fleet.type("erase", machine.name)
    fleet.wait_until("koprogo_fleet_instances", absent=CURRENT)
    assert "no such instance" in fleet.type("erase", machine.name)


def test_a_release_is_named_to_a_server_that_runs(fleet: Fleet, machine: Machine) -> None:
    """And told to whoever reports; until it is withdrawn."""
    assert "no release is named yet" in fleet.type("release")
    fleet.type("release", "v1.2.0", "--published", "2026-11-26T10:15Z", "--security")
    assert fleet.type("release") == "v1.2.0  2026-11-26 10:15 UTC  security\n"
    fleet.wait_until('koprogo_fleet_patch_share{tag="v1.2.0"} 0.0')
    assert machine.says().document["highest"] == "v1.2.0"
    assert "not named any more" in fleet.type("release", "v1.2.0", "--withdraw")
    assert "was not named" in fleet.type("release", "v1.2.0", "--withdraw")
