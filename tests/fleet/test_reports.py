"""Reports that a fleet server takes, and what it keeps of them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from koprogo_agent.adapters.fleet import FleetServer
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.wire.answer import Answer
from koprogo_agent.wire.report import Operation, StateName, encode
from tests.fleet.machines import Machine, send, transition
from tests.fleet.servers import Fleet

OPERATION = Operation(
    kind="update",
    tag="v1.1.0",
    outcome="committed",
    began=1_795_000_000,
    ended=1_795_000_060,
    seen=1_794_999_990,
)


def kept(fleet: Fleet, machine: Machine) -> list[int]:
    """Numbers of the transitions that are kept, newest first."""
    with fleet.tables() as engine:
        return [one.number for one in Store(engine).transitions(machine.name, 1000)]


def row(fleet: Fleet, machine: Machine) -> dict[str, object]:
    """What is written down of an instance."""
    with fleet.tables() as engine, engine.connect() as connection:
        query = select(schema.instance).where(schema.instance.c.id == machine.name)
        return dict(connection.execute(query).mappings().one())


def test_whoever_reports_is_known_from_then_on(fleet: Fleet, machine: Machine) -> None:
    """Unverified, and counted; it is told when to report again."""
    said = machine.says()
    assert said.status == 200
    assert said.document == {
        "acknowledged": [],
        "interval": 180,
        "verified": False,
        "highest": None,
        "notice": "",
    }
    line = 'koprogo_fleet_instances{installed="v1.0.0",state="current",verified="false"} 1.0'
    assert line in fleet.get("/metrics")


def test_what_has_changed_is_kept_once(fleet: Fleet, machine: Machine) -> None:
    """However often it is told; and told whole when it is asked for."""
    changes = (transition(2, operation=OPERATION), transition(1))
    assert machine.says(transitions=changes).document["acknowledged"] == [2, 1]
    assert machine.says(transitions=(transition(3), *changes)).document["acknowledged"] == [3, 2, 1]
    assert kept(fleet, machine) == [3, 2, 1]
    with fleet.tables() as engine:
        assert Store(engine).transitions(machine.name, 1000)[1] == changes[0]


def test_a_report_without_news_writes_nothing(fleet: Fleet, machine: Machine) -> None:
    """A fleet that is well leaves its server's disk in peace."""
    machine.says()
    before = row(fleet, machine)
    for polled in range(5):
        assert machine.says(polled=1_795_000_000 + polled).status == 200
    assert row(fleet, machine) == before
    machine.says(state=StateName.UPDATING)
    assert row(fleet, machine)["state"] == "updating"


def test_it_is_all_there_after_a_restart(fleet: Fleet, machine: Machine) -> None:
    """And what was taken is not taken again."""
    old = machine.report(transitions=(transition(1, operation=OPERATION),), operation=OPERATION)
    machine.says(operation=OPERATION)
    before = fleet.get("/metrics").split("koprogo_fleet_reports")[0]
    fleet.stop()
    fleet.start()
    assert fleet.get("/metrics").split("koprogo_fleet_reports")[0] == before
    assert send(machine.request(encode(old))).code == "sequence.behind"


def test_a_token_makes_an_instance_known_to_the_association(fleet: Fleet, machine: Machine) -> None:
    """One instance; another one with the same token is like one without."""
    token = fleet.type("token", "Ann of building 12").strip()
    assert machine.says(token=token).document["verified"]
    assert machine.says().document["verified"]
    assert not Machine(fleet.url).says(token=token).document["verified"]
    assert not Machine(fleet.url).says(token="a-token-of-somebodys-own").document["verified"]
    fleet.stop()
    fleet.start()
    assert machine.says().document["verified"]


def test_who_wants_to_be_forgotten_is(fleet: Fleet, machine: Machine) -> None:
    """Nothing is left in any table; by its own word, or by whoever hosts the server."""
    token = fleet.type("token", "building 12").strip()
    machine.says(transitions=(transition(1),), token=token)
    assert machine.leaves().status == 204
    with fleet.tables() as engine, engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            assert machine.name not in str(connection.execute(select(table)).all())
    assert not Machine(fleet.url).says(token=token).document["verified"], "it is used up"
    assert machine.leaves().code == "instance.unknown"
    assert kept(fleet, machine) == []
    machine.says(transitions=(transition(1),))
    assert fleet.type("erase", machine.name) == "it is forgotten\n"
    assert kept(fleet, machine) == []


def test_the_agents_own_client_is_understood(fleet: Fleet, tmp_path: Path) -> None:
    """What agents send is what the server takes, from the first report to the last word."""
    client = FleetServer(fleet.url, tmp_path / "identity")
    machine = Machine(fleet.url)
    body = encode(machine.report(instance=client.instance(), transitions=(transition(1),)))
    assert client.send(body) == Answer(acknowledged=(1,), interval=180)
    said = client.send(body)
    assert not isinstance(said, Answer)
    assert (said.code, said.sequence) == ("sequence.behind", machine.sequence)
    assert client.forget() is None
