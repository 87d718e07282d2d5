"""A git server over smart HTTP with TLS: `git http-backend` behind a front that can fail."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.lab.ca import Authority
from tests.lab.front import Exchange, Front
from tests.lab.processes import run
from tests.lab.repository import Repository

NAME = "koprogo.git"


class Origin:
    """One repository, served inside a `with` block."""

    def __init__(self, directory: Path, authority: Authority, stranger: Authority) -> None:
        """Certificates come from `authority`; from `stranger` when told to present a wrong one."""
        self._root = directory
        programs = run(["git", "--exec-path"]).decode().strip()
        self._program = f"{programs}/git-http-backend"
        self.repository = Repository.create(directory / NAME)
        self.authority = authority
        self.front = Front(self._relay, (authority.server(), stranger.server()))

    @property
    def url(self) -> str:
        """Where the repository is cloned from."""
        return f"https://{self.front.address}/{NAME}"

    @property
    def ca_file(self) -> Path:
        """The certificate to trust (git's http.sslCAInfo)."""
        return self.authority.file

    def __enter__(self) -> Self:
        """Start serving."""
        self.front.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.front.stop()

    def _relay(self, exchange: Exchange) -> None:
        environment = self._environment(exchange)
        with subprocess.Popen(
            [self._program],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            feeder = threading.Thread(target=_feed, args=(exchange, program.stdin))
            feeder.start()
            try:
                _pass_on(program.stdout, exchange)
            finally:
                program.kill()
                feeder.join()

    def _environment(self, exchange: Exchange) -> dict[str, str]:
        path, _, query = exchange.path.partition("?")
        length = exchange.headers.get("Content-Length")
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": exchange.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": exchange.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": exchange.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": exchange.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            **({"CONTENT_LENGTH": length} if length else {}),
        }


def _feed(exchange: Exchange, sink: IO[bytes]) -> None:
    try:
        for piece in exchange.body():
            sink.write(piece)
        sink.close()
    except OSError:
        # Either side went away; the other notices by itself.
        return


def _pass_on(source: IO[bytes], exchange: Exchange) -> None:
    status, headers = 200, []
    while line := source.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    exchange.send_response(status)
    for name, value in headers:
        exchange.send_header(name, value)
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    while piece := source.read(1 << 16):
        exchange.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    exchange.wfile.write(b"0\r\n\r\n")
