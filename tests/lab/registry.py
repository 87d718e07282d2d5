"""A container registry: Debian's docker-registry on a socket, behind a front that can fail."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.front import Exchange, Front
from tests.lab.processes import Daemon, LabError

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer"}
INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password, as `docker login` would ask for."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {self._packed}"

    @property
    def _packed(self) -> str:
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def write_docker_config(self, directory: Path, registry: str) -> None:
        """Write what `docker login` would have, for DOCKER_CONFIG."""
        known = {"auths": {registry: {"auth": self._packed}}}
        (directory / "config.json").write_text(json.dumps(known))


@dataclass(frozen=True, slots=True)
class Reply:
    """A registry's answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Registry:
    """A registry inside a `with` block; images live in `directory` and go with it."""

    def __init__(
        self,
        directory: Path,
        *,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """With `tls` it speaks HTTPS, with `credentials` it asks for them."""
        self._directory = directory
        self._socket = directory / "registry.sock"
        self._credentials = credentials
        self._daemon: Daemon | None = None
        self.front = Front(self._relay, tls)

    @property
    def address(self) -> str:
        """HOST:PORT, the first part of an image's name."""
        return self.front.address

    def __enter__(self) -> Self:
        """Start registry and front."""
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "config.json"
        config.write_text(json.dumps(self._config()))
        self._daemon = Daemon(
            ["docker-registry", "serve", str(config)], self._directory / "registry.log"
        )
        self._daemon.wait_ready(self._answers, START_SECONDS)
        self.front.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop both."""
        self.front.stop()
        if self._daemon is not None:
            self._daemon.stop()

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        """One request past the front, as the registry's owner: faults do not touch it."""
        connection = _UnixConnection(self._socket)
        connection.request(method, path, body, (headers or {}) | self._authorization())
        answer = connection.getresponse()
        with contextlib.closing(connection):
            return Reply(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            )

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a layer or an image configuration is there."""
        return self.call("HEAD", f"/v2/{repository}/blobs/{digest}").status == http.client.OK

    def put_blob(self, repository: str, blob: bytes) -> None:
        """Store a layer or an image configuration."""
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        begun = self.call("POST", f"/v2/{repository}/blobs/uploads/")
        place = begun.headers["location"]
        joint = "&" if "?" in place else "?"
        done = self.call("PUT", f"{place}{joint}digest={digest}", blob)
        if done.status != http.client.CREATED:
            raise LabError(f"cannot store a blob in {repository}: {done}")

    def put_manifest(self, repository: str, reference: str, kind: str, manifest: bytes) -> None:
        """Store a manifest under a tag or its digest; `kind` is its media type."""
        done = self.call(
            "PUT", f"/v2/{repository}/manifests/{reference}", manifest, {"Content-Type": kind}
        )
        if done.status != http.client.CREATED:
            raise LabError(f"cannot store {repository}:{reference}: {done}")

    def withdraw(self, repository: str, digest: str) -> None:
        """Take a manifest away, and every tag that named it."""
        done = self.call("DELETE", f"/v2/{repository}/manifests/{digest}")
        if done.status != http.client.ACCEPTED:
            raise LabError(f"cannot withdraw {repository}@{digest}: {done}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.call("GET", "/v2/").status == http.client.OK
        return False

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": self._credentials.basic} if self._credentials else {}

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._directory / "data")},
                "delete": {"enabled": True},
            },
            # Relative URLs: the registry does not know the address of its front.
            "http": {"net": "unix", "addr": str(self._socket), "relativeurls": True},
        }
        if self._credentials:
            path = self._directory / "htpasswd"
            path.write_text(f"{self._credentials.user}:{_bcrypt(self._credentials.password)}\n")
            config["auth"] = {"htpasswd": {"realm": "lab", "path": str(path)}}
        return config

    def _relay(self, exchange: Exchange) -> None:
        upstream = _UnixConnection(self._socket)
        with contextlib.closing(upstream):
            # Docker's engine sends a line `Accept` for each kind of manifest; all of them count.
            headers = {
                name: ", ".join(exchange.headers.get_all(name, ()))
                for name in exchange.headers
                if name.lower() not in HOP_BY_HOP
            }
            chunked = "Transfer-Encoding" in exchange.headers
            if chunked:
                headers["Transfer-Encoding"] = "chunked"
            body = exchange.body() if chunked or "Content-Length" in exchange.headers else None
            upstream.request(exchange.command, exchange.path, body, headers, encode_chunked=chunked)
            _pass_on(upstream.getresponse(), exchange)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _bcrypt(password: str) -> str:
    """Hash as htpasswd files want it, with the C library's own bcrypt (low cost: it is a lab)."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$2y$05$" + b"abcdefghijklmnopqrstuu")
    return hashed.decode()


def _pass_on(answer: http.client.HTTPResponse, exchange: Exchange) -> None:
    exchange.send_response(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP | {"date", "server"}:
            exchange.send_header(name, value)
    if answer.getheader("Content-Length") is None:
        exchange.close_connection = True
        exchange.send_header("Connection", "close")
    exchange.end_headers()
    while piece := answer.read(1 << 18):
        exchange.wfile.write(piece)
