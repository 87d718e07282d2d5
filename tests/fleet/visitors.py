"""A browser without JavaScript, and what it shows."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import NamedTuple

from koprogo_agent.fleet.store.staff import Staff
from tests.fleet.servers import Fleet

PASSWORD = "correct horse battery"


def employ(fleet: Fleet, name: str) -> None:
    """Takes somebody in among the staff, as `koprogo-fleet user` does, in a tenth of the time."""
    with fleet.tables() as engine:
        Staff(engine).add(name, PASSWORD, int(time.time()))


class Page(NamedTuple):
    """What a visitor sees."""

    status: int
    url: str
    text: str
    headers: dict[str, str]


class Visitor:
    """A browser without JavaScript, with its cookies."""

    def __init__(self, fleet: Fleet, address: str = "127.0.0.1") -> None:
        """It has been nowhere yet; a proxy says that it comes from this address."""
        self.fleet = fleet
        self._address = {"X-Forwarded-For": address}
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def sees(self, path: str, language: str = "en", **form: str) -> Page:
        """Goes to an address, or sends a form there."""
        data = urllib.parse.urlencode(form).encode() if form else None
        return self._goes(path, data, {"Accept-Language": language, "Origin": self.fleet.url})

    def opens(self, path: str) -> HTTPResponse:
        """An address whose answer does not end."""
        asked = urllib.request.Request(self.fleet.url + path)  # noqa: S310 - ours
        answer: HTTPResponse = self._opener.open(asked, timeout=30)
        return answer

    def is_sent(self, path: str, origin: str) -> Page:
        """Another site has it send a form."""
        return self._goes(path, b"name=ann&password=x", {"Origin": origin})

    def _goes(self, path: str, data: bytes | None, headers: dict[str, str]) -> Page:
        said = headers | self._address
        asked = urllib.request.Request(self.fleet.url + path, data, said)  # noqa: S310 - ours
        try:
            with self._opener.open(asked, timeout=30) as answer:
                return Page(answer.status, answer.url, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Page(error.code, error.url, error.read().decode(), dict(error.headers))
