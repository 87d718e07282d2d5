"""Logging in at an OpenID provider: what its wrong answers lead to, and whose they are."""

from __future__ import annotations

from functools import partial
from gzip import compress
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

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
from tests.fleet.sign_on.visits import (
    ANN,
    BACK,
    DENIED,
    GO,
    OLD,
    PASSWORD,
    SILENT,
    UNTRUSTED,
    begin,
    comes,
    goes,
    is_told,
    started,
    visitor_of,
)
from tests.fleet.visitors import Visitor
from tests.lab.processes import free_port

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
