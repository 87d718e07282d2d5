"""The dashboard's addresses."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from koprogo_agent.fleet.api.answers import Api, unauthorized
from koprogo_agent.fleet.desk import Desk
from koprogo_agent.fleet.pages.entrance import Entrance
from koprogo_agent.fleet.pages.forms import read_form
from koprogo_agent.fleet.pages.languages import Language
from koprogo_agent.fleet.pages.live import Live
from koprogo_agent.fleet.pages.looks import LANGUAGE_COOKIE, Looks
from koprogo_agent.fleet.pages.mistakes import Mistakes
from koprogo_agent.fleet.pages.public import PublicPages
from koprogo_agent.fleet.pages.rooms import Answer, Rooms
from koprogo_agent.fleet.pages.sign_on import SignOn
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.store.staff import Staff

_YEAR = 365 * 86_400


class Site:
    """The pages, of one server."""

    def __init__(self, settings: FleetSettings, engine: Engine, desk: Desk, live: Live) -> None:
        self._settings = settings
        self._desk = desk
        self._live = live
        self._looks = Looks(settings.timezone)
        staff = Staff(engine)
        self._entrance = Entrance(settings, staff, self._looks)
        self._sign_on = (
            SignOn(settings, settings.openid, staff, self._entrance, self._looks)
            if settings.openid
            else None
        )

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        zone = self._settings.timezone
        return [
            *Rooms(self._desk, self._looks, zone).routes(self._entrance.for_staff),
            *Api(self._desk, zone, self._entrance.cookie).routes(self._for_programs),
            *PublicPages(self._desk, self._looks).routes(),
            Route("/live", self._for_programs(self._live.answer)),
            *self._entrance.routes(),
            *(self._sign_on.routes() if self._sign_on else ()),
            Route("/language", self._choose_language, methods=["POST"]),
            Mount("/static", StaticFiles(packages=[("koprogo_agent.fleet.pages", "static")])),
        ]

    def handlers(self) -> Mapping[Any, Any]:
        """What is said where there is no answer."""
        return Mistakes(self._looks).handlers()

    def _for_programs(self, answer: Answer) -> Answer:
        """Whoever is not of the staff is told so."""
        return self._entrance.guarded(answer, unauthorized)

    async def _choose_language(self, request: Request) -> Response:
        form = await read_form(request)
        back = form.get("back", "/")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        answer = RedirectResponse(back if is_ours else "/", HTTPStatus.SEE_OTHER)
        if form.get("language") in set(Language):
            answer.set_cookie(
                LANGUAGE_COOKIE,
                form["language"],
                max_age=_YEAR,
                path="/",
                secure=self._settings.is_https,
                httponly=True,
                samesite="lax",
            )
        return answer
