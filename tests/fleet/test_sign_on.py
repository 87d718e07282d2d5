"""Logging in at an OpenID provider: who comes in, and what wrong answers lead to."""

from __future__ import annotations

import itertools
import shutil
import ssl
import urllib.request
from collections.abc import Iterator
from functools import partial
from gzip import compress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from joserfc.jwk import OctKey, RSAKey
from playwright.sync_api import sync_playwright

from tests.fleet.providers import (
    DISCOVERY,
    JWKS,
    SECRET,
    TOKEN,
    Answer,
    Provider,
    Said,
    leads_to,
    says,
    serving,
)
from tests.fleet.servers import Fleet
from tests.fleet.visitors import Page, Visitor
from tests.lab.ca import Authority
from tests.lab.processes import free_port

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


@pytest.fixture
def provider() -> Iterator[Provider]:
    """One that does everything right."""
    with serving(Provider()) as made:
        yield made


@pytest.fixture
def fleet(provider: Provider, tmp_path: Path) -> Iterator[Fleet]:
    """A server that has not asked the provider for anything yet, with Ann on the staff."""
    yield from started(provider, tmp_path)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Provider]]:
    """A server and a provider that know each other already."""
    with serving(Provider()) as provider:
        for fleet in started(provider, tmp_path_factory.mktemp("lasting")):
            assert "You are logged in." in comes(fleet).text
            yield fleet, provider


@pytest.fixture
def known(lasting: tuple[Fleet, Provider]) -> Iterator[tuple[Fleet, Provider]]:
    """The same, and the provider is itself again afterwards."""
    fleet, provider = lasting
    yield fleet, provider
    provider.person = {"email": ANN}
    provider.signs_with = provider.key
    provider.denies = ""
    for each in (provider.claims, provider.headers, provider.answers):
        each.clear()


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


def test_staff_come_in_by_their_verified_email(fleet: Fleet, provider: Provider) -> None:
    """The provider has checked PKCE, the client's secret and the address to come back to."""
    ann = visitor_of(fleet)
    assert provider.asked.total() == 0
    way_in = ann.sees("/login")
    assert f'<a class="button" href="{GO}">KoproGo SSO</a>' in way_in.text
    seen = ann.sees(GO)
    assert "You are logged in." in seen.text
    assert (seen.headers["refresh"], seen.headers["cache-control"]) == ("0; url=/", "no-store")
    assert f"Log out ({ANN})" in ann.sees("/").text
    (cookie,) = ann.cookies
    assert (cookie.name, cookie.has_nonstandard_attr("HttpOnly")) == ("session", True)
    assert ann.sees("/logout", all="").url.endswith("/login")
    assert "You are logged in." in ann.sees(GO).text
    assert (provider.asked[DISCOVERY], provider.asked[JWKS], provider.asked[TOKEN]) == (1, 1, 2)


def test_a_real_browser_is_led_in(fleet: Fleet, provider: Provider) -> None:
    """From a page of another site, with a session's cookie that is for this one alone (strict)."""
    provider.asks = "Agree"
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(locale="en")
        page.goto(fleet.url)
        page.get_by_role("link", name="KoproGo SSO").click()
        page.get_by_role("link", name="Agree").click()
        page.wait_for_url(f"{fleet.url}/")
        assert page.get_by_role("button", name=f"Log out ({ANN})").is_visible()
        assert [(one["name"], one["sameSite"]) for one in page.context.cookies()] == [
            ("session", "Strict")
        ]
        browser.close()


def test_any_process_takes_up_what_another_has_begun(fleet: Fleet) -> None:
    """Nothing of a login that has begun is kept in one."""
    begun = begin(fleet)
    fleet.kill()
    fleet.start()
    assert "You are logged in." in goes(begun.leads_to, begun.cookie).text


