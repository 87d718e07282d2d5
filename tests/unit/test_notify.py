"""Messages to the operator, sent to a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from koprogo_agent.adapters.notify import AppriseNotifier
from koprogo_agent.domain.proxy import DIRECT, Proxy, ProxyRules
from tests.fleets import Server
from tests.lab.ca import Authority
from tests.lab.proxy import ForwardProxy

ABOUT = "koprogo on vps12"


class Channel(ThreadingHTTPServer):
    """A web hook that keeps what it gets, or that never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on the loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, str]] = []
        self.silent = threading.Event()
        self.ended = threading.Event()

    def url(self, secret: str) -> SecretStr:
        """Its address for apprise, with a secret in it."""
        return SecretStr(f"json://user:{secret}@127.0.0.1:{self.server_port}/")


class _Handler(BaseHTTPRequestHandler):
    server: Channel

    def do_POST(self) -> None:
        """Take one message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.silent.is_set():
            self.server.ended.wait()
        self.server.got.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def channel() -> Iterator[Channel]:
    """A web hook, served."""
    with Channel() as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.ended.set()
        served.shutdown()


def test_the_operator_is_told(channel: Channel) -> None:
    """Title and body arrive, with the machine that they are about; nothing is logged."""
    notifier = AppriseNotifier([channel.url("hush-hush")], ABOUT)
    with capture_logs() as logs:
        notifier.tell("HELD", "see koprogo-agent status")
        notifier.tell("v1.2.3 is installed", "")
    assert [(got["title"], got["message"]) for got in channel.got] == [
        ("HELD", f"see koprogo-agent status\n\n{ABOUT}"),
        ("v1.2.3 is installed", ABOUT),
    ]
    assert logs == []


def test_a_dead_channel_does_not_silence_the_others(channel: Channel) -> None:
    """Failures are logged by number, without the address, and the other channels are told."""
    urls = [
        SecretStr("json://user:hush-hush@127.0.0.1:1/"),
        channel.url("hush-hush"),
        SecretStr("nonsense://hush-hush"),
    ]
    with capture_logs() as logs:
        AppriseNotifier(urls, ABOUT).tell("title", "body")
    assert len(channel.got) == 1
    assert [(log["event"], log["channels"]) for log in logs] == [("notify.failed", "1, 3")]
    assert "hush-hush" not in str(logs)


def test_a_channel_that_hangs_is_given_up(channel: Channel) -> None:
    """A server that never answers costs a bounded time."""
    channel.silent.set()
    with capture_logs() as logs:
        AppriseNotifier([channel.url("hush-hush")], ABOUT, seconds=1.0).tell("title", "body")
    assert [(log["event"], log["why"]) for log in logs] == [
        ("notify.failed", "not all told within 1 s")
    ]
    assert "hush-hush" not in str(logs)


def test_no_channel_is_no_work() -> None:
    """Without addresses nothing is run."""
    with capture_logs() as logs:
        AppriseNotifier([], ABOUT, seconds=0.0).tell("title", "body")
    assert logs == []


def test_messages_go_through_the_proxy_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And through none of the environment."""
    target = "hook.lab.test:443"
    with Server(Authority.create(tmp_path, "hook")) as hook:
        names = {target: f"127.0.0.1:{hook.server_port}"}
        with ForwardProxy(names, ("ann", "hush-hush")) as served:
            monkeypatch.setenv("HTTPS_PROXY", served.address)
            urls = [SecretStr("jsons://hook.lab.test/?verify=no")]
            given = ProxyRules(Proxy("127.0.0.1", served.server_port, "ann", "hush-hush"))
            with capture_logs() as logs:
                AppriseNotifier(urls, ABOUT, given).tell("title", "body")
                assert logs == []
                AppriseNotifier(urls, ABOUT, DIRECT).tell("title", "body")
            assert [log["event"] for log in logs] == ["notify.failed"]
            assert served.log == [(target, 200)]
    assert len(hook.seen) == 1
