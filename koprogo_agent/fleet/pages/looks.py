"""How pages are made: in the visitor's language, with headers that let nothing else in."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from koprogo_agent.fleet.pages.languages import Language, preferred, words
from koprogo_agent.fleet.pages.writing import Writing

LANGUAGE_COOKIE = "language"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Looks:
    """Makes pages, in which moments are those of a time zone."""

    def __init__(self, zone: str) -> None:
        self._templates = Environment(
            loader=PackageLoader("koprogo_agent.fleet.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["data"] = _data
        self._writing = {each: Writing(each, zone) for each in Language}

    def page(
        self,
        request: Request,
        template: str,
        values: Mapping[str, object] | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        """A page.

        Args:
            request: whose visitor has a language, and may be somebody of the staff.
            template: its file.
            values: what it shows.
            status: of the answer.
        """
        language = language_of(request)
        query = request.url.query
        body = self._templates.get_template(template).render(
            language=language,
            languages=tuple(Language),
            path=request.url.path,
            back=request.url.path + (f"?{query}" if query else ""),
            staff=getattr(request.state, "staff", None),
            revision=getattr(request.state, "revision", None),
            w=words(language),
            write=self._writing[language],
            **(values or {}),
        )
        return Response(body, status, HEADERS, "text/html; charset=utf-8")

    def drawing(self, template: str, **values: object) -> str:
        """A picture that has no language."""
        return self._templates.get_template(template).render(**values)


def language_of(request: Request) -> Language:
    """What the visitor has chosen, or what the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in set(Language):
        return Language(chosen)
    return preferred(request.headers.get("accept-language", ""))


def _data(value: object) -> Markup:
    """A value for a script of ours to read; nothing in it can end the element that it is in."""
    text = msgspec.json.encode(value).decode()
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - harmless, by the lines above
