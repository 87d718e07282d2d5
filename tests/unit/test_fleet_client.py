"""Reports over TLS to a real server, which may be anything: good, dead, slow or hostile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from koprogo_agent.adapters.fleet import FleetServer
from koprogo_agent.domain.proxy import Proxy
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import BEHIND, Rejection
from koprogo_agent.wire.report import instance_of
from koprogo_agent.wire.signing import Request, verify
from tests.fleets import ANSWER, Doing, Exchange, Server, saying, silent
from tests.lab.ca import Authority
from tests.lab.proxy import ForwardProxy

BODY = b'{"schema":1}'


def endless(exchange: Exchange) -> None:
    """Ten gigabytes, as fast as they are taken."""
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(10 << 30))
    exchange.end_headers()
    with suppress(OSError):
        while not exchange.server.over.is_set():
            exchange.wfile.write(b"a" * 65536)


def dripping(exchange: Exchange) -> None:
    """A byte, and a byte, and a byte."""
    exchange.send_response(200)
    exchange.end_headers()
    with suppress(OSError):
        while not exchange.server.over.wait(0.2):
            exchange.wfile.write(b" ")


def hanging_up(exchange: Exchange) -> None:
    """In the middle of its first line."""
    exchange.wfile.write(b"HTTP/1.1 2")


def babbling(exchange: Exchange) -> None:
    """Another protocol."""
    exchange.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for the server."""
    return Authority.create(tmp_path_factory.mktemp("ca"), "fleet")


