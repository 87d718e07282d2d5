"""The staff's pages: each asks the desk, and shows what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from time import time
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from koprogo_agent.errors import Refused
from koprogo_agent.fleet import asking
from koprogo_agent.fleet.desk import Desk
from koprogo_agent.fleet.domain.census import Who
from koprogo_agent.fleet.pages.looks import Looks
from koprogo_agent.fleet.views.listing import Filter

Answer = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Answer], Answer]


class Rooms:
    """The pages that only staff may see."""

    def __init__(self, desk: Desk, looks: Looks, zone: str) -> None:
        self._desk = desk
        self._looks = looks
        self._zone = ZoneInfo(zone)

    def routes(self, guard: Guard) -> list[BaseRoute]:
        """All of them, behind a guard."""
        pages: Mapping[str, Answer] = {
            "/": self._fleet,
            "/releases": self._releases,
            "/releases/{tag}": self._release,
            "/instances": self._instances,
            "/instances/{name}": self._instance,
            "/attention": self._attention,
            "/then": self._then,
        }
        return [Route(path, guard(self._found(answer))) for path, answer in pages.items()]

    def _found(self, answer: Answer) -> Answer:
        async def answered(request: Request) -> Response:
            # What changes while the page is made and sent is news to it.
            request.state.revision = self._desk.revision
            try:
                return await answer(request)
            except Refused:
                return self._looks.page(request, "missing.html", status=HTTPStatus.NOT_FOUND)

        return answered

    async def _fleet(self, request: Request) -> Response:
        query = request.query_params
        who, days = asking.who(query), asking.days(query)
        adoption, exposure = await asyncio.to_thread(self._desk.adoption, days, who)
        values = {
            "seen": self._desk.fleet(who),
            "who": who,
            "whose": tuple(Who),
            "days": days,
            "ranges": asking.RANGES,
            "adoption": adoption,
            "exposure": exposure,
            "zone": str(self._zone),
        }
        return self._looks.page(request, "fleet.html", values)

    async def _releases(self, request: Request) -> Response:
        found = await asyncio.to_thread(self._desk.releases)
        return self._looks.page(request, "releases.html", {"at": int(time()), "found": found})

    async def _release(self, request: Request) -> Response:
        seen = await asyncio.to_thread(self._desk.release, request.path_params["tag"])
        return self._looks.page(request, "release.html", {"at": int(time()), "seen": seen})

    async def _instances(self, request: Request) -> Response:
        query = dict(request.query_params)
        sort, after = query.get("sort", asking.ORDERS[0]), query.get("after", "")
        values: dict[str, object] = {
            "at": int(time()),
            "states": asking.STATES,
            "sort": sort,
            "asked": query,
        }
        try:
            wanted = Filter.of(query)
            found = await asyncio.to_thread(self._desk.instances, wanted, sort, after)
        except Refused:
            values["found"] = None
            return self._looks.page(request, "instances.html", values, HTTPStatus.BAD_REQUEST)
        values |= {"found": found, "first": urlencode({**wanted.asked, "sort": sort})}
        return self._looks.page(request, "instances.html", values)

    async def _instance(self, request: Request) -> Response:
        name, before = request.path_params["name"], asking.number(request.query_params, "before")
        seen = await asyncio.to_thread(self._desk.instance, name, before)
        return self._looks.page(request, "instance.html", {"seen": seen})

    async def _attention(self, request: Request) -> Response:
        seen = await asyncio.to_thread(self._desk.attention)
        return self._looks.page(request, "attention.html", {"seen": seen})

    async def _then(self, request: Request) -> Response:
        asked = request.query_params.get("at", "")
        values: dict[str, object] = {"asked": asked, "zone": str(self._zone)}
        values |= {"wrong": False, "seen": None, "outage": False}
        try:
            at = asking.moment(request.query_params, self._zone)
        except Refused:
            values["wrong"] = True
            return self._looks.page(request, "then.html", values, HTTPStatus.BAD_REQUEST)
        if at is not None:
            values["seen"] = await asyncio.to_thread(self._desk.then, at)
            values["outage"] = await asyncio.to_thread(self._desk.was_outage, at)
        return self._looks.page(request, "then.html", values)
