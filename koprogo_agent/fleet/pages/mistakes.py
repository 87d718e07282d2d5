"""What is said where there is nothing, and where the server has made a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from time import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match

from koprogo_agent.fleet.api.answers import rejected
from koprogo_agent.fleet.api.openapi import PREFIX
from koprogo_agent.fleet.pages.looks import Looks


class Mistakes:
    """Says so: a page to people, and a rejection to programs."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    def handlers(self) -> Mapping[Any, Any]:
        """As the application takes them."""
        return {HTTPException: self._not_there, Exception: self._failed}

    async def _not_there(self, request: Request, error: HTTPException) -> Response:
        """No such address; or not for this method, and then for which."""
        status = HTTPStatus(error.status_code)
        if _is_of_program(request):
            code = "address.unknown" if status is HTTPStatus.NOT_FOUND else "address.method"
            answer = rejected(status, code, status.description)
        elif status is HTTPStatus.NOT_FOUND:
            answer = self._looks.page(request, "missing.html", status=status)
        else:
            answer = PlainTextResponse(status.phrase, status)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return answer

    async def _failed(self, request: Request, _error: Exception) -> Response:
        """Our own fault. What it was is for the log alone: it is raised again, to be there."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if _is_of_program(request):
            return rejected(status, "server.failed", "the server has made a mistake")
        return self._looks.page(request, "failed.html", {"at": int(time())}, status)


def _methods(request: Request) -> set[str]:
    """With which this address may be asked; each may have a route of its own."""
    there = (one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE)
    return {method for one in there for method in getattr(one, "methods", None) or ()}


def _is_of_program(request: Request) -> bool:
    return request.url.path.startswith(f"{PREFIX}/")
