"""The Docker engine of this machine, asked in two ways.

`read` is what an idle daemon needs, in the standard library: importing the docker SDK (requests,
urllib3) costs 13 MB of memory and 100 ms of CPU, and a poll with it three times the CPU; the whole
daemon may have 45 MB and 60 ms. `client` is that SDK, for whoever acts or pulls.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from koprogo_agent.errors import NeedsOperator, RetryLater

if TYPE_CHECKING:
    from docker import APIClient

DEFAULT_HOST = "unix:///var/run/docker.sock"
_SCHEME = "unix://"
_SECONDS = 15.0
_EXIT_SECONDS = 10.0
_ATTACHED = '{"Detach": false, "Tty": false}'
_UPGRADE = {"Content-Type": "application/json", "Connection": "Upgrade", "Upgrade": "tcp"}


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def socket_path(host: str) -> str:
    """The path of the engine's socket.

    Raises:
        NeedsOperator: the engine is on another machine, where neither the stack's files nor its
            containers' addresses are those of this one (code `engine.remote`).
    """
    if not host.startswith(_SCHEME):
        raise NeedsOperator(
            f"cannot work with the engine at {host}: it must be on this machine",
            code="engine.remote",
            advice=f"set the engine's address to {DEFAULT_HOST}",
        )
    return host.removeprefix(_SCHEME)


def read(host: str, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
    """What the engine answers to a GET, or None where it has no such thing.

    Args:
        host: the engine's address, `unix://…`.
        path: below the API's root.
        query: parameters of the query.

    Raises:
        RetryLater: the engine does not answer (code `engine.unreachable`), or fails
            (`engine.failed`).
        NeedsOperator: the agent may not talk to it (code `engine.forbidden`).
    """
    with streamed(host, path, **query) as answer:
        return None if answer is None else json.loads(answer.read())


@contextmanager
def streamed(host: str, path: str, /, **query: str) -> Iterator[http.client.HTTPResponse | None]:
    """The same as a file, of which nobody need read all: its connection ends with the block."""
    with closing(_Connection(socket_path(host))) as connection, _faults(host):
        connection.request("GET", f"{path}?{urlencode(query)}")
        with closing(connection.getresponse()) as answer:
            if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}:
                raise _failed(answer.read())
            yield None if answer.status == http.HTTPStatus.NOT_FOUND else answer


def check(host: str) -> None:
    """Makes sure that the engine answers; raises as `read` does."""
    _newest_api(host)


def version(host: str) -> tuple[int, int]:
    """The newest version of the API that the engine speaks; raises as `read` does."""
    major, _, minor = _newest_api(host).partition(".")
    return int(major), int(minor)


def _newest_api(host: str) -> str:
    """The newest version of the API that the engine speaks.

    `/version` says so too, but has the engine start runc and others to ask them for theirs: 25 ms.
    """
    with streamed(host, "/_ping") as answer:
        version = answer and answer.headers["Api-Version"]
    if not version:
        raise RetryLater("the engine does not say which API it speaks", code="engine.failed")
    return version


@contextmanager
def client(host: str, timeout: float = 60.0) -> Iterator[APIClient]:
    """The docker SDK's low-level client, whose faults become ours.

    Args:
        host: the engine's address.
        timeout: seconds to wait for the next bytes of an answer.

    Raises:
        RetryLater: the engine does not answer (code `engine.unreachable`), or refuses what is
            asked of it in a way that the caller does not handle (code `engine.failed`).
        NeedsOperator: the agent may not talk to it (code `engine.forbidden`).
    """
    from docker import APIClient  # noqa: PLC0415 - what an idle daemon does not need
    from docker.errors import DockerException  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        version = _newest_api(host)
        with closing(APIClient(base_url=host, version=version, timeout=int(timeout))) as api:
            yield api
    except (DockerException, RequestException, HTTPError, OSError) as error:
        # the SDK wraps one cause in many classes: the engine itself can say whether it is there
        check(host)
        raise failed(getattr(error, "explanation", None) or str(error)) from error


@contextmanager
def attached(host: str, handle: str) -> Iterator[socket.socket]:
    """Starts what the SDK's `exec_create` made; gives the connection with its streams, multiplexed.

    Bytes that a program sends at once may be lost with the answer's head. The SDK would lose them
    too, and leave an answer behind that cannot be closed in order: Python 3.13 says so on the
    terminal.

    Raises:
        RetryLater: as `read`; also where the container has gone (code `engine.failed`).
    """
    with closing(_Connection(socket_path(host))) as connection:
        with _faults(host):
            connection.request("POST", f"/exec/{handle}/start", _ATTACHED, _UPGRADE)
            answer = connection.getresponse()
        with closing(answer):
            if answer.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise _failed(answer.read())
            yield connection.sock


def exit_code(api: Any, handle: str) -> int:  # noqa: ANN401 - the SDK's stubs know less than it
    """How it ended, which the engine may learn a moment after the streams have closed.

    Raises:
        RetryLater: the engine does not learn it (code `engine.failed`).
    """
    until = monotonic() + _EXIT_SECONDS
    while (state := api.exec_inspect(handle))["Running"] or state["ExitCode"] is None:
        if monotonic() > until:
            raise RetryLater("the engine does not say how a program ended", code="engine.failed")
        sleep(0.01)
    return int(state["ExitCode"])


@contextmanager
def _faults(host: str) -> Iterator[None]:
    """Turns the faults of the connection into ours."""
    try:
        yield
    except PermissionError as error:
        raise _forbidden(host) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(host, error) from error


def failed(words: str) -> RetryLater:
    """An engine that is there and does not do what it was asked."""
    return RetryLater(
        f"the docker engine failed: {words[:300]}",
        code="engine.failed",
        advice="see why: systemctl status docker; journalctl -u docker -e",
    )


def _failed(body: bytes) -> RetryLater:
    return failed(body.decode(errors="replace").strip())


def _unreachable(host: str, error: Exception) -> RetryLater:
    return RetryLater(
        f"the docker engine at {host} does not answer: {error}",
        code="engine.unreachable",
        advice="see why: systemctl status docker; start it: systemctl start docker",
    )


def _forbidden(host: str) -> NeedsOperator:
    return NeedsOperator(
        f"the agent may not talk to the docker engine at {host}",
        code="engine.forbidden",
        advice="run the agent as root, or as a member of the group docker",
    )
