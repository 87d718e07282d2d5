"""Probes against real servers on this machine: good answers, wrong ones, and none."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from koprogo_agent.adapters.probes import HttpProber
from koprogo_agent.ports import HttpProbe
from tests.lab.ca import Authority
from tests.lab.processes import free_port

SHORT = 1.0


class Answers(BaseHTTPRequestHandler):
    """What a backend may answer, by path."""

    def do_GET(self) -> None:
        """Answer."""
        match self.path.partition("?")[0]:
            case "/health":
                told = {"status": "ok", "up": True, "n": 3, "host": self.headers["Host"]}
                self._send(200, json.dumps(told).encode())
            case "/moved":
                self._send(301, b"", location="/health")
            case "/list":
                self._send(200, b'["status"]')
            case "/text":
                self._send(200, b"ok")
            case "/deep":
                self._send(200, b"[" * 60_000)
            case "/large":
                self._send(200, b'{"status": "ok"}' + b" " * (1 << 20))
            case "/query":
                self._send(200, json.dumps({"status": self.path}).encode())
            case _:
                self._send(503, b"starting")

    def _send(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        with suppress(ConnectionError):  # whoever has read enough hangs up
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


class V6(ThreadingHTTPServer):
    """The same on IPv6."""

    address_family = socket.AF_INET6


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the server is."""
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Answers)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _saying(*pieces: bytes, every: float = 0.0) -> Iterator[str]:
    """A server that sends these bytes to its one client, whatever is asked, and stays there."""
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            for piece in pieces:
                try:
                    client.sendall(piece)
                except OSError:
                    return
                if done.wait(every):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        done.set()
        thread.join()


def _ask(url: str, **wanted: object) -> str | None:
    return HttpProber(SHORT).ask(HttpProbe(name="api", url=url, **wanted))  # type: ignore[arg-type]


def test_a_good_answer_says_nothing(url: str) -> None:
    """KoproGo's own health answer, with members of several kinds."""
    assert _ask(f"{url}/health") is None
    assert _ask(f"{url}/health", contains={"status": "ok", "up": "true", "n": "3"}) is None
    assert _ask(f"{url}/query?a=1", contains={"status": "/query?a=1"}) is None


def test_the_host_header_chooses_the_site(url: str) -> None:
    """An ingress on the loopback is asked in the name that users type."""
    wanted = {"host": "koprogo.example"}
    assert _ask(f"{url}/health", host="koprogo.example", contains=wanted) is None


@pytest.mark.parametrize(
    ("path", "contains", "said"),
    [
        ("/starting", {}, "answered 503, expected 200"),
        ("/moved", {}, "answered 301, expected 200"),
        ("/health", {"status": "bad"}, "status is 'ok', expected 'bad'"),
        ("/health", {"version": "1"}, "the answer has no version"),
        ("/list", {"status": "ok"}, "the answer is not a JSON object"),
        ("/text", {"status": "ok"}, "the answer is not JSON"),
        ("/deep", {"status": "ok"}, "the answer is not JSON"),
        ("/large", {"status": "ok"}, "answered more than 65536 bytes"),
    ],
)
def test_a_wrong_answer_is_told_in_a_few_words(
    url: str, path: str, contains: dict[str, str], said: str
) -> None:
    """No redirect is followed, and no body read beyond its limit."""
    assert _ask(url + path, contains=contains) == said


def test_any_status_can_be_the_expected_one(url: str) -> None:
    """An ingress that must redirect is healthy when it does."""
    assert _ask(f"{url}/moved", status=301) is None


def test_ipv6_is_reached() -> None:
    """A literal address in brackets."""
    with _serving(V6(("::1", 0), Answers)) as port:
        assert _ask(f"http://[::1]:{port}/health") is None


def test_nobody_there() -> None:
    """What an exited backend looks like."""
    assert _ask(f"http://127.0.0.1:{free_port()}/") == "the connection was refused"
    assert _ask("http://no-such-host.invalid/") == "the name cannot be resolved"


@pytest.mark.parametrize(
    ("pieces", "every"),
    [
        ((b"",), 30.0),
        ((b"HTTP/1.1 200 OK\r\n",), 30.0),
        ((b"H",) * 100, 0.1),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", *(b"x",) * 100), 0.1),
    ],
)
def test_neither_silence_nor_chatter_holds_the_gate_up(
    pieces: tuple[bytes, ...], every: float
) -> None:
    """A byte now and then does not buy more time."""
    with _saying(*pieces, every=every) as url:
        began = monotonic()
        assert _ask(url) == "no whole answer within 1 s"
        assert monotonic() - began < 8


def test_what_is_not_http_is_told() -> None:
    """Another program may listen on the port; and some begin and go away."""
    with _saying(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        assert _ask(url) == "the answer is not HTTP"
    with _saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{") as url:
        assert _ask(url, contains={"status": "ok"}) == "the answer is not JSON"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1", "http://", "http://h:99999/"])
def test_an_address_that_cannot_be_asked_is_told(url: str) -> None:
    """Settings refuse most of these; a probe still never raises."""
    said = _ask(url)
    assert said is not None
    assert said.startswith("cannot ask: ")


def test_a_line_break_in_the_path_sends_no_second_request(url: str) -> None:
    """What comes from a configuration file cannot write headers."""
    assert _ask(f"{url}/a b\r\nX: y") is not None


@contextmanager
def _tls(folder: Path, address: str) -> Iterator[tuple[int, list[str | None]]]:
    """A server with a certificate that nobody trusts; notes the names it is asked for."""
    server = ThreadingHTTPServer((address, 0), Answers)
    context = Authority.create(folder, "stranger").server()
    names: list[str | None] = []

    def note(_socket: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note  # type: ignore[assignment]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server) as port:
        yield port, names


def test_an_ingress_on_the_loopback_may_have_any_certificate(tmp_path: Path) -> None:
    """It is asked by SNI for the name that users type, and needs no trusted certificate yet."""
    with _tls(tmp_path, "127.0.0.1") as (port, names):
        url = f"https://127.0.0.1:{port}/health"
        assert _ask(url, host="koprogo.example:8443") is None
        assert names == ["koprogo.example"]


def test_elsewhere_the_certificate_must_be_trusted(tmp_path: Path) -> None:
    """By any other address than the loopback's, a stranger could answer."""
    elsewhere = _own_address()
    with _tls(tmp_path, elsewhere) as (port, _):
        said = _ask(f"https://{elsewhere}:{port}/health")
    assert said is not None
    assert said.startswith("the certificate is not trusted: ")


def _own_address() -> str:
    """An address of this machine that is not the loopback's; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
    return address