def test_the_cookies_of_a_site_with_tls_are_for_it_alone(
    provider: Provider, tmp_path: Path
) -> None:
    """And for ten minutes, for no script, and there when somebody comes from the provider."""
    for fleet in started(provider, tmp_path, PUBLIC_URL="https://fleet.example.org"):
        begun = begin(fleet)
        assert begun.cookie.startswith("__Host-login=")
        assert begun.words == {"HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax", "Secure"}
        back = "redirect_uri=https%3A%2F%2Ffleet.example.org%2Flogin%2Foidc%2Fback"
        assert back in begun.leads_to


def test_a_provider_with_tls_must_prove_itself(tmp_path: Path) -> None:
    """By a certificate that this machine trusts."""
    authority = Authority.create(tmp_path, "authority")
    with serving(Provider(), authority.server()) as provider:
        for fleet in started(provider, tmp_path):
            assert provider.issuer.startswith("https://")
            assert is_told(comes(fleet), SILENT)
            assert "CERTIFICATE_VERIFY_FAILED" in fleet.log.read_text()
            fleet.kill()
            fleet.others["SSL_CERT_FILE"] = str(authority.file)
            fleet.start()
            begun = begin(fleet)
            seen = goes(begun.leads_to, begun.cookie, authority.file)
            assert "You are logged in." in seen.text


PEOPLE: dict[str, dict[str, Any]] = {
    "somebody else": {"email": "eve@koprogo.com"},
    "no email": {"email": None},
    "not verified": {"email_verified": False},
    "not said to be": {"email_verified": None},
    "said in words": {"email_verified": "true"},
    "another k": {"email": "ann@\u212aoprogo.com"},
    "several": {"email": [ANN]},
    "with an end": {"email": f"{ANN}\x00"},
    "a subject like an email": {"email": None, "sub": ANN},
    "a subject like a name": {"email": None, "sub": "bob"},
    "no name": {"email": None, "sub": ""},
}


@pytest.mark.parametrize("person", PEOPLE)
def test_strangers_stay_outside(known: tuple[Fleet, Provider], person: str) -> None:
    """However good their account is, and however like somebody's of the staff."""
    fleet, provider = known
    fleet.type("user", "bob", answers=f"{PASSWORD}\n")
    provider.person = {"email": ANN} | PEOPLE[person]
    seen = comes(fleet)
    assert is_told(seen, STRANGER)
    assert ANN not in seen.text


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("fr", "pas parmi ceux du personnel"),
        ("nl", "hoort niet bij het personeel"),
        ("de", "nicht zu denen des Personals"),
        ("en", STRANGER),
    ],
)
def test_a_stranger_is_told_in_their_language(
    known: tuple[Fleet, Provider], language: str, line: str
) -> None:
    """Each of the four."""
    fleet, provider = known
    provider.person = {"email": "eve@koprogo.com"}
    assert is_told(visitor_of(fleet).sees(GO, language), line)


def test_some_are_known_by_subject(known: tuple[Fleet, Provider]) -> None:
    """Those who were added for that; their password, if they had one, is gone."""
    fleet, provider = known
    fleet.type("user", "8121", answers=f"{PASSWORD}\n")
    fleet.type("user", "8121", "--oidc")
    provider.person = {"sub": "8121"}
    ann = visitor_of(fleet)
    assert "You are logged in." in ann.sees(GO).text
    assert "Log out (8121)" in ann.sees("/").text
    assert visitor_of(fleet).sees("/login", name="8121", password=PASSWORD).status == 401
    assert visitor_of(fleet).sees("/login", name="8121", password="openid").status == 401
    fleet.type("user", "8121", "--remove")
    assert ann.sees("/").url.endswith("/login")
    assert is_told(comes(fleet), STRANGER)


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example.org"},
    "no issuer": {"iss": None},
    "for another": {"aud": "another"},
    "for another, by us": {"aud": "another", "azp": "koprogo-fleet"},
    "for several": {"aud": ["koprogo-fleet", "another"]},
    "for nobody": {"aud": None},
    "expired": {"exp": 1_700_000_000},
    "without an end": {"exp": None},
    "not yet": {"nbf": 4_000_000_000},
    "from the future": {"iat": 4_000_000_000},
    "of another login": {"nonce": "another"},
    "of no login": {"nonce": None},
    "of another code": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "of nobody": {"sub": None},
    "of a number": {"sub": 42},
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_token_must_be_for_this_login(known: tuple[Fleet, Provider], claim: str) -> None:
    """Whatever the provider has signed."""
    fleet, provider = known
    provider.claims |= CLAIMS[claim]
    assert is_told(comes(fleet), UNTRUSTED)
    assert provider.asked[TOKEN] >= 1


