"""The server's addresses, and what is answered there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from koprogo_agent import logs, redact
from koprogo_agent.errors import AgentError, RetryLater
from koprogo_agent.fleet import selfcheck
from koprogo_agent.fleet.bodies import read_body
from koprogo_agent.fleet.desk import Desk, Sources
from koprogo_agent.fleet.instances import CLONED
from koprogo_agent.fleet.intake import Incoming, Intake
from koprogo_agent.fleet.metrics import Metrics
from koprogo_agent.fleet.pages.live import Live
from koprogo_agent.fleet.pages.site import Site
from koprogo_agent.fleet.rounds import Round, every, going
from koprogo_agent.fleet.selfcheck import SelfCheck
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store import Store
from koprogo_agent.fleet.upkeep import Upkeep
from koprogo_agent.fleet.writer import Writer
from koprogo_agent.wire import INSTANCES, LIMIT, REPORTS
from koprogo_agent.wire import answer as answers
from koprogo_agent.wire.answer import BEHIND, LINE, UNKNOWN, Answer, Rejection

log = logs.get_logger()

_STATUS = {
    BEHIND: HTTPStatus.CONFLICT,
    UNKNOWN: HTTPStatus.NOT_FOUND,
    CLONED: HTTPStatus.CONFLICT,
    "instance.other": HTTPStatus.FORBIDDEN,
    "report.size": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "signature.missing": HTTPStatus.UNAUTHORIZED,
    "signature.invalid": HTTPStatus.UNAUTHORIZED,
    "signature.time": HTTPStatus.UNAUTHORIZED,
}
_JSON = "application/json"


class Server:
    """One server: what it knows, and the application that answers for it."""

    def __init__(self, settings: FleetSettings, engine: Engine) -> None:
        store = Store(engine)
        self._writer = Writer(store)
        self._sharing = Sharing(settings, engine, store)
        self.intake = Intake(settings, store, self._writer, self._sharing)
        self.metrics = Metrics(self._sharing.known)
        self._upkeep = Upkeep(settings, engine, self._sharing)
        self._selfcheck = SelfCheck(settings.public_url)
        sources = Sources(settings, engine, self._sharing, self.metrics, self._selfcheck)
        self._desk = desk = Desk(sources)
        self.live = Live(lambda: desk.revision)
        self.app = Starlette(
            routes=[
                Route(REPORTS, self._guarded(self._report), methods=["POST"]),
                Route(INSTANCES + "/{name}", self._guarded(self._erase), methods=["DELETE"]),
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
                *Site(settings, engine, desk, self.live).routes(),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        looks = (
            Round("live", self.live.look, every(1)),
            Round("selfcheck", self._selfcheck.look, every(selfcheck.EVERY)),
        )
        async with (
            self._sharing.running(),
            self._writer.running(),
            self._upkeep.running(),
            going(*looks),
        ):
            yield

    async def _report(self, request: Request) -> Response:
        said = await self.intake.take(await _incoming(request))
        if isinstance(said, Rejection):
            return self._rejected(said)
        self.metrics.taken()
        return _json(said, HTTPStatus.OK)

    async def _erase(self, request: Request) -> Response:
        await self.intake.erase(await _incoming(request), request.path_params["name"])
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _health(self, _request: Request) -> Response:
        return Response('{"status":"ok"}', media_type=_JSON)

    async def _metrics(self, _request: Request) -> Response:
        newest = await asyncio.to_thread(self._desk.newest)
        return Response(self.metrics.page(newest), media_type=CONTENT_TYPE_LATEST)

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Every error has a code, a reason and a place among the metrics."""

        async def guarded(request: Request) -> Response:
            try:
                return await answer(request)
            except AgentError as error:
                after = int(error.after or 1) if isinstance(error, RetryLater) else None
                line = redact.printable(error.message)[:LINE]
                return self._rejected(Rejection(code=error.code, message=line, after=after))
            except Exception:  # the client is told that it was us, and may try again
                log.exception("request.bug")
                busy = "the server cannot keep this now; try again later"
                return self._rejected(Rejection(code="server.failed", message=busy, after=60))

        return guarded

    def _rejected(self, rejection: Rejection) -> Response:
        self.metrics.rejected(rejection.code)
        if rejection.code == "server.failed":
            status = HTTPStatus.SERVICE_UNAVAILABLE
        elif rejection.after is not None:
            status = HTTPStatus.TOO_MANY_REQUESTS
        else:
            status = _STATUS.get(rejection.code, HTTPStatus.BAD_REQUEST)
        return _json(rejection, status)


async def _incoming(request: Request) -> Incoming:
    """The request, of whose body no more is read than a report may have."""
    body = await read_body(request, LIMIT)
    return Incoming(
        method=request.method,
        path=request.url.path,
        headers=request.headers,
        body=body,
        address=request.client.host if request.client else "",
    )


def _json(message: Answer | Rejection, status: HTTPStatus) -> Response:
    headers = {}
    if isinstance(message, Rejection) and message.after is not None:
        headers["Retry-After"] = str(message.after)
    return Response(answers.encode(message), status, headers, media_type=_JSON)
