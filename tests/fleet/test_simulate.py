"""`koprogo-fleet simulate` against a server: what it says of itself is what the server keeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.fleet.main import run
from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.wire.report import StateName, Transition
from tests.fleet.servers import NO_LIMITS, Fleet

COUNT = 40
RELEASE = ("--release", "v1.1.0", "--at", "0.05", "--tick", "2", "--minutes", "0.3", "--warm")
PROGRAM = str(Path(sys.executable).parent / "koprogo-fleet")


@pytest.fixture
def roomy(database: str, tmp_path: Path) -> Iterator[Fleet]:
    """A server to which a whole fleet may report from here."""
    made = Fleet(database, tmp_path, NO_LIMITS)
    made.start()
    yield made
    made.kill()


def simulate(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    command = [PROGRAM, "simulate", "--url", url, "--instances", str(COUNT), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def shares(*, failing: float = 0, waiting: float = 0, silent: float = 0) -> list[str]:
    """What goes otherwise than well, as it is typed."""
    named = {"--failing": failing, "--waiting": waiting, "--silent": silent}
    return [word for name, share in named.items() for word in (name, str(share))]


def kept(fleet: Fleet) -> list[tuple[Instance, list[Transition]]]:
    """Each instance that the server keeps, and what it has told, oldest first."""
    with fleet.tables() as engine:
        store = Store(engine)
        return [(one, store.transitions(one.id, most=100)[::-1]) for one in list(store.instances())]


def stations(told: list[Transition]) -> list[tuple[str, str | None, str | None]]:
    """The states, with what was installed then and how an operation ended."""
    return [
        (one.state, one.installed, one.operation.outcome if one.operation else None) for one in told
    ]


def test_what_is_simulated_is_what_the_server_keeps(roomy: Fleet) -> None:
    """Whoever installs it, whoever goes back, and each change exactly once."""
    done = simulate(roomy.url, *RELEASE, *shares(failing=0.25), "--json")
    assert done.returncode == Exit.DONE, done.stderr
    said = json.loads(done.stdout)
    ends = Counter[str]()
    for one, told in kept(roomy):
        assert [it.number - told[0].number for it in told] == list(range(len(told)))
        before, begins, *rest = stations(told)
        assert (before, begins) == (("current", "v1.0.0", None), ("updating", "v1.0.0", None))
        ends[one.stand.state] += 1
        match one.stand.state:
            case StateName.CURRENT:
                assert rest == [
                    ("updating", "v1.1.0", None),
                    ("current", "v1.1.0", "committed"),
                ]
                assert one.stand.pending is None
            case state:
                assert rest == [(state, "v1.0.0", state)]
                assert told[-1].operation
                assert told[-1].operation.step in {"gate", "migrate"}
                assert one.stand.pending
                assert one.stand.pending.gate in {"quarantine", "hold"}
    assert ends.total() == said["instances"] == COUNT
    assert ends["current"] == said["installed"] < COUNT
    assert said["sent"] == said["taken"]
    assert said["refused"] == {}
    assert 0 < said["patched"]["p50"] <= said["known"]["p50"]
    assert said["patched"]["last"] is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_waits_or_is_silent_does_not_have_it_yet(roomy: Fleet) -> None:
    """Some come back, and are not taken for another machine."""
    done = simulate(roomy.url, *RELEASE, *shares(waiting=0.5, silent=0.5), "--json")
    assert done.returncode == Exit.DONE, done.stderr
    said, there = json.loads(done.stdout), kept(roomy)
    assert said["refused"] == {}
    assert said["known"]["last"] is None
    assert {one.cloned for one, _ in there} == {None}
    assert any(one.former for one, _ in there)
    states = Counter(one.stand.state for one, _ in there)
    assert states[StateName.PAUSED]
    assert states[StateName.CURRENT]
    for _, told in there:
        assert [it.number - told[0].number for it in told] == list(range(len(told)))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_fleet_may_be_simulated_again(roomy: Fleet) -> None:
    """The same instances go on: the server takes them for no others."""
    words = ("--tick", "2", "--minutes", "0.05", "--warm", *shares())
    for _ in range(2):
        assert simulate(roomy.url, *words).returncode == Exit.DONE
    there = kept(roomy)
    assert len(there) == COUNT
    assert {(one.cloned, len(one.former)) for one, _ in there} == {(None, 1)}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestEnds:
    """How it ends where it does not run to its end."""

    def test_ctrl_c_ends_it_with_what_came_of_it_so_far(self, roomy: Fleet) -> None:
        """As if it had been asked for no more."""
        command = [PROGRAM, "simulate", "--url", roomy.url, "--instances", str(COUNT), "--warm"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            roomy.wait_until("koprogo_fleet_reports_total 40.0")
            running.send_signal(signal.SIGINT)
            said, errors = running.communicate()
        assert running.returncode == Exit.DONE, errors
        assert "requests/s at the source" in said.decode()

    def test_limits_of_the_server_are_named(self, fleet: Fleet) -> None:
        """And what to type instead."""
        done = simulate(fleet.url, "--minutes", "1", "--warm")
        assert done.returncode == Exit.OPERATOR
        assert "KOPROGO_FLEET_ENROLMENTS=" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_address_that_is_not_the_servers_own(self, roomy: Fleet) -> None:
        """It is part of what is signed."""
        done = simulate(roomy.url.replace("127.0.0.1", "localhost"), "--minutes", "1", "--warm")
        assert done.returncode == Exit.OPERATOR
        assert "KOPROGO_FLEET_PUBLIC_URL" in done.stderr

    def test_a_server_that_is_not_there(self, roomy: Fleet) -> None:
        """It is said at once, not after a quarter of an hour."""
        roomy.stop()
        done = simulate(roomy.url)
        assert done.returncode == Exit.LATER
        assert f"cannot reach the fleet server {roomy.url}" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "https://fleet.koprogo.com",
        "https://FLEET.koprogo.com./",
        "http://fleet.koprogo.com:8080",
    ],
)
def test_the_real_fleet_is_left_alone(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """However its address is written."""
    assert run(["simulate", "--url", url]) == Exit.REFUSED
    assert "real instances" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "127.0.0.1:8420"], "no server's address"),
        (["--url", "http://127.0.0.1:8420/fleet"], "no server's address"),
        (["--release", "v0.9.0"], "not newer"),
        (["--release", "v1.1.0", "--at", "15"], "not within"),
        (["--failing", "0.6", "--waiting", "0.6"], "more than all"),
    ],
)
def test_what_cannot_be_simulated(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told before anything is sent."""
    assert run(["simulate", *words]) == Exit.USAGE
    assert said in capsys.readouterr().err


def test_a_tag_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be refused in each report."""
    assert run(["simulate", "--from", "newest"]) == Exit.REFUSED
    assert "newest" in capsys.readouterr().err
