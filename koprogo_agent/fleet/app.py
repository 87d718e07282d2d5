"""The server's addresses, and what is answered there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from koprogo_agent.fleet import selfcheck
from koprogo_agent.fleet.desk import Desk, Sources
from koprogo_agent.fleet.intake.exchange import Exchange
from koprogo_agent.fleet.intake.taking import Incoming, Intake
from koprogo_agent.fleet.intake.writer import Writer
from koprogo_agent.fleet.metrics import Metrics
from koprogo_agent.fleet.pages.live import Live
from koprogo_agent.fleet.pages.site import Site
from koprogo_agent.fleet.rounds import Round, every, going
from koprogo_agent.fleet.selfcheck import SelfCheck
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.fleet.upkeep import Upkeep
from koprogo_agent.wire import INSTANCES, REPORTS

_JSON = "application/json"


class Server:
    """One server: what it knows, and the application that answers for it."""

    def __init__(self, settings: FleetSettings, engine: Engine) -> None:
        store = Store(engine)
        self._writer = Writer(store)
        self._sharing = Sharing(settings, engine, store)
        self.intake = Intake(settings, store, self._writer, self._sharing)
        self.metrics = Metrics(self._sharing.known)
        erasing = Exchange(self._erase, self.metrics)
        self._upkeep = Upkeep(settings, engine, self._sharing)
        self._selfcheck = SelfCheck(settings.public_url)
        sources = Sources(settings, engine, self._sharing, self.metrics, self._selfcheck)
        self._desk = desk = Desk(sources)
        self.live = Live(lambda: desk.revision)
        site = Site(settings, engine, desk, self.live)
        self.app = Starlette(
            routes=[
                Route(REPORTS, Exchange(self.intake.take, self.metrics), methods=["POST"]),
                Route(INSTANCES + "/{name}", erasing, methods=["DELETE"]),
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
                *site.routes(),
            ],
            exception_handlers=site.handlers(),
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

    async def _erase(self, incoming: Incoming) -> None:
        await self.intake.erase(incoming, incoming.path.rpartition("/")[2])

    async def _health(self, _request: Request) -> Response:
        return Response('{"status":"ok"}', media_type=_JSON)

    async def _metrics(self, _request: Request) -> Response:
        newest = await asyncio.to_thread(self._desk.newest)
        return Response(self.metrics.page(newest), media_type=CONTENT_TYPE_LATEST)
