"""The program that speaks to the fleet server: `adapters.fleet` starts it, and nobody imports it.

Cryptography and TLS would cost the idle daemon another 20 MB, and a server that answers for ever or
a name that never resolves would hold it up. The proxy is that of the settings, never one of the
environment; redirects are not followed: the operator has named the server.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from koprogo_agent import __version__
from koprogo_agent.durable import Folder
from koprogo_agent.wire import LIMIT
from koprogo_agent.wire.report import instance_of
from koprogo_agent.wire.signing import Request, sign

_SECONDS = 15.0
"""For each of connecting, sending and the next bytes; the one who started this limits the whole."""


def main() -> None:
    """Does what standard input says, and prints what came of it, both as JSON."""
    asked = json.load(sys.stdin)
    identity = Path(asked["identity"])
    try:
        with _alone(identity.parent):
            key = _key(identity)
    except OSError as error:
        told: object = {"keyless": str(error)}
    else:
        told = _done(asked, key)
    json.dump(told, sys.stdout)


def _done(asked: dict[str, str], key: Ed25519PrivateKey) -> dict[str, object]:
    match asked["do"]:
        case "name":
            return {"instance": instance_of(key.public_key().public_bytes_raw())}
        case "sign":
            return {"headers": _signed(asked, key).headers}
        case _:
            return _sent(_signed(asked, key), asked["proxy"])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The daemon and somebody who types a verb must not each make a key."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _key(file: Path) -> Ed25519PrivateKey:
    """The instance's key, made the first time; one that is broken is set aside for another."""
    with suppress(FileNotFoundError):
        try:
            key = load_pem_private_key(file.read_bytes(), password=None)
        except ValueError:
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return key
        os.replace(file, file.with_name(f"{file.name}.broken"))  # noqa: PTH105 - as elsewhere
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Folder(file.parent, 0o700).write(file.name, pem, 0o600)
    return key


def _signed(asked: dict[str, str], key: Ed25519PrivateKey) -> Request:
    request = Request(asked["method"], asked["url"], asked["body"].encode())
    sign(request, key, datetime.now(UTC))
    return request


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002 - the library's
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: Message,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def _sent(request: Request, proxy: str) -> dict[str, object]:
    """Status and the first bytes of the answer; or why there is none."""
    headers = {
        **request.headers,
        "Content-Type": "application/json",
        "User-Agent": f"koprogo-agent/{__version__}",
    }
    proxies = {"https": proxy, "http": proxy} if proxy else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _NoRedirects)
    posted = urllib.request.Request(  # noqa: S310 - the settings allow https, and http on loopback
        request.url, request.body or None, headers, method=request.method
    )
    try:
        with opener.open(posted, timeout=_SECONDS) as answer:
            return _read(answer.status, answer)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error.code, error)
    except (OSError, HTTPException, ValueError) as error:
        return {"failed": str(getattr(error, "reason", error))}


def _read(status: int, answer: IO[bytes]) -> dict[str, object]:
    body = answer.read(LIMIT + 1)
    return {"status": status, "body": body.decode(errors="replace")}


if __name__ == "__main__":
    main()
