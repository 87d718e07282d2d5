"""Logging in at an OpenID provider: who comes in, and who does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.fleet.providers import (
    DISCOVERY,
    JWKS,
    TOKEN,
    Provider,
    serving,
)
from tests.fleet.servers import Fleet
from tests.fleet.sign_on.visits import (
    ANN,
    GO,
    PASSWORD,
    SILENT,
    STRANGER,
    begin,
    comes,
    goes,
    is_told,
    started,
    visitor_of,
)
from tests.lab.ca import Authority


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
