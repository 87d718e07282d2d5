"""Reports to a real server, by the thread that the daemon has for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from koprogo_agent.adapters.fleet import FleetServer
from koprogo_agent.errors import RetryLater
from koprogo_agent.reporting.outbox import Outbox
from koprogo_agent.reporting.reporter import Reporter
from koprogo_agent.reporting.snapshot import Snapshot
from koprogo_agent.reporting.teller import Teller
from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import BEHIND, UNKNOWN, Answer, Rejection
from koprogo_agent.wire.report import Pending, StateName
from tests.fleets import Doing, Exchange, Server, saying, silent, taking
from tests.lab.ca import Authority

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SNAPSHOT = Snapshot(
    at=NOW,
    state=StateName.CURRENT,
    installed="v1.1.0",
    digest="a" * 64,
    channel="stable",
    operations=(),
    pending=None,
    polled=NOW,
)
TOKEN = "a-token-of-the-association"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for the server."""
    return Authority.create(tmp_path_factory.mktemp("ca"), "fleet")


@pytest.fixture
def server(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A fleet server that takes all that it is told."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Server(authority) as served:
        served.does = taking()
        yield served


@pytest.fixture
def teller(server: Server, tmp_path: Path) -> Teller:
    """Speaks for an instance that is new."""
    fleet = FleetServer(server.url, tmp_path / "identity", seconds=20)
    return Teller(fleet, Outbox(tmp_path / "reports.db"), "0.1.0", TOKEN)


class Polls:
    """Somebody who is asked to poll."""

    def __init__(self) -> None:
        """Not yet."""
        self.asked = threading.Semaphore(0)

    def __call__(self) -> None:
        """It is asked."""
        self.asked.release()


@pytest.fixture
def polls() -> Polls:
    """Nobody has asked yet."""
    return Polls()


@pytest.fixture
def reporter(teller: Teller, polls: Polls) -> Iterator[Reporter]:
    """One that has begun."""
    made = Reporter(teller, 180, polls)
    made.start()
    yield made
    made.stop()


def bodies(server: Server) -> list[dict[str, Any]]:
    """The reports that came."""
    return [json.loads(one.body) for one in server.seen]


# --- one report


def test_a_report_says_where_the_instance_stands(teller: Teller, server: Server) -> None:
    """All of it, and what has changed; what was taken is not said again."""
    teller.outbox.note(SNAPSHOT, teller.agent)
    teller.tell(SNAPSHOT, NOW)
    teller.tell(SNAPSHOT, NOW)
    first, second = bodies(server)
    assert first["installed"] == "v1.1.0"
    assert first["polled"] == int(NOW.timestamp())
    assert len(first["transitions"]) == 1
    assert second["transitions"] == []
    assert second["sequence"] == first["sequence"] + 1
    assert second["run"] == first["run"]
    assert teller.outbox.heard.taken == NOW


def test_a_token_is_sent_until_it_was_taken(teller: Teller, server: Server) -> None:
    """It is good for one time."""
    teller.tell(SNAPSHOT, NOW)
    server.does = taking(verified=True)
    teller.tell(SNAPSHOT, NOW)
    teller.tell(SNAPSHOT, NOW)
    assert [one.get("token") for one in bodies(server)] == [TOKEN, TOKEN, None]


def test_a_machine_put_back_to_an_earlier_day_goes_on_counting(
    teller: Teller, server: Server
) -> None:
    """The server says from where; the same report goes out again, with a higher number."""
    ahead = Rejection(code=BEHIND, message="already taken", sequence=5_000_000_000)

    def does(exchange: Exchange) -> None:
        exchange.server.does = taking()
        saying(409, answers.encode(ahead))(exchange)

    server.does = does
    assert isinstance(teller.tell(SNAPSHOT, NOW), Answer)
    assert bodies(server)[-1]["sequence"] == 5_000_000_001


def test_but_it_does_not_ask_for_ever(teller: Teller, server: Server) -> None:
    """A server that always says so gets two."""
    ahead = Rejection(code=BEHIND, message="already taken", sequence=9)
    server.does = saying(409, answers.encode(ahead))
    assert teller.tell(SNAPSHOT, NOW) == ahead
    assert len(server.seen) == 2


def test_what_went_wrong_is_remembered_since_when(teller: Teller, server: Server) -> None:
    """For `status` and `doctor`; the first moment of it counts, until one is taken."""
    server.does = saying(500)
    with pytest.raises(RetryLater):
        teller.tell(SNAPSHOT, NOW)
    server.does = saying(403, answers.encode(Rejection(code="instance.cloned", message="two")))
    teller.tell(SNAPSHOT, NOW.replace(hour=13))
    heard = teller.outbox.heard
    assert (heard.failing_since, heard.failure) == (NOW, "it was not taken: two")
    server.does = taking(notice="thank you")
    teller.tell(SNAPSHOT, NOW.replace(hour=14))
    heard = teller.outbox.heard
    assert (heard.failing_since, heard.failure, heard.notice) == (None, "", "thank you")


@pytest.mark.parametrize(
    "does",
    [saying(204), saying(404, answers.encode(Rejection(code=UNKNOWN, message="never heard")))],
)
def test_what_is_forgotten_is_forgotten_on_both_sides(
    teller: Teller, server: Server, does: Doing
) -> None:
    """Also where the server never knew of it."""
    teller.outbox.note(SNAPSHOT, teller.agent)
    server.does = does
    assert teller.forget() is None
    assert teller.outbox.waiting() == ()


# --- the thread


def test_what_has_changed_is_told_at_once(reporter: Reporter, server: Server) -> None:
    """What has not waits for its time."""
    reporter.notice(SNAPSHOT)
    server.wait_for(1)
    reporter.notice(SNAPSHOT)
    reporter.notice(replace(SNAPSHOT, state=StateName.UPDATING))
    server.wait_for(2)
    assert [one["state"] for one in bodies(server)] == ["current", "updating"]


def test_a_server_that_is_not_well_is_not_pressed(reporter: Reporter, server: Server) -> None:
    """News are kept, and said when it is time; it is logged once."""
    server.does = saying(503)
    with capture_logs() as logs:
        reporter.notice(SNAPSHOT)
        server.wait_for(1)
        for state in (StateName.UPDATING, StateName.ROLLED_BACK, StateName.HELD):
            reporter.notice(replace(SNAPSHOT, state=state))
        reporter.stop()
    assert len(server.seen) == 1
    assert [one["event"] for one in logs] == ["report.not_taken"]


def test_a_hint_asks_for_one_poll(reporter: Reporter, server: Server, polls: Polls) -> None:
    """However often it is repeated."""
    server.does = taking(highest="v1.2.0")
    reporter.notice(SNAPSHOT)
    assert polls.asked.acquire(timeout=30)
    reporter.notice(replace(SNAPSHOT, state=StateName.UPDATING))
    server.wait_for(2)
    reporter.stop()
    assert not polls.asked.acquire(blocking=False)


@pytest.mark.parametrize(
    "snapshot",
    [
        replace(SNAPSHOT, installed="v1.2.0"),
        replace(SNAPSHOT, installed="v2.0.0"),
        replace(SNAPSHOT, pending=Pending(tag="v1.2.0", gate="window")),
    ],
)
def test_a_hint_at_what_is_known_asks_for_nothing(
    reporter: Reporter, server: Server, polls: Polls, snapshot: Snapshot
) -> None:
    """It was seen already, or something newer was."""
    server.does = taking(highest="v1.2.0")
    reporter.notice(snapshot)
    server.wait_for(1)
    reporter.stop()
    assert not polls.asked.acquire(blocking=False)


def test_whoever_notices_never_waits_for_the_server(reporter: Reporter, server: Server) -> None:
    """Nor does whoever ends it."""
    server.does = silent
    reporter.notice(SNAPSHOT)
    server.wait_for(1)
    began = monotonic()
    reporter.notice(replace(SNAPSHOT, state=StateName.HELD))
    reporter.stop()
    assert monotonic() - began < 10
