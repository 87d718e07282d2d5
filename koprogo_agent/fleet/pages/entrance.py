"""The way in and out. Who is not of the staff sees it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from time import monotonic, time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from koprogo_agent.fleet.intake.limits import Limit, site_of
from koprogo_agent.fleet.pages.forms import read_form
from koprogo_agent.fleet.pages.looks import Looks
from koprogo_agent.fleet.pages.rooms import Answer
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.store.staff import LONGEST, Staff

SIGN_ON = "/login/oidc"
"""Where one logs in at an OpenID provider, if there is one."""
_TRIES, _MINUTE = 10.0, 60.0


class Told(StrEnum):
    """Why somebody is not in yet; each is a key of the words."""

    DENIED = "sign_on_denied"
    OLD = "sign_on_old"
    SILENT = "sign_on_silent"
    STRANGER = "sign_on_stranger"
    TOO_OFTEN = "too_often"
    UNTRUSTED = "sign_on_untrusted"
    WRONG = "wrong"


class Entrance:
    """Lets staff in, by name and password, and out.

    Attributes:
        cookie: name of the one that holds a session's secret.
    """

    def __init__(self, settings: FleetSettings, staff: Staff, looks: Looks) -> None:
        self._settings = settings
        self._staff = staff
        self._looks = looks
        self._tries = Limit(_TRIES, _MINUTE)
        # The prefix has browsers take it only from this very host, over TLS.
        self.cookie = "__Host-session" if settings.is_https else "session"

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/login", self._way_in),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    def for_staff(self, answer: Answer) -> Answer:
        """Whoever is not of the staff sees the way in."""
        return self.guarded(answer, lambda: RedirectResponse("/login", HTTPStatus.SEE_OTHER))

    def guarded(self, answer: Answer, otherwise: Callable[[], Response]) -> Answer:
        """An answer for staff, and another for everybody else."""

        async def guarded(request: Request) -> Response:
            secret = request.cookies.get(self.cookie, "")
            name = await asyncio.to_thread(self._staff.who, secret, int(time()))
            if name is None:
                return otherwise()
            request.state.staff = name
            return await answer(request)

        return guarded

    async def _way_in(self, request: Request) -> Response:
        told = request.query_params.get("told")
        answer = self._door(request, Told(told) if told in set(Told) else None)
        # An open page whose session is over asks for a part of itself: it comes here whole.
        answer.headers["HX-Redirect"] = "/login"
        return answer

    async def _log_in(self, request: Request) -> Response:
        if not self._is_from_here(request):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        form = await read_form(request)
        name, password = form.get("name", "").strip().lower(), form.get("password", "")
        if not (self.may_try(request, "from") and self._tries.allows(name, monotonic())):
            return self._door(request, Told.TOO_OFTEN, HTTPStatus.TOO_MANY_REQUESTS)
        if not await asyncio.to_thread(self._staff.knows, name, password):
            return self._door(request, Told.WRONG, HTTPStatus.UNAUTHORIZED)
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        await self.begin(answer, name)
        return answer

    async def begin(self, answer: Response, name: str) -> None:
        """Begins a session of somebody of the staff, with this answer."""
        secret = await asyncio.to_thread(self._staff.begin, name, int(time()))
        answer.set_cookie(
            self.cookie,
            secret,
            max_age=LONGEST,
            path="/",
            secure=self._settings.is_https,
            httponly=True,
            samesite="strict",
        )

    def may_try(self, request: Request, what: str) -> bool:
        """Whether the visitor's address may do this once more; if so, it is counted."""
        address = site_of(request.client.host) if request.client else ""
        return self._tries.allows((what, address), monotonic())

    def _door(
        self, request: Request, told: Told | None, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        openid = self._settings.openid
        sign_on = (SIGN_ON, openid.label) if openid else None
        shown = {"wrong": told, "sign_on": sign_on}
        return self._looks.page(request, "login.html", shown, status)

    async def _log_out(self, request: Request) -> Response:
        if not self._is_from_here(request):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        await asyncio.to_thread(self._staff.end, request.cookies.get(self.cookie, ""))
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        secure = self._settings.is_https
        answer.delete_cookie(self.cookie, path="/", secure=secure, httponly=True)
        return answer

    def _is_from_here(self, request: Request) -> bool:
        """Whether a form was sent from a page of this site, as browsers say.

        The session's cookie is strict already; this is for the form without one.
        """
        origin = request.headers.get("origin")
        return origin in {None, self._settings.public_url}
