"""What staff's own programs may ask: the same as the pages, as JSON. Described in `openapi`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from koprogo_agent.errors import Refused
from koprogo_agent.fleet import asking
from koprogo_agent.fleet.api.openapi import PREFIX, document
from koprogo_agent.fleet.desk import UNKNOWN_INSTANCE, Desk
from koprogo_agent.fleet.views.listing import Filter
from koprogo_agent.wire.answer import LINE, Rejection

_JSON = "application/json"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Asked = Callable[[Request], Awaitable[object]]
Answer = Callable[[Request], Awaitable[Response]]


class Api:
    """Answers, to whom the guard lets through."""

    def __init__(self, desk: Desk, zone: str, cookie: str) -> None:
        self._desk = desk
        self._zone = ZoneInfo(zone)
        self._document = msgspec.json.encode(document(cookie))

    def routes(self, guard: Callable[[Answer], Answer]) -> list[BaseRoute]:
        """All of them; the description is for everybody."""
        questions: Mapping[str, Asked] = {
            "/fleet": self._fleet,
            "/adoption": self._adoption,
            "/releases": self._releases,
            "/releases/{tag}": self._release,
            "/instances": self._instances,
            "/instances/{name}": self._instance,
            "/attention": self._attention,
        }
        return [
            Route(f"{PREFIX}/openapi.json", self._described, methods=["GET"]),
            *(
                Route(PREFIX + path, guard(_answered(ask)), methods=["GET"])
                for path, ask in questions.items()
            ),
        ]

    async def _described(self, _request: Request) -> Response:
        return Response(self._document, HTTPStatus.OK, _HEADERS, _JSON)

    async def _fleet(self, request: Request) -> object:
        who, at = asking.who(request.query_params), asking.moment(request.query_params, self._zone)
        if at is None:
            return self._desk.fleet(who)
        return await asyncio.to_thread(self._desk.then, at)

    async def _adoption(self, request: Request) -> object:
        who, days = asking.who(request.query_params), asking.days(request.query_params)
        adoption, exposure = await asyncio.to_thread(self._desk.adoption, days, who)
        return {"adoption": adoption, "exposure": exposure}

    async def _releases(self, _request: Request) -> object:
        return await asyncio.to_thread(self._desk.releases)

    async def _release(self, request: Request) -> object:
        return await asyncio.to_thread(self._desk.release, request.path_params["tag"])

    async def _instances(self, request: Request) -> object:
        query = request.query_params
        sort, after = query.get("sort", asking.ORDERS[0]), query.get("after", "")
        return await asyncio.to_thread(self._desk.instances, Filter.of(query), sort, after)

    async def _instance(self, request: Request) -> object:
        name, before = request.path_params["name"], asking.number(request.query_params, "before")
        return await asyncio.to_thread(self._desk.instance, name, before)

    async def _attention(self, _request: Request) -> object:
        return await asyncio.to_thread(self._desk.attention)


def unauthorized() -> Response:
    """Nobody has logged in."""
    return rejected(HTTPStatus.UNAUTHORIZED, "session.missing", "log in at /login first")


def _answered(ask: Asked) -> Answer:
    async def answered(request: Request) -> Response:
        try:
            body = msgspec.json.encode(await ask(request))
        except Refused as error:
            unknown = error.code == UNKNOWN_INSTANCE
            status = HTTPStatus.NOT_FOUND if unknown else HTTPStatus.BAD_REQUEST
            return rejected(status, error.code, error.message)
        return Response(body, HTTPStatus.OK, _HEADERS, _JSON)

    return answered


def rejected(status: HTTPStatus, code: str, message: str) -> Response:
    """A program is told why it gets nothing else."""
    body = msgspec.json.encode(Rejection(code=code, message=message[:LINE]))
    return Response(body, status, _HEADERS, _JSON)
