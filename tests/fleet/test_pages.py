"""The dashboard without JavaScript: who comes in, and what is shown to whom."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from koprogo_agent.wire.report import Operation
from tests.fleet.machines import Machine, transition
from tests.fleet.servers import Fleet
from tests.fleet.visitors import PASSWORD, Page, Visitor, employ

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def visitor(fleet: Fleet) -> Visitor:
    """Somebody."""
    return Visitor(fleet)


@pytest.fixture
def ann(fleet: Fleet) -> Visitor:
    """Somebody of the staff, who has come in."""
    employ(fleet, "ann")
    made = Visitor(fleet)
    assert made.sees("/login", name="Ann", password=PASSWORD).url == f"{fleet.url}/"
    return made


@pytest.mark.parametrize("path", ["/", "/login"])
def test_a_stranger_sees_the_way_in(visitor: Visitor, path: str) -> None:
    """And nothing else; in the language of the browser."""
    seen = visitor.sees(path, "nl-BE")
    assert seen.url.endswith("/login")
    assert "<h1>Aanmelden</h1>" in seen.text
    assert 'lang="nl"' in seen.text
    assert "default-src 'self'" in seen.headers["content-security-policy"]
    assert seen.headers["cache-control"] == "no-store"


def test_a_wrong_password_is_not_told_from_a_wrong_name(ann: Visitor, visitor: Visitor) -> None:
    """Nobody learns who is of the staff."""
    assert ann.sees("/").status == 200
    wrong = [visitor.sees("/login", name=name, password="no") for name in ("ann", "bob", "")]
    assert {one.status for one in wrong} == {401}
    assert len({one.text for one in wrong}) == 1
    assert "do not belong together" in wrong[0].text


def test_passwords_are_not_tried_for_ever(fleet: Fleet) -> None:
    """Ten at once from one address, whatever the names; the others are told to wait."""

    def tries(number: int) -> Page:
        return Visitor(fleet).sees("/login", name=f"n{number}", password="no")

    with ThreadPoolExecutor(30) as pool:
        seen = list(pool.map(tries, range(30)))
    said = Counter(one.status for one in seen)
    assert set(said) == {401, 429}
    assert said[401] >= 10
    assert "Too many tries" in next(one.text for one in seen if one.status == 429)


def test_no_other_site_can_send_somebody_in_or_out(ann: Visitor) -> None:
    """It is told by where the form comes from."""
    for path in ("/login", "/logout"):
        assert ann.is_sent(path, "https://evil.example.org").status == 403
    assert "Log out (ann)" in ann.sees("/").text


def test_who_has_left_is_out(ann: Visitor) -> None:
    """Also with the cookie of before."""
    (cookie,) = ann.cookies
    assert (cookie.name, cookie.has_nonstandard_attr("HttpOnly")) == ("session", True)
    assert ann.sees("/logout", all="").url.endswith("/login")
    ann.cookies.set_cookie(cookie)
    assert ann.sees("/").url.endswith("/login")


def test_staff_see_the_fleet(ann: Visitor, fleet: Fleet) -> None:
    """Nothing at first; then who runs what, and of how many that is said."""
    assert "No instance has reported yet." in ann.sees("/").text
    for tag in ("v1.0.0", "v1.0.0", "v1.1.0", None):
        Machine(fleet.url).says(installed=tag)
    text = " ".join(ann.sees("/").text.split())
    assert "of the 4 instances that report" in text
    one = '<a href="/instances?installed={}">{}</a></th> <td class="number">{}</td>'
    assert one.format("v1.0.0", "v1.0.0", 2) in text
    assert one.format("-", "unknown", 1) in text
    assert "50.0 %" in text


@pytest.mark.parametrize(
    ("met", "said"),
    [
        ({"waited_ms": 8_710}, "users: waited 8.7 s at most"),
        ({"waited_ms": 44_200, "turned_away": 3}, "44 s at most · 3 requests waited too long"),
        ({"away_ms": 31_000}, "users: without it for 31 s at most"),
    ],
)
def test_staff_see_what_users_met(
    ann: Visitor, fleet: Fleet, met: dict[str, Any], said: str
) -> None:
    """As the instance told it, in the line of the operation."""
    did = Operation(kind="update", tag="v1.1.0", outcome="committed", began=1, ended=90, **met)
    machine = Machine(fleet.url)
    machine.says(operation=did, transitions=(transition(1, operation=did),))
    told = " ".join(ann.sees(f"/instances/{machine.name}").text.split())
    assert said in told


def test_a_language_is_chosen_and_kept(ann: Visitor) -> None:
    """Whatever the browser prefers; it leads back to where one was, and nowhere else."""
    seen = ann.sees("/language", language="de", back="/")
    assert "<h1>Flotte</h1>" in seen.text
    assert 'aria-current="true">Deutsch' in seen.text
    away = ann.sees("/language", language="xx", back="//evil.example.org/")
    assert (away.url, 'lang="de"' in away.text) == (f"{ann.fleet.url}/", True)


def test_what_a_page_needs_comes_from_here(visitor: Visitor) -> None:
    """No other host learns who looks."""
    seen = visitor.sees("/login")
    assert "http" not in seen.text.replace("http-equiv", "")
    assert visitor.sees("/static/style.css").headers["content-type"].startswith("text/css")


def test_an_open_page_hears_of_changes_until_the_server_stops(ann: Visitor, fleet: Fleet) -> None:
    """One line a change; a server that stops waits for nobody who only listens."""
    assert Visitor(fleet).sees("/live").status == 401
    with ann.opens("/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.readline() == b": here\n"
        Machine(fleet.url).says()
        said = [stream.readline() for _ in range(3)]
        assert said[1] == b"event: fleet\n"
        fleet.stop()
        stream.read()
    # What uvicorn says where it has waited in vain.
    assert "Cancel" not in fleet.log.read_text()