@pytest.fixture
def server(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Server(authority) as served:
        yield served


@pytest.fixture
def client(server: Server, tmp_path: Path) -> FleetServer:
    """An instance whose key is yet to be made."""
    return FleetServer(server.url, tmp_path / "state/identity", seconds=3)


def test_a_report_arrives_signed_by_the_instance(client: FleetServer, server: Server) -> None:
    """And nothing else is said: no cookie, no name of the machine, no version of Python."""
    assert client.send(BODY) == ANSWER
    (got,) = server.seen
    assert (got.method, got.url, got.body) == ("POST", f"{server.url}/api/v1/reports", BODY)
    assert instance_of(verify(got, datetime.now(UTC))) == client.instance()
    assert {name.lower() for name in got.headers} == {
        *("accept-encoding", "connection", "content-digest", "content-length", "content-type"),
        *("host", "signature", "signature-input", "user-agent"),
    }
    assert got.headers["User-Agent"].startswith("koprogo-agent/")


def test_the_key_is_made_once_and_is_the_agents_own(client: FleetServer, tmp_path: Path) -> None:
    """Whoever could read it could speak as this instance."""
    name = client.instance()
    file = tmp_path / "state/identity"
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" in file.read_bytes()
    assert client.instance() == name


def test_of_several_who_ask_at_once_one_makes_it(tmp_path: Path) -> None:
    """The daemon, and somebody who types a verb; else one of them speaks for nobody."""
    asking = [FleetServer("https://127.0.0.1:1", tmp_path / "state/identity") for _ in range(6)]
    with ThreadPoolExecutor(len(asking)) as pool:
        names = set(pool.map(FleetServer.instance, asking))
    assert len(names) == 1


def test_a_broken_key_is_set_aside_for_another(client: FleetServer, tmp_path: Path) -> None:
    """Nobody needs to come for it; the fleet sees another instance."""
    name = client.instance()
    (tmp_path / "state/identity").write_bytes(b"\0" * 100)
    assert client.instance() != name
    assert (tmp_path / "state/identity.broken").read_bytes() == b"\0" * 100


def test_a_key_that_cannot_be_read_is_for_a_person(client: FleetServer, tmp_path: Path) -> None:
    """It says whose the folder must be."""
    (tmp_path / "state/identity").mkdir(parents=True)
    with pytest.raises(NeedsOperator, match="identity") as caught:
        client.send(BODY)
    assert caught.value.code == "fleet.identity"
    assert "chown" in caught.value.advice


def test_what_would_be_sent_can_be_seen_beforehand(client: FleetServer, server: Server) -> None:
    """It holds, and nothing was sent."""
    shown = Request("POST", f"{server.url}/api/v1/reports", BODY, dict(client.signature(BODY)))
    assert instance_of(verify(shown, datetime.now(UTC))) == client.instance()
    assert server.seen == []


def test_a_rejection_says_why(client: FleetServer, server: Server) -> None:
    """With the number from which to go on."""
    rejection = Rejection(code=BEHIND, message="41 was taken", sequence=41, after=5)
    server.does = saying(409, answers.encode(rejection))
    assert client.send(BODY) == rejection


def test_an_instance_may_be_forgotten(client: FleetServer, server: Server) -> None:
    """At its own word, signed like any other; its key goes, and with it its name."""
    name = client.instance()
    server.does = saying(204)
    assert client.forget() is None
    (got,) = server.seen
    assert (got.method, got.url) == ("DELETE", f"{server.url}/api/v1/instances/{name}")
    assert instance_of(verify(got, datetime.now(UTC))) == name
    assert client.instance() != name


def test_unless_the_server_will_not(client: FleetServer, server: Server) -> None:
    """Then it says why."""
    server.does = saying(404, answers.encode(Rejection(code="unknown", message="never heard of")))
    assert client.forget() == Rejection(code="unknown", message="never heard of")


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (saying(200, b"<html>welcome</html>"), "no answer to a report"),
        (saying(200, b"{}" * 5000), "no answer to a report"),
        (saying(404, b"<html>not here</html>"), "it says 404"),
        (saying(500), "it says 500"),
        (saying(301, b"", Location="https://example.org/"), "it says 301"),
        (saying(307, b"", Location="file:///etc/passwd"), "it says 307"),
        (endless, "no answer to a report"),
        (dripping, "within 3 s"),
        (silent, "within 3 s"),
        (hanging_up, "HTTP/1.1 2|without response|closed"),
        (babbling, "SSH"),
    ],
)
def test_whatever_else_it_does_is_over_soon(
    client: FleetServer, server: Server, does: Doing, why: str
) -> None:
    """Nothing is followed, little is read, and nobody waits for long."""
    server.does = does
    began = time.monotonic()
    with pytest.raises(RetryLater, match=why) as caught:
        client.send(BODY)
    assert caught.value.code in {"fleet.failed", "fleet.unreachable"}
    assert caught.value.message.isprintable()
    assert len(caught.value.message) <= 300
    assert time.monotonic() - began < 10
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1:1", "refused"),
        ("https://nowhere.invalid", "[Nn]ame"),
    ],
)
def test_a_server_that_is_not_there_is_said_to_be_so(url: str, why: str, tmp_path: Path) -> None:
    """By its address."""
    with pytest.raises(AgentError, match=why) as caught:
        FleetServer(url, tmp_path / "identity").send(BODY)
    assert caught.value.code == "fleet.unreachable"
    assert url in caught.value.message


def test_a_stranger_with_another_certificate_gets_nothing(
    client: FleetServer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the report."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with pytest.raises(RetryLater, match="certificate") as caught:
        client.send(BODY)
    assert caught.value.code == "fleet.unreachable"
    assert server.seen == []


def test_reports_go_through_the_proxy_of_the_settings(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And through none of the environment; a password that it does not take is not shown."""
    target = "fleet.lab.test:443"
    names = {target: f"127.0.0.1:{server.server_port}"}
    with ForwardProxy(names, ("ann", "CANARY")) as served:
        monkeypatch.setenv("https_proxy", served.address)
        url, identity = "https://fleet.lab.test", tmp_path / "identity"
        right = Proxy("127.0.0.1", served.server_port, "ann", "CANARY")
        assert FleetServer(url, identity, right).send(BODY) == ANSWER
        assert served.log == [(target, 200)]
        wrong = Proxy("127.0.0.1", served.server_port, "ann", "CANARY2")
        with pytest.raises(RetryLater, match="407") as caught:
            FleetServer(url, identity, wrong).send(BODY)
        assert f"through the proxy {served.address}" in caught.value.message
        assert "CANARY" not in caught.value.message
        with pytest.raises(RetryLater, match=r"[Nn]ame"):
            FleetServer(url, identity).send(BODY)
        assert served.log == [(target, 200), (target, 407)]
