"""How pages are made: in the visitor's language, with headers that let nothing else in."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from koprogo_agent.fleet.pages.languages import Language, preferred, words

LANGUAGE_COOKIE = "language"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Looks:
    """Makes pages."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("koprogo_agent.fleet.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = _moment

    def page(
        self, request: Request, template: str, status: int = 200, **values: object
    ) -> Response:
        """A page.

        Args:
            request: whose visitor has a language, and may be somebody of the staff.
            template: its file.
            status: of the answer.
            values: what it shows.
        """
        language = language_of(request)
        body = self._templates.get_template(template).render(
            language=language,
            languages=tuple(Language),
            path=request.url.path,
            staff=getattr(request.state, "staff", None),
            w=words(language),
            **values,
        )
        return Response(body, status, _HEADERS, "text/html; charset=utf-8")


def language_of(request: Request) -> Language:
    """What the visitor has chosen, or what the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in set(Language):
        return Language(chosen)
    return preferred(request.headers.get("accept-language", ""))


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
