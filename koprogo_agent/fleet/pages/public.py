"""What everybody may see, made once a minute."""

from __future__ import annotations

from http import HTTPStatus
from time import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from koprogo_agent.fleet.desk import Desk
from koprogo_agent.fleet.pages.looks import Looks
from koprogo_agent.fleet.views.public import Public

_MINUTE = 60
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": f"public, max-age={_MINUTE}",
    "X-Content-Type-Options": "nosniff",
}
_WELL, _FAIR = 0.95, 0.8
_COLOURS = {_WELL: "#15803d", _FAIR: "#92400e", 0.0: "#9f1239"}
_LETTER = 7
"""Pixels, about."""


class PublicPages:
    """The page, the same as JSON, and a badge."""

    def __init__(self, desk: Desk, looks: Looks) -> None:
        self._desk = desk
        self._looks = looks
        self._made: Public | None = None

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/public", self._page),
            Route("/public.json", self._document),
            Route("/badge.svg", self._badge),
        ]

    def _public(self) -> Public:
        if self._made is None or time() - self._made.at >= _MINUTE:
            self._made = self._desk.public()
        return self._made

    async def _page(self, request: Request) -> Response:
        return self._looks.page(request, "public.html", {"seen": self._public()})

    async def _document(self, _request: Request) -> Response:
        body = msgspec.json.encode(self._public())
        return Response(body, HTTPStatus.OK, _HEADERS, "application/json")

    async def _badge(self, _request: Request) -> Response:
        seen = self._public()
        known = seen.share is not None and seen.newest is not None
        text = f"{seen.share:.0%} {seen.newest}" if known else "?"
        colour = next(each for least, each in _COLOURS.items() if (seen.share or 0) >= least)
        width = 74 + _LETTER * len(text)
        body = self._looks.drawing("badge.svg", text=text, colour=colour, width=width)
        return Response(body, HTTPStatus.OK, _HEADERS, "image/svg+xml")
