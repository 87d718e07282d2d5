"""Asks HTTP questions: the port `Prober`, with the standard library.

httpx would cost an idle daemon another 15 MB of memory for one GET without redirects. Proxies of
the environment are not used: a probe asks this machine, or goes the way that a user would.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from threading import Event, Timer
from urllib.parse import SplitResult, urlsplit

from koprogo_agent.ports import HttpProbe

_SECONDS = 5.0
_LARGEST = 1 << 16
_SHOWN = 60
_AGENT = "koprogo-agent"

_WORDS: Mapping[type[Exception], str] = {
    socket.gaierror: "the name cannot be resolved",
    ConnectionRefusedError: "the connection was refused",
    ConnectionError: "the connection was closed before an answer",
    http.client.HTTPException: "the answer is not HTTP",
}
"""Best first: a connection that was closed is both of the last two."""


class HttpProber:
    """Asks once, briefly; follows nothing, stores nothing, never raises.

    TLS: the name in the certificate, and in SNI, must be that of `HttpProbe.host` where there is
    one, else the URL's. The certificate must be trusted by this system, except on the loopback:
    an ingress asked there by another name often has only a self-signed certificate yet, and
    nobody stands between us and our own machine whom a certificate would unmask.

    Args:
        seconds: how long connecting, sending and the whole of the answer may take together.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds

    def ask(self, probe: HttpProbe) -> str | None:
        """None when the answer is as expected; otherwise what was wrong, in a few words."""
        try:
            status, body = self._get(urlsplit(probe.url), probe.host)
        except TimeoutError:
            return f"no whole answer within {self._seconds:g} s"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _in_words(error)
        if status != probe.status:
            return f"answered {status}, expected {probe.status}"
        return _difference(probe.contains, body) if probe.contains else None

    def _get(self, url: SplitResult, host: str | None) -> tuple[int, bytes]:
        connection = self._connection(url, host)
        headers = {"Accept": "application/json, */*", "User-Agent": _AGENT}
        if host:
            headers["Host"] = host
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        with closing(connection):
            connection.connect()
            with _time_limit(connection.sock, self._seconds):
                connection.request("GET", target, headers=headers)
                with connection.getresponse() as answer:
                    return answer.status, answer.read(_LARGEST + 1)

    def _connection(self, url: SplitResult, host: str | None) -> http.client.HTTPConnection:
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("the address does not begin with http:// or https://")
        if url.scheme == "http":
            return _Plain(url.hostname, url.port, timeout=self._seconds)
        if _is_loopback(url.hostname):
            # Without the system's authorities, which take 15 ms to read: asked at every tick.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context()
        name = (urlsplit(f"//{host}").hostname if host else None) or url.hostname
        return _Tls(url.hostname, url.port, name, context, self._seconds)


class _Plain(http.client.HTTPConnection):
    """HTTP, without the tables of Unicode: they cost an idle daemon 1 MB, asked at every tick."""

    def connect(self) -> None:
        address = (_bare(self.host), self.port)
        self.sock = socket.create_connection(address, self.timeout)  # type: ignore[arg-type]


def _bare(name: str) -> bytes:
    """A host name as bytes; Python would use its codec for names in other scripts on any text."""
    return name.encode("ascii" if name.isascii() else "idna")


class _Tls(_Plain):
    """HTTPS to one address, in the name of another."""

    default_port = http.client.HTTPS_PORT

    def __init__(
        self, address: str, port: int | None, name: str, context: ssl.SSLContext, seconds: float
    ) -> None:
        super().__init__(address, port, timeout=seconds)
        self._name = name
        self._context = context

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=_bare(self._name))


@contextmanager
def _time_limit(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Ends a conversation that goes on for too long, however lively it is.

    The socket's own time-out begins anew with every byte.

    Raises:
        TimeoutError: it went on for too long.
    """
    late = Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _difference(expected: Mapping[str, str], body: bytes) -> str | None:
    if len(body) > _LARGEST:
        return f"answered more than {_LARGEST} bytes"
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return "the answer is not JSON"
    if not isinstance(members, dict):
        return "the answer is not a JSON object"
    for name, value in expected.items():
        if name not in members:
            return f"the answer has no {name}"
        if (found := _as_text(members[name])) != value:
            return f"{name} is {found[:_SHOWN]!r}, expected {value!r}"
    return None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _in_words(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case OSError() | http.client.HTTPException():
            known = (words for kind, words in _WORDS.items() if isinstance(error, kind))
            return next(known, f"cannot connect: {getattr(error, 'strerror', None) or error}")
        case _:
            return f"cannot ask: {error}"