@pytest.mark.filterwarnings("ignore:JWS algorithm .none.")  # that is the point
@pytest.mark.parametrize("algorithm", ["RS256", "HS256", "none"])
def test_a_token_must_be_the_providers(known: tuple[Fleet, Provider], algorithm: str) -> None:
    """By another key, by the secret that both sides know, or by nothing: by nobody."""
    fleet, provider = known
    keys = {"HS256": OctKey.import_key(SECRET), "none": provider.key}
    provider.signs_with = keys.get(algorithm) or RSAKey.generate_key(2048)
    provider.headers["alg"] = algorithm
    assert is_told(comes(fleet), UNTRUSTED)


def test_a_provider_may_turn_its_key(known: tuple[Fleet, Provider]) -> None:
    """The new one is asked for."""
    fleet, provider = known
    provider.turn_key()
    assert "You are logged in." in comes(fleet).text


DEEP = Said(200, b"[" * 200_000, {})
BOMB = Said(200, compress(b" " * 200_000_000), {"Content-Encoding": "gzip"})
WRONG: dict[str, tuple[Answer, str]] = {
    "a page": (lambda: Said(200, b"<html>", {}), UNTRUSTED),
    "nothing": (lambda: Said(200, b"", {}), UNTRUSTED),
    "a list": (lambda: says([1]), UNTRUSTED),
    "an empty one": (lambda: says({}), UNTRUSTED),
    "other kinds": (
        lambda: says({"id_token": 1, "access_token": [], "keys": 3, "issuer": {}}),
        UNTRUSTED,
    ),
    "no text": (lambda: Said(200, b"\xff\xfe\x00", {}), UNTRUSTED),
    "too deep": (lambda: DEEP, UNTRUSTED),
    "compressed": (lambda: BOMB, UNTRUSTED),
    "elsewhere": (lambda: leads_to("http://localhost:1/"), SILENT),
    "a fault": (lambda: Said(503, b"down", {}), SILENT),
}


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN])
def test_what_cannot_be_used_is_told_and_tried_again(
    fleet: Fleet, provider: Provider, path: str
) -> None:
    """Whichever answer it is. The next visitor comes in, if the provider is well again."""
    for name, (answer, line) in WRONG.items():
        provider.answers[path] = answer
        seen = comes(fleet)
        assert is_told(seen, line), (name, seen.url)
    provider.answers.clear()
    provider.pads[path] = b" " * 300_000
    assert is_told(comes(fleet), UNTRUSTED)
    provider.pads[path] = b" " * 100_000
    assert "You are logged in." in comes(fleet).text
    log = fleet.log.read_text()
    assert log.count('"sign_on.failed"') == len(WRONG) + 1
    for forbidden in ("Traceback", ANN, SECRET, "request.bug"):
        assert forbidden not in log


