"""Logging in at an OpenID provider: the way there, and the way back.

Who comes back comes from another site, and their browser keeps the session's cookie (strict) from
whatever that leads to. So they get a page of ours, which leads on by itself.
"""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from http import HTTPStatus
from time import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from koprogo_agent import logs
from koprogo_agent.errors import AgentError, Refused, RetryLater
from koprogo_agent.fleet.openid.pending import LASTS, Pending, Seal
from koprogo_agent.fleet.openid.provider import UNTRUSTED, Person, Provider
from koprogo_agent.fleet.pages.entrance import SIGN_ON, Entrance, Told
from koprogo_agent.fleet.pages.looks import Looks
from koprogo_agent.fleet.settings import FleetSettings, OpenId
from koprogo_agent.fleet.store.staff import Staff

log = logs.get_logger()

_BACK = f"{SIGN_ON}/back"


class SignOn:
    """Lets staff in whom the provider vouches for."""

    def __init__(
        self,
        settings: FleetSettings,
        client: OpenId,
        staff: Staff,
        entrance: Entrance,
        looks: Looks,
    ) -> None:
        self._provider = Provider(client, settings.public_url + _BACK)
        self._seal = Seal(client.secret.get_secret_value())
        self._staff = staff
        self._entrance = entrance
        self._looks = looks
        self._is_https = settings.is_https
        self._cookie = "__Host-login" if settings.is_https else "login"

    def routes(self) -> list[BaseRoute]:
        """Both ways."""
        return [Route(SIGN_ON, self._go), Route(_BACK, self._come_back)]

    async def _go(self, request: Request) -> Response:
        if not self._entrance.may_try(request, "there"):
            return _to_login(Told.TOO_OFTEN)
        try:
            address, pending = await self._provider.begin()
        except AgentError as error:
            return _failed(error)
        answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            self._cookie,
            self._seal.seal(pending, int(time())),
            max_age=LASTS,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="lax",  # it has to be there when somebody comes from the provider
        )
        return answer

    async def _come_back(self, request: Request) -> Response:
        pending = self._seal.open(request.cookies.get(self._cookie, ""), int(time()))
        if not self._entrance.may_try(request, "back"):
            answer = _to_login(Told.TOO_OFTEN)
        elif pending is None or not _fits(pending, request):
            answer = _to_login(Told.OLD)
        else:
            answer = await self._judge(request, pending)
        # Whatever came of it: a login is tried once.
        answer.delete_cookie(self._cookie, path="/", secure=self._is_https, httponly=True)
        return answer

    async def _judge(self, request: Request, pending: Pending) -> Response:
        try:
            person = await self._person(request, pending)
        except AgentError as error:
            return _failed(error)
        if person is None:
            return _to_login(Told.DENIED)
        name = await asyncio.to_thread(self._staff.vouched, person.email, person.subject)
        if name is None:
            log.info("sign_on.stranger")
            return _to_login(Told.STRANGER)
        answer = self._looks.page(request, "come_in.html")
        answer.headers["Refresh"] = "0; url=/"
        await self._entrance.begin(answer, name)
        return answer

    async def _person(self, request: Request, pending: Pending) -> Person | None:
        """Who it is; None if they, or the provider, did not want to say."""
        said = request.query_params
        if said.get("error") == "access_denied":
            return None
        if "error" in said or not said.get("code"):
            raise Refused("the provider sent somebody back without a code", code=UNTRUSTED)
        return await self._provider.end(pending, said["code"])


def _fits(pending: Pending, request: Request) -> bool:
    said = request.query_params.get("state", "")
    return compare_digest(said.encode(), pending.state.encode())


def _failed(error: AgentError) -> Response:
    log.warning("sign_on.failed", code=error.code, why=error.message)
    return _to_login(Told.SILENT if isinstance(error, RetryLater) else Told.UNTRUSTED)


def _to_login(told: Told) -> Response:
    """Away from an address that holds a code."""
    return RedirectResponse(f"/login?told={told}", HTTPStatus.SEE_OTHER)
