"""A forward proxy (CONNECT) on the loopback, which alone knows the names of the lab's servers."""

from __future__ import annotations

import contextlib
import selectors
import socket
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from tests.lab.serving import Serving

_PIECE = 1 << 16


class ForwardProxy(Serving):
    """Connects clients to servers by the names that it is given, inside a `with` block.

    Attributes:
        log: the targets of the requests to connect, HOST:PORT, each with the status it got.
    """

    def __init__(self, names: Mapping[str, str], login: tuple[str, str] | None = None) -> None:
        """Listen on the loopback.

        Args:
            names: HOST:PORT that a client may ask for -> HOST:PORT where that is.
            login: name and password that a client must give; None lets everybody in.
        """
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.names = names
        self.expected = login and f"Basic {b64encode(':'.join(login).encode()).decode()}"
        self.log: list[tuple[str, int]] = []

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Exchange(BaseHTTPRequestHandler):
    """One client."""

    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def do_CONNECT(self) -> None:
        """Connect to what is asked for, or say why not."""
        status, upstream = self._judge()
        self.server.log.append((self.path, int(status)))
        if upstream is None:
            self.send_response(status)
            if status is HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                self.send_header("Proxy-Authenticate", 'Basic realm="lab"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        with upstream:
            _pass_on(self.connection, upstream)

    def log_message(self, *args: object) -> None:
        """Say nothing: the log holds what a test wants to know."""

    def _judge(self) -> tuple[HTTPStatus, socket.socket | None]:
        expected = self.server.expected
        if expected and self.headers.get("Proxy-Authorization") != expected:
            return HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, None
        target = self.server.names.get(self.path)
        if target is None:
            return HTTPStatus.FORBIDDEN, None
        host, _, port = target.rpartition(":")
        try:
            return HTTPStatus.OK, socket.create_connection((host, int(port)), timeout=10)
        except OSError:
            return HTTPStatus.BAD_GATEWAY, None


def _pass_on(client: socket.socket, upstream: socket.socket) -> None:
    """Pass bytes both ways until one side ends."""
    other = {client: upstream, upstream: client}
    with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
        for one in other:
            one.settimeout(None)
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                source = client if key.fileobj is client else upstream
                piece = source.recv(_PIECE)
                if not piece:
                    return
                other[source].sendall(piece)