def test_a_provider_that_names_itself_otherwise_is_none(fleet: Fleet, provider: Provider) -> None:
    """Nor one that signs in no way that can be checked, or whose addresses are elsewhere."""
    right = provider.document
    for wrong in (
        {"issuer": right["issuer"] + "/"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"token_endpoint": "ftp://localhost/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ):
        provider.answers[DISCOVERY] = partial(says, right | wrong)
        assert is_told(comes(fleet), UNTRUSTED)


def test_a_provider_that_never_ends_is_given_up(known: tuple[Fleet, Provider]) -> None:
    """Though each of its bytes comes soon enough."""
    fleet, provider = known
    provider.answers[TOKEN] = lambda: Said(200, b"{", {"X-Endless": ""})
    assert is_told(comes(fleet), SILENT)


def test_a_dead_provider_stops_nobody_else(tmp_path: Path) -> None:
    """The server starts, passwords are good, and once the provider is there, it is asked."""
    provider = Provider(free_port())
    for fleet in started(provider, tmp_path):
        fleet.type("user", "bob", answers=f"{PASSWORD}\n")
        bob = visitor_of(fleet)
        assert is_told(bob.sees(GO), SILENT)
        assert bob.sees("/login", name="bob", password=PASSWORD).url == f"{fleet.url}/"
        with serving(provider):
            assert "You are logged in." in comes(fleet).text


@pytest.mark.parametrize(
    ("error", "line"),
    [("access_denied", DENIED), ("server_error", UNTRUSTED), ("\x00é", UNTRUSTED)],
)
def test_what_the_provider_denies_is_told(
    known: tuple[Fleet, Provider], error: str, line: str
) -> None:
    """In our words, not in its own."""
    fleet, provider = known
    provider.denies = error
    seen = comes(fleet)
    assert is_told(seen, line)
    assert "of ann" not in seen.text + fleet.log.read_text()


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?code=x&state=", "?code=x&state=%C3%A9", "?error=access_denied"]
)
def test_who_has_not_begun_cannot_come_back(known: tuple[Fleet, Provider], query: str) -> None:
    """Nobody can be sent in as somebody else; a state that is another's counts as none."""
    fleet, provider = known
    before = provider.asked.total()
    assert is_told(visitor_of(fleet).sees(BACK + query), OLD)
    assert provider.asked.total() == before
    assert OLD in goes(fleet.url + BACK + query, begin(fleet).cookie).text


def test_a_login_is_good_for_one_time(known: tuple[Fleet, Provider]) -> None:
    """A callback that comes again leads nowhere, also with the cookie of before."""
    fleet, _ = known
    begun = begin(fleet)
    seen = goes(begun.leads_to, begun.cookie)
    assert "You are logged in." in seen.text
    assert is_told(goes(seen.url, ""), OLD)
    assert is_told(goes(seen.url, begun.cookie), UNTRUSTED)
    assert is_told(goes(seen.url, begun.cookie[:-8] + "AAAAAAA="), OLD)


@pytest.mark.parametrize("path", [GO, BACK])
def test_it_is_not_tried_for_ever(known: tuple[Fleet, Provider], path: str) -> None:
    """Ten at once from one address, as with passwords; which can still be tried."""
    fleet, _ = known
    somebody = visitor_of(fleet)
    seen = [somebody.sees(path) for _ in range(30)]
    often = [is_told(one, "Too many tries") for one in seen]
    assert often.index(True) >= 10
    assert somebody.sees("/login", name="ann", password="no").status == 401


def test_a_secret_may_be_shown_in_the_other_way(provider: Provider, tmp_path: Path) -> None:
    """Where the provider wants it so; and one that is wrong lets nobody in."""
    provider.methods = ["client_secret_post"]
    for fleet in started(provider, tmp_path):
        assert "You are logged in." in comes(fleet).text
        fleet.kill()
        fleet.settings["OIDC_SECRET"] = "another that nobody has made"
        fleet.start()
        assert is_told(comes(fleet), UNTRUSTED)
        log = fleet.log.read_text()
        assert "invalid_client" in log
        assert "another that" not in log


def test_without_a_provider_there_is_no_such_way(tmp_path: Path) -> None:
    """No button, and nothing at its addresses."""
    fleet = Fleet(f"sqlite:///{tmp_path}/fleet.db", tmp_path)
    fleet.start()
    try:
        visitor = Visitor(fleet)
        assert "oidc" not in visitor.sees("/login").text
        assert [visitor.sees(path).status for path in (GO, BACK)] == [404, 404]
        assert "alert" not in visitor.sees("/login?told=own_name").text
    finally:
        fleet.kill()
