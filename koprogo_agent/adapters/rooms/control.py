"""The requests by which the agent works a room, and asks whether an ingress leads to it."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

PORT = 8080
"""On which a room listens, inside its container."""
BASE = "/.koprogo-agent-room/"

_SECONDS = 3.0
_LARGEST = 4096
_USUAL_PORTS = (80, 443)
_HERE = b"room"


@dataclass(frozen=True)
class Door:
    """Where a room is worked from.

    Attributes:
        address: of its container, an IP address.
        token: known to the agent and the room only.
    """

    address: str
    token: str

    def state(self) -> dict[str, Any] | None:
        """What the room says of itself, or None where it does not answer."""
        body = self._ask("GET", "state")
        try:
            found: dict[str, Any] | None = None if body is None else json.loads(body)
        except ValueError:
            return None
        return found

    def tell(self, verb: str, argument: str = "") -> bool:
        """Has the room do something: `close`, `open` with `IP:PORT`, `leave`."""
        return self._ask("POST", f"{verb}?{argument}" if argument else verb) is not None

    def _ask(self, method: str, path: str) -> bytes | None:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=_SECONDS)
        return _answer(connection, method, f"{BASE}{self.token}/{path}")


def leads_to_room(address: str, ports: Iterable[int], token: str) -> bool:
    """Whether an ingress at an address passes the room's own path on to it, on any of its ports."""
    path = f"{BASE}{token}/here"
    for port in dict.fromkeys((*_USUAL_PORTS, *ports)):
        for connection in _connections(address, port):
            if _answer(connection, "GET", path) == _HERE:
                return True
    return False


def _connections(address: str, port: int) -> Iterator[http.client.HTTPConnection]:
    yield http.client.HTTPConnection(address, port, timeout=_SECONDS)
    # Who answers is proved by the token; the certificate is that of whatever name comes first.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    yield http.client.HTTPSConnection(address, port, timeout=_SECONDS, context=context)


def _answer(connection: http.client.HTTPConnection, method: str, path: str) -> bytes | None:
    """The body of a good answer, or None."""
    try:
        with closing(connection):
            connection.request(method, path)
            with connection.getresponse() as answer:
                body = answer.read(_LARGEST)
                return body if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
