"""Where instances send what they have signed: what came is given on, and what follows answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from koprogo_agent import logs, redact
from koprogo_agent.errors import AgentError, RetryLater
from koprogo_agent.fleet.domain.instances import CLONED
from koprogo_agent.fleet.intake.bodies import read_body
from koprogo_agent.fleet.intake.limits import site_of
from koprogo_agent.fleet.intake.taking import Incoming
from koprogo_agent.fleet.metrics import Metrics
from koprogo_agent.wire import LIMIT
from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import BEHIND, LINE, UNKNOWN, Answer, Rejection

log = logs.get_logger()

_STATUS = {
    BEHIND: HTTPStatus.CONFLICT,
    UNKNOWN: HTTPStatus.NOT_FOUND,
    CLONED: HTTPStatus.CONFLICT,
    "instance.other": HTTPStatus.FORBIDDEN,
    "report.size": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "server.failed": HTTPStatus.SERVICE_UNAVAILABLE,
    "signature.missing": HTTPStatus.UNAUTHORIZED,
    "signature.invalid": HTTPStatus.UNAUTHORIZED,
    "signature.time": HTTPStatus.UNAUTHORIZED,
}
_JSON = (b"content-type", b"application/json")

Said = Answer | Rejection | None
"""None where there is nothing to say but that it is done."""


class Exchange:
    """One address, with what is done to a request that comes there.

    It is bare ASGI: reports are most of what a server gets, and a request and a response of the
    framework for each would take about a sixth of all the time that a report takes.
    """

    def __init__(self, do: Callable[[Incoming], Awaitable[Said]], metrics: Metrics) -> None:
        self._do = do
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        said = await self._said(scope, receive)
        if said is None:
            await _send(send, HTTPStatus.NO_CONTENT, [], b"")
            return
        body = answers.encode(said)
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        if isinstance(said, Answer):
            self._metrics.taken()
            await _send(send, HTTPStatus.OK, headers, body)
            return
        self._metrics.rejected(said.code)
        if said.after is not None:
            headers.append((b"retry-after", b"%d" % said.after))
        await _send(send, _status(said), headers, body)

    async def _said(self, scope: Scope, receive: Receive) -> Said:
        """What is answered: every error has a code and a reason."""
        try:
            return await self._do(await _incoming(scope, receive))
        except AgentError as error:
            after = int(error.after or 1) if isinstance(error, RetryLater) else None
            line = redact.printable(error.message)[:LINE]
            return Rejection(code=error.code, message=line, after=after)
        except Exception:  # the client is told that it was us, and may try again
            log.exception("request.bug")
            busy = "the server cannot keep this now; try again later"
            return Rejection(code="server.failed", message=busy, after=60)


async def _incoming(scope: Scope, receive: Receive) -> Incoming:
    """The request, of whose body no more is read than a report may have."""
    client = scope.get("client")
    return Incoming(
        method=scope["method"],
        path=scope["path"],
        # Of a header that comes more than once the first counts.
        headers={
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(scope["headers"])
        },
        body=await read_body(receive, LIMIT),
        address=site_of(client[0]) if client else "",
    )


def _status(rejection: Rejection) -> HTTPStatus:
    known = _STATUS.get(rejection.code)
    if known is not None:
        return known
    is_later = rejection.after is not None
    return HTTPStatus.TOO_MANY_REQUESTS if is_later else HTTPStatus.BAD_REQUEST


async def _send(
    send: Send, status: HTTPStatus, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
