"""A visitor who logs in at an OpenID provider, and what they are told."""

from __future__ import annotations

import itertools
import ssl
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from tests.fleet.providers import (
    Provider,
)
from tests.fleet.servers import Fleet
from tests.fleet.visitors import Page, Visitor

ANN = "ann@koprogo.com"
PASSWORD = "correct horse battery"
GO, BACK = "/login/oidc", "/login/oidc/back"
DENIED = "did not agree"
OLD = "expired or began elsewhere"
SILENT = "does not answer"
STRANGER = "not one of the staff"
UNTRUSTED = "cannot be used"

_addresses = itertools.count(1)


def visitor_of(fleet: Fleet) -> Visitor:
    """Somebody whose address has asked for nothing yet."""
    number = next(_addresses)
    return Visitor(fleet, f"10.0.{number // 250}.{number % 250 + 1}")


def comes(fleet: Fleet) -> Page:
    """What a new visitor sees in the end, who presses the button."""
    return visitor_of(fleet).sees(GO)


def is_told(page: Page, line: str) -> bool:
    """Whether it is the login page, at an address without a code, with this line."""
    right = page.status == 200 and "/login?told=" in page.url and "code" not in page.url
    return right and 'role="alert"' in page.text and line in page.text


def started(provider: Provider, folder: Path, **more: str) -> Iterator[Fleet]:
    """A server that has this provider."""
    fleet = Fleet(f"sqlite:///{folder}/fleet.db", folder, provider.settings | more)
    assert ANN in fleet.type("user", ANN, "--oidc")
    fleet.start()
    yield fleet
    fleet.kill()


class Begun(NamedTuple):
    """A login that has begun.

    Attributes:
        leads_to: the provider.
        cookie: as the browser sends it back.
        words: about the cookie, for the browser.
    """

    leads_to: str
    cookie: str
    words: set[str]


def begin(fleet: Fleet) -> Begun:
    """Presses the button, and goes nowhere yet."""
    connection = HTTPConnection("127.0.0.1", fleet.port, timeout=30)
    connection.request("GET", GO)
    answer = connection.getresponse()
    cookie, *words = str(answer.headers["set-cookie"]).split("; ")
    begun = Begun(str(answer.headers["location"]), cookie, set(words))
    connection.close()
    return begun


def goes(address: str, cookie: str, trusts: Path | None = None) -> Page:
    """Goes to an address with this cookie alone; with certificates that it trusts."""
    context = ssl.create_default_context(cafile=trusts) if trusts else None
    headers = {"Cookie": cookie, "Accept-Language": "en"}
    asked = urllib.request.Request(address, headers=headers)  # noqa: S310 - a server of ours
    with urllib.request.urlopen(asked, timeout=30, context=context) as answer:  # noqa: S310 - same
        return Page(answer.status, answer.url, answer.read().decode(), dict(answer.headers))
