"""Speaks to the fleet server: the port `Fleet`, by a program that ends with each answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from koprogo_agent import process, redact
from koprogo_agent.domain.proxy import Proxy
from koprogo_agent.durable import make_folder
from koprogo_agent.errors import NeedsOperator, Refused, RetryLater
from koprogo_agent.wire import INSTANCES, REPORTS
from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import Answer, Rejection

_SENDER = f"{__name__}_sender"
_SECONDS = 40.0
_LONGEST = 300

_Key = tuple[int, int] | None
"""What tells one file of a key from another: its inode and when it was written."""


class FleetServer:
    """Implements `ports.Fleet`."""

    def __init__(
        self, url: str, identity: Path, proxy: Proxy | None = None, seconds: float = _SECONDS
    ) -> None:
        """Nothing is made or sent yet.

        Args:
            url: the server's address.
            identity: file of the instance's private key, in a folder that belongs to the agent.
            proxy: what the server is asked through; None: it is asked directly.
            seconds: within which a whole answer must have come.
        """
        self._url = url.rstrip("/")
        self._identity = identity
        self._proxy = proxy
        self._seconds = seconds
        self._named: tuple[_Key, str] | None = None

    def instance(self) -> str:
        """This instance's random name: learned once, for as long as the key is the same file."""
        if self._named is None or self._named[0] != self._key():
            name = str(self._do("name")["instance"])
            self._named = (self._key(), name)
        return self._named[1]

    def signature(self, body: bytes) -> Mapping[str, str]:
        """The header fields with which a report would be sent now."""
        headers: dict[str, str] = self._do("sign", "POST", REPORTS, body)["headers"]
        return headers

    def send(self, body: bytes) -> Answer | Rejection:
        """Sends a report, and gives what the server says to it."""
        status, said = self._exchange("POST", REPORTS, body)
        if status != HTTPStatus.OK:
            return self._rejection(status, said)
        try:
            return answers.decode(said)
        except Refused as error:
            raise self._failed(error.message) from error

    def forget(self) -> Rejection | None:
        """Asks the server to erase what it keeps of this instance."""
        status, said = self._exchange("DELETE", f"{INSTANCES}/{self.instance()}", b"")
        if status != HTTPStatus.NO_CONTENT:
            return self._rejection(status, said)
        self._identity.unlink(missing_ok=True)
        return None

    def _key(self) -> _Key:
        try:
            found = self._identity.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _rejection(self, status: int, said: bytes) -> Rejection:
        try:
            return answers.decode_rejection(said)
        except Refused:
            raise self._failed(f"it says {status}, and not why") from None

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        told = self._do("send", method, path, body)
        if "failed" in told:
            through = f" through the proxy {self._proxy.address}" if self._proxy else ""
            raise RetryLater(
                _line(f"cannot reach the fleet server {self._url}{through}: {told['failed']}"),
                code="fleet.unreachable",
            )
        return told["status"], told["body"].encode()

    def _do(self, what: str, method: str = "", path: str = "", body: bytes = b"") -> dict[str, Any]:
        make_folder(self._identity.parent)
        asked = {
            "do": what,
            "identity": str(self._identity),
            "method": method,
            "url": self._url + path,
            "body": body.decode(),
            "proxy": self._proxy.url if self._proxy else "",
        }
        argv = (sys.executable, "-m", _SENDER)
        try:
            done = process.run(
                argv, env=os.environ, timeout=self._seconds, stdin=json.dumps(asked).encode()
            )
        except process.Overrun as error:
            raise self._failed(f"no whole answer within {self._seconds:g} s") from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            raise self._failed(f"the sender ended with {last}")
        told: dict[str, Any] = json.loads(done.stdout)
        if "keyless" in told:
            raise NeedsOperator(
                f"cannot use the instance's key: {told['keyless']}",
                code="fleet.identity",
                advice=f"give {self._identity.parent} to the agent's user: chown -R",
            )
        return told

    def _failed(self, why: str) -> RetryLater:
        return RetryLater(
            _line(f"the fleet server {self._url} does not answer as it should: {why}"),
            code="fleet.failed",
        )


def _line(text: str) -> str:
    """What a server says may be anything."""
    return redact.printable(text.strip())[:_LONGEST]
