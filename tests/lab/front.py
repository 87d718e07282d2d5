"""An HTTP server that stands before a real part, counts its traffic, and fails when told to."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.lab.processes import wait_until
from tests.lab.traffic import Throttled, Traffic, payload

ENDLESS_PIECE = b"003e" + b"0" * 40 + b" refs/tags/v0.0.0-endless\n"
ENDLESS_PIECES_A_SECOND = 20_000


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer `status` where the path matches `where`; `times` times, or until healed."""

    status: int
    retry_after: str = ""
    where: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """Send what is asked for, but no more than this many bytes a second."""

    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Endless:
    """Begin a well-formed answer and never stop sending."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Accept the request and never answer."""


@dataclass(frozen=True, slots=True)
class WrongCertificate:
    """Present a certificate from an authority that nobody trusts."""


@dataclass(frozen=True, slots=True)
class Act:
    """Where the path matches `where`, let `act` answer; what it leaves (False) is passed on."""

    act: Callable[[Exchange], bool]
    where: str = ""


Fault = Refuse | Slow | Endless | Silent | WrongCertificate | Act


@dataclass
class _Books:
    """Counters and the fault in force, shared by the threads of one front."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: list[str] = field(default_factory=list)
    closed_sent: int = 0
    closed_received: int = 0
    open: set[socket.socket] = field(default_factory=set)
    fault: Fault | None = None
    refusals: int = 0


class Exchange(BaseHTTPRequestHandler):
    """One client's connection; `relay` hands a request to the real part."""

    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        """Speak TLS when asked to, with the certificate that the fault in force calls for."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self.server.context()
        if context is not None:
            self.request = context.wrap_socket(self.request, server_side=True)
        with self.server.books.lock:
            self.server.books.open.add(self.request)
        super().setup()
        self._unhindered = self.wfile

    def finish(self) -> None:
        """Keep the books of the connection, then close it."""
        books = self.server.books
        with contextlib.suppress(OSError):
            super().finish()
        with books.lock:
            books.open.discard(self.request)
            sent, received = payload(self.request)
            books.closed_sent += sent
            books.closed_received += received
        self.request.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the books hold what a test wants to know."""

    def do_GET(self) -> None:
        """Any method: note it, then fail as told or relay."""
        books = self.server.books
        with books.lock:
            books.requests.append(f"{self.command} {self.path}")
            fault = books.fault
            refused = isinstance(fault, Refuse) and _refuses(fault, self.path, books)
        match fault:
            case Refuse() if refused:
                self._refuse(fault)
            case Endless():
                self._send_for_ever()
            case Silent():
                self.server.ended.wait()
            case Slow(bytes_per_second):
                self.wfile = Throttled(self._unhindered, bytes_per_second)
                self.server.relay(self)
            case Act(act, where) if re.search(where, self.path):
                self.wfile = self._unhindered
                if not act(self):
                    self.server.relay(self)
            case _:
                self.wfile = self._unhindered
                self.server.relay(self)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def body(self) -> Iterator[bytes]:
        """The request's body, piece by piece, with either kind of framing."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 18))):
            left -= len(piece)
            yield piece

    def _refuse(self, fault: Refuse) -> None:
        for _ in self.body():
            pass
        said = b'{"errors":[{"code":"LAB","message":"the lab refuses this request"}]}'
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        if fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _send_for_ever(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        out = Throttled(self.wfile, ENDLESS_PIECES_A_SECOND * len(ENDLESS_PIECE))
        with contextlib.suppress(OSError):
            out.write(b"001e# service=git-upload-pack\n0000")
            while not self.server.ended.is_set():
                out.write(ENDLESS_PIECE * 200)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        port: int,
        relay: Callable[[Exchange], None],
        books: _Books,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None,
    ) -> None:
        self.relay = relay
        self.books = books
        self.ended = threading.Event()
        self._tls = tls
        super().__init__(("127.0.0.1", port), Exchange)

    def context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        right, wrong = self._tls
        return wrong if isinstance(self.books.fault, WrongCertificate) else right

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what faults are for."""


class Front:
    """A server on the loopback that passes requests on by `relay`; can fail, stop and start."""

    def __init__(
        self,
        relay: Callable[[Exchange], None],
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> None:
        """`tls` is the right certificate's context and the wrong one's; None speaks plain HTTP."""
        self._relay = relay
        self._tls = tls
        self._books = _Books()
        self._server: _Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """HOST:PORT; the same after a stop and a start."""
        return f"127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[str]:
        """Method and path of every request so far."""
        with self._books.lock:
            return list(self._books.requests)

    def traffic(self) -> Traffic:
        """All traffic so far, open connections included."""
        books = self._books
        with books.lock:
            counts = [payload(connection) for connection in books.open]
            return Traffic(
                len(books.requests),
                books.closed_sent + sum(sent for sent, _ in counts),
                books.closed_received + sum(received for _, received in counts),
            )

    def fail(self, fault: Fault) -> None:
        """From now on, fail in this way."""
        with self._books.lock:
            self._books.fault = fault
            self._books.refusals = 0

    def heal(self) -> None:
        """Work again."""
        with self._books.lock:
            self._books.fault = None

    def start(self) -> None:
        """Listen; on the same port as before if there was one."""
        self._server = _Server(self.port, self._relay, self._books, self._tls)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def stop(self) -> None:
        """Refuse connections and cut those that are open."""
        if self._server is None:
            return
        self._server.ended.set()
        self._server.shutdown()
        self._server.server_close()
        with self._books.lock:
            still_open = list(self._books.open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not self._books.open, 30, "connections to close")
        self._server = None


def _refuses(fault: Refuse, path: str, books: _Books) -> bool:
    if not re.search(fault.where, path):
        return False
    if fault.times is not None and books.refusals >= fault.times:
        return False
    books.refusals += 1
    return True
