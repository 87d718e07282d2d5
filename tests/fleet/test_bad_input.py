"""What a fleet server does not take: a clear reason, counted, nothing lost, nothing kept."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.wire.report import StateName, encode
from koprogo_agent.wire.signing import Request
from tests.fleet.machines import Machine, Said, send, transition
from tests.fleet.servers import Fleet

Spoiling = Callable[[Machine], Request]


def body_of(machine: Machine, old: str, new: str) -> Request:
    """A report, signed by its instance, in which something stands that no agent would say."""
    text = encode(machine.report(token="t" * 20, transitions=(transition(1),))).decode()
    assert old in text
    return machine.request(text.replace(old, new).encode())


def saying(old: str, new: str) -> Spoiling:
    """Something else is said."""
    return lambda machine: body_of(machine, old, new)


def forged(machine: Machine) -> Request:
    """With the signature of another report."""
    good = machine.request(encode(machine.report()))
    return replace(good, body=encode(machine.report(state=StateName.HELD)))


def of_another(machine: Machine) -> Request:
    """A stranger signs, and says that it is this instance."""
    return Machine(machine.url).request(encode(machine.report()))


def unsigned(machine: Machine) -> Request:
    """Nobody has signed."""
    return replace(machine.request(encode(machine.report())), headers={})


def old(machine: Machine) -> Request:
    """Somebody has recorded it an hour ago."""
    return machine.request(encode(machine.report()), datetime.now(UTC) - timedelta(hours=1))


def early(machine: Machine) -> Request:
    """From a machine whose clock is a day ahead."""
    return machine.request(encode(machine.report()), datetime.now(UTC) + timedelta(days=1))


def oversized(machine: Machine) -> Request:
    """More than a report may have."""
    return machine.request(encode(machine.report()) + b" " * 5000)


def signed_often(machine: Machine) -> Request:
    """Thirty times, each of which would be looked at."""
    good = machine.request(encode(machine.report()))
    often = {
        name: ", ".join(value.replace("koprogo=", f"n{number}=") for number in range(30))
        for name, value in good.headers.items()
        if name.startswith("Signature")
    }
    return replace(good, headers=good.headers | often)


def truncated(machine: Machine) -> Request:
    """Its end is missing."""
    return machine.request(encode(machine.report())[:-20])


REJECTS = 'koprogo_fleet_rejects_total{{code="{}"}}'


def counts(fleet: Fleet) -> Counter[str]:
    """The instances that are known, and what was refused."""
    lines = [line.rpartition(" ") for line in fleet.get("/metrics").splitlines()]
    wanted = ("koprogo_fleet_instances{", "koprogo_fleet_rejects_total{")
    return Counter({name: int(float(n)) for name, _, n in lines if name.startswith(wanted)})


SQL = "'; DROP TABLE instance; --"
HTML = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("spoiled", "status", "code"),
    [
        (forged, 401, "signature.invalid"),
        (of_another, 400, "report.other_instance"),
        (unsigned, 401, "signature.missing"),
        (old, 401, "signature.time"),
        (early, 401, "signature.time"),
        (oversized, 413, "report.size"),
        (signed_often, 413, "report.size"),
        (truncated, 400, "report.malformed"),
        (lambda machine: machine.request(b""), 400, "report.malformed"),
        (lambda machine: machine.request(b"\xff\x00"), 400, "report.malformed"),
        (lambda machine: machine.request(b"[" * 4000), 400, "report.malformed"),
        (lambda machine: machine.request(b'{"x":' + b"[" * 4000), 400, "report.malformed"),
        (lambda machine: machine.request(b'{"agent":"\xff"}'), 400, "report.malformed"),
        (saying('"schema":1', '"schema":2'), 400, "report.schema"),
        (saying('"state":"current"', '"state":"happy"'), 400, "report.malformed"),
        (saying('"channel":"stable"', f'"channel":"{SQL}"'), 400, "report.malformed"),
        (saying('"channel":"stable"', f'"channel":"{HTML}"'), 400, "report.malformed"),
        (saying('"agent":"0.1.0"', f'"agent":"{HTML}"'), 400, "report.malformed"),
        (saying('"installed":"v1.0.0"', f'"installed":"{SQL}"'), 400, "report.malformed"),
        (saying('"run":"0000000000000000"', f'"run":"{SQL}"'), 400, "report.malformed"),
        (saying('"token":"tttttttttttttttttttt"', f'"token":"{HTML}"'), 400, "report.malformed"),
        (saying('"number":1', '"number":-1'), 400, "report.malformed"),
        (saying('"number":1', '"number":1e99'), 400, "report.malformed"),
        (saying('"number":1', '"number":99999999999999999999'), 400, "report.malformed"),
        (saying('"sequence":', '"sequence":true,"x":'), 400, "report.malformed"),
    ],
)
def test_it_is_refused_for_a_reason(
    shared: Fleet, spoiled: Spoiling, status: int, code: str
) -> None:
    """One that comes afterwards is taken: nobody is shut out for what another has sent."""
    counted, machine = counts(shared), Machine(shared.url)
    said = send(spoiled(machine))
    assert (said.status, said.code) == (status, code)
    assert said.document["message"].isprintable()
    counted[REJECTS.format(code)] += 1
    assert counts(shared) == counted
    assert machine.says().status == 200


def test_what_was_taken_is_not_taken_again(fleet: Fleet, machine: Machine) -> None:
    """Neither the same, nor one that was overtaken; it says from where to go on."""
    first = machine.request(encode(machine.report()))
    second = machine.request(encode(machine.report(state=StateName.HELD)))
    assert send(second).status == 200
    for request in (first, second):
        said = send(request)
        assert (said.status, said.code) == (409, "sequence.behind")
        assert said.document["sequence"] == machine.sequence
    assert 'state="held",verified="false"} 1.0' in fleet.get("/metrics")


def test_two_machines_with_one_key_are_noticed(machine: Machine) -> None:
    """A restart is none; one that comes back after another is."""
    machine.says()
    twin = Machine(machine.url, machine.key, machine.sequence, run="1" * 16)
    assert twin.says().status == 200
    machine.sequence = twin.sequence
    said = machine.says()
    assert (said.status, said.code) == (409, "instance.cloned")
    assert "identity" in said.document["message"]
    assert twin.says().status == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestFloods:
    """What one sends must not be in the way of others."""

    @pytest.fixture
    def fleet(self, fleet: Fleet) -> Fleet:
        """With small limits."""
        fleet.stop()
        fleet.settings = {"ENROLMENTS_PER_ADDRESS": "3", "REPORTS_PER_ADDRESS": "40"}
        fleet.start()
        return fleet

    def test_nobody_enrols_a_million(self, fleet: Fleet) -> None:
        """Whoever is known already is not concerned."""
        known = Machine(fleet.url)
        known.says()
        said = [Machine(fleet.url).says() for _ in range(5)]
        assert [one.status for one in said] == [200, 200, 429, 429, 429]
        assert said[-1].code == "limit.enrolments"
        assert said[-1].document["after"] > 0
        assert known.says().status == 200
        assert 'verified="false"} 3.0' in fleet.get("/metrics")

    def test_one_instance_is_not_heard_for_ever(self, fleet: Fleet) -> None:
        """A loop in some agent is told to wait."""
        machine = Machine(fleet.url)
        said = [machine.says() for _ in range(25)]
        assert [one.code for one in said if one.status == 429] == ["limit.instance"] * 5

    def test_nor_is_one_address(self, fleet: Fleet) -> None:
        """Before anything of it is looked at."""
        said = [send(unsigned(Machine(fleet.url))) for _ in range(60)]
        assert {one.code for one in said[:40]} == {"signature.missing"}
        # On a slow machine a few more are looked at meanwhile.
        assert "limit.address" in {one.code for one in said[40:]}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_body_without_an_end_is_not_waited_for(fleet: Fleet, machine: Machine) -> None:
    """Of ten gigabytes it takes four kilobytes; others are served meanwhile."""
    with socket.create_connection(("127.0.0.1", fleet.port), timeout=20) as link:
        head = f"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: {10 << 30}\r\n\r\n"
        link.sendall(head.encode())
        link.sendall(b"a" * 10_000)
        assert b" 413 " in link.recv(4096)
    assert machine.says().status == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_many_at_once_are_all_answered(fleet: Fleet) -> None:
    """From several sides; nothing of it is lost or counted twice."""
    machines = [Machine(fleet.url) for _ in range(8)]
    answers: list[Said] = []

    def speaks(machine: Machine) -> None:
        answers.extend(machine.says(transitions=(transition(number),)) for number in range(1, 11))

    threads = [threading.Thread(target=speaks, args=(one,)) for one in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.status for one in answers] == [200] * 80
    assert "koprogo_fleet_reports_total 80.0" in fleet.get("/metrics")
