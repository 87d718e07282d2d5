"""The dashboard's addresses. Who is not of the staff sees the way in, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic, time
from urllib.parse import parse_qs

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.api import Api, unauthorized
from koprogo_agent.fleet.bodies import read_body
from koprogo_agent.fleet.desk import Desk
from koprogo_agent.fleet.limits import Limit
from koprogo_agent.fleet.pages.languages import Language
from koprogo_agent.fleet.pages.live import Live
from koprogo_agent.fleet.pages.looks import LANGUAGE_COOKIE, Looks
from koprogo_agent.fleet.pages.public import PublicPages
from koprogo_agent.fleet.pages.rooms import Answer, Rooms
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.staff import LONGEST, Staff

_TRIES, _MINUTE = 10.0, 60.0
_LARGEST_FORM = 4096
_YEAR = 365 * 86_400


class Site:
    """The pages, of one server."""

    def __init__(self, settings: FleetSettings, engine: Engine, desk: Desk, live: Live) -> None:
        self._settings = settings
        self._desk = desk
        self._live = live
        self._staff = Staff(engine)
        self._looks = Looks(settings.timezone)
        self._tries = Limit(_TRIES, _MINUTE)
        self._is_https = settings.public_url.startswith("https://")
        # The prefix has browsers take it only from this very host, over TLS.
        self._cookie = "__Host-session" if self._is_https else "session"

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        zone = self._settings.timezone
        return [
            *Rooms(self._desk, self._looks, zone).routes(self._for_staff),
            *Api(self._desk, zone).routes(self._for_programs),
            *PublicPages(self._desk, self._looks).routes(),
            Route("/live", self._for_programs(self._live.answer)),
            Route("/login", self._way_in),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/language", self._choose_language, methods=["POST"]),
            Mount("/static", StaticFiles(packages=[("koprogo_agent.fleet.pages", "static")])),
        ]

    # --- coming and going

    def _for_staff(self, answer: Answer) -> Answer:
        """Whoever is not of the staff sees the way in."""
        return self._guarded(answer, lambda: RedirectResponse("/login", HTTPStatus.SEE_OTHER))

    def _for_programs(self, answer: Answer) -> Answer:
        """Whoever is not of the staff is told so."""
        return self._guarded(answer, unauthorized)

    def _guarded(self, answer: Answer, otherwise: Callable[[], Response]) -> Answer:
        async def guarded(request: Request) -> Response:
            secret = request.cookies.get(self._cookie, "")
            name = await asyncio.to_thread(self._staff.who, secret, int(time()))
            if name is None:
                return otherwise()
            request.state.staff = name
            return await answer(request)

        return guarded

    async def _way_in(self, request: Request) -> Response:
        return self._looks.page(request, "login.html", {"wrong": None})

    async def _log_in(self, request: Request) -> Response:
        if not self._is_from_here(request):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        form = await _form(request)
        name, password = form.get("name", "").strip().lower(), form.get("password", "")
        address = request.client.host if request.client else ""
        if not all(self._tries.allows(key, monotonic()) for key in (("from", address), name)):
            return self._not_in(request, "too_often", HTTPStatus.TOO_MANY_REQUESTS)
        if not await asyncio.to_thread(self._staff.knows, name, password):
            return self._not_in(request, "wrong", HTTPStatus.UNAUTHORIZED)
        secret = await asyncio.to_thread(self._staff.begin, name, int(time()))
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            self._cookie,
            secret,
            max_age=LONGEST,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _not_in(self, request: Request, why: str, status: HTTPStatus) -> Response:
        return self._looks.page(request, "login.html", {"wrong": why}, status)

    async def _log_out(self, request: Request) -> Response:
        if not self._is_from_here(request):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        await asyncio.to_thread(self._staff.end, request.cookies.get(self._cookie, ""))
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(self._cookie, path="/", secure=self._is_https, httponly=True)
        return answer

    async def _choose_language(self, request: Request) -> Response:
        form = await _form(request)
        back = form.get("back", "/")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        answer = RedirectResponse(back if is_ours else "/", HTTPStatus.SEE_OTHER)
        if form.get("language") in set(Language):
            answer.set_cookie(
                LANGUAGE_COOKIE,
                form["language"],
                max_age=_YEAR,
                path="/",
                secure=self._is_https,
                httponly=True,
                samesite="lax",
            )
        return answer

    def _is_from_here(self, request: Request) -> bool:
        """Whether a form was sent from a page of this site, as browsers say.

        The session's cookie is strict already; this is for the form without one.
        """
        origin = request.headers.get("origin")
        return origin in {None, self._settings.public_url}


async def _form(request: Request) -> dict[str, str]:
    """A small form; what is given twice counts once. One that is none has nothing in it."""
    try:
        body = await read_body(request.receive, _LARGEST_FORM)
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    except (Refused, ValueError):
        return {}
    return {name: values[-1] for name, values in fields.items()}
