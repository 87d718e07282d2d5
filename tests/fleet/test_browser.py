"""The dashboard in a real Chromium: every page is clicked to, and looked at for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, StorageState, expect

from koprogo_agent.fleet.pages.languages import Language, words
from koprogo_agent.wire.report import Operation, StateName
from tests.fleet.browsers import Mode, Visit, chromium
from tests.fleet.filled import NEW, ODD, Filled, fill
from tests.fleet.machines import Machine, transition
from tests.fleet.servers import NO_LIMITS, Fleet
from tests.fleet.visitors import employ

PHONE = 360
PAGES = {
    "login",
    "fleet",
    "instances",
    "instance",
    "further instances",
    "releases",
    "release",
    "instances that failed",
    "instance that failed",
    "attention",
    "time machine",
    "then",
    "public",
}
MODES = {
    "light": Mode(Language.FR),
    "dark": Mode(Language.NL, "dark"),
    "light phone": Mode(Language.DE, width=PHONE),
    "dark phone": Mode(Language.FR, "dark", PHONE),
    "no scripts": Mode(Language.EN, scripts=False),
}
DESK = Mode(Language.FR)
_SLOW = 300.0
"""Milliseconds for which a script is on its way."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A fleet of one of everything."""
    folder = tmp_path_factory.mktemp("filled")
    fleet = Fleet(f"sqlite:///{folder}/fleet.db", folder, NO_LIMITS)
    yield fill(fleet)
    fleet.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all."""
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def session(browser: Browser, filled: Filled) -> StorageState:
    """Cookies of somebody of the staff; nobody may log in as often as there are tests."""
    visit = Visit(browser, filled, DESK)
    visit.comes_in()
    visit.logs_in()
    return visit.close()


@pytest.fixture
def ann(browser: Browser, filled: Filled, session: StorageState) -> Iterator[Visit]:
    """Somebody of the staff at a desk, who sees the fleet."""
    visit = Visit(browser, filled, DESK, session)
    visit.page.goto(filled.fleet.url)
    yield visit
    visit.close()


@pytest.mark.parametrize("mode", MODES)
def test_every_page_can_be_clicked_to_and_is_fit_for_everybody(
    browser: Browser, filled: Filled, mode: str
) -> None:
    """Right language, nothing raw, charts say what their tables do, and axe does not object."""
    visit = Visit(browser, filled, MODES[mode])
    charts, wrong = {}, {}
    for name in visit.walk():
        wrong[name] = visit.wrong()
        charts[name] = visit.page.locator("[data-chart]").count()
    visit.close()
    assert wrong.keys() == PAGES
    assert {name for name, count in charts.items() if count} == {"fleet", "release"}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert visit.faults == []


def test_who_has_no_mouse_gets_to_the_content_at_once(ann: Visit) -> None:
    """The first stop skips what is the same on every page."""
    ann.page.keyboard.press("Tab")
    expect(ann.page.get_by_role("link", name=ann.words["skip"])).to_be_focused()
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_url("**/#content")
    ann.page.keyboard.press("Tab")
    expect(ann.page.locator("main a").first).to_be_focused()


def test_an_open_page_changes_when_the_fleet_does(ann: Visit, filled: Filled) -> None:
    """By itself: focus, and what was unfolded, stay; the past below keeps its own moment."""
    page = ann.page
    page.evaluate("window.isTheSame = true")
    stamps = page.locator("main time")
    now, then = stamps.first.get_attribute("datetime"), stamps.nth(1).get_attribute("datetime")
    assert now is not None
    assert then is not None
    assert now >= then
    page.locator("details summary").click()
    link = ann.rows("states").get_by_role("link", name=ann.words["held"])
    link.focus()
    filled.another("held", state=StateName.HELD)
    expect(page.locator(".figure small").first).to_contain_text(f" {filled.reporting} ")
    expect(link).to_be_focused()
    expect(page.locator("details tbody")).to_be_visible()
    expect(stamps.first).not_to_have_attribute("datetime", now)
    expect(stamps.nth(1)).to_have_attribute("datetime", then)
    assert page.evaluate("window.isTheSame")
    assert ann.faults == []


def test_a_slow_line_leaves_no_page_as_it_is(ann: Visit, filled: Filled) -> None:
    """Whichever script comes last: each is waited for."""
    page, held = ann.page, list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    for script in ("htmx-4*", "htmx-sse-4*", "charts*"):
        page.route(f"**/{script}", hold)
        with page.expect_request(f"**/{script}"):
            page.goto(filled.fleet.url, wait_until="commit")
        page.wait_for_timeout(_SLOW)
        with page.expect_request("**/live?*"):
            held.pop().continue_()
        page.unroute(f"**/{script}")
    assert ann.faults == []


def test_what_happens_while_a_page_is_on_its_way_is_shown_as_well(
    ann: Visit, filled: Filled
) -> None:
    """A page knows of when it is, and asks for what came since."""
    late, held = ann.page.context.new_page(), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    late.route("**/live?*", hold)
    with late.expect_request("**/live?*"):
        late.goto(filled.fleet.url)
    filled.another("stale", state=StateName.STALE)
    count = f" {filled.reporting} "
    expect(ann.page.locator(".figure small").first).to_contain_text(count)
    held[0].continue_()
    expect(late.locator(".figure small").first).to_contain_text(count)
    assert ann.faults == []


def test_an_open_release_changes_with_its_picture(ann: Visit, filled: Filled) -> None:
    """Its curve grows, in the same place; its table stays unfolded."""
    page = ann.page
    ann.turns_to("releases")
    page.get_by_role("link", name=NEW, exact=True).click()
    page.locator("details summary").click()
    rows, arrived = page.locator("details tbody tr"), page.locator(".figures dd").first
    before, points = int(arrived.text_content() or ""), rows.count()
    did = Operation(
        kind="update", tag=NEW, outcome="committed", began=filled.now, ended=filled.now + 60
    )
    told = transition(1, installed=NEW, operation=did)
    filled.another("current", installed=NEW, operation=did, transitions=(told,))
    expect(arrived).to_have_text(str(before + 1))
    expect(rows).to_have_count(points + 1)
    expect(rows.last).to_be_visible()
    expect(page.locator("[data-chart] canvas")).to_have_count(1)
    assert ann.wrong() == []
    assert ann.faults == []


def test_an_open_page_of_who_has_left_leads_to_the_way_in(browser: Browser, filled: Filled) -> None:
    """As soon as there would be something new to see."""
    bob = Visit(browser, filled, DESK)
    bob.comes_in()
    bob.logs_in()
    filled.another("paused", state=StateName.PAUSED)
    expect(bob.page.locator(".figure small").first).to_contain_text(f" {filled.reporting} ")
    other = bob.page.context.new_page()
    other.goto(f"{filled.fleet.url}/attention")
    other.locator("form.out button").click()
    other.wait_for_url("**/login")
    filled.another("paused", state=StateName.PAUSED)
    bob.page.wait_for_url("**/login")
    expect(bob.page.get_by_role("heading", name=bob.words["log_in"])).to_be_visible()
    bob.close()


def test_a_click_of_who_has_left_leads_to_the_way_in(ann: Visit) -> None:
    """A session that is over is over."""
    ann.page.context.clear_cookies(name="session")
    ann.turns_to("attention")
    ann.page.wait_for_url("**/login")


def test_a_language_is_chosen_where_one_is(ann: Visit) -> None:
    """The page stays the same, with what was asked."""
    ann.turns_to("instances")
    ann.page.locator("select[name=state]").select_option("held")
    ann.page.get_by_role("button", name=ann.words["show"]).click()
    ann.page.wait_for_url("**/instances?*state=held*")
    address = ann.page.url
    ann.page.get_by_role("button", name="Deutsch").click()
    expect(ann.page.locator("html")).to_have_attribute("lang", "de")
    assert ann.page.url == address
    expect(ann.page.locator("select[name=state]")).to_have_value("held")
    expect(ann.page.get_by_role("heading").first).to_have_text(words(Language.DE)["instances"])


def test_rare_filters_are_folded_away_unless_asked_for(ann: Visit) -> None:
    """Four fields are enough for most questions."""
    ann.turns_to("instances")
    code = ann.page.get_by_label(ann.words["code"])
    expect(code).to_be_hidden()
    ann.page.get_by_text(ann.words["more_filters"]).click()
    code.fill("gate.unhealthy")
    ann.page.get_by_role("button", name=ann.words["show"]).click()
    ann.page.wait_for_url("**code=gate.unhealthy*")
    expect(ann.page.get_by_label(ann.words["code"])).to_be_visible()
    expect(ann.page.locator("tbody tr")).to_have_count(10)


def test_whatever_an_instance_says_is_shown_and_means_nothing_else(
    ann: Visit, filled: Filled
) -> None:
    """Moments that no calendar has, the longest words, and words that pages themselves use."""
    odd = filled.of["odd"]
    ann.page.goto(f"{filled.fleet.url}/instances/{odd.name}")
    main = ann.page.get_by_role("main")
    expect(main).to_contain_text(f"own_name {ODD}: absent_of")
    expect(main).to_contain_text("Z_.-9")
    expect(main).to_contain_text("9999")
    assert ann.wrong() == []
    ann.turns_to("fleet")
    ann.rows("versions").get_by_role("link", name=ODD).click()
    expect(ann.page.get_by_role("link", name=odd.name[:12])).to_be_visible()
    assert ann.wrong() == []
    assert ann.faults == []


def test_a_copied_key_is_told_to_who_looks(ann: Visit, filled: Filled) -> None:
    """With what to do about it; also among what needs somebody."""
    copied = filled.of["cloned"]
    ann.turns_to("attention")
    ann.page.get_by_role("region", name=ann.words["cloned_list"]).get_by_role("link").click()
    expect(ann.page.get_by_role("alert")).to_contain_text("identity")
    assert copied.name in ann.page.url
    assert ann.wrong() == []


@pytest.mark.parametrize("path", ["/nowhere", f"/instances/{'0' * 32}", "/releases/x"])
def test_what_is_not_there_is_said_in_the_visitors_language(
    ann: Visit, filled: Filled, path: str
) -> None:
    """With a way back."""
    ann.page.goto(filled.fleet.url + path)
    expect(ann.page.get_by_role("heading")).to_have_text(ann.words["not_found"])
    assert ann.wrong() == []
    ann.page.get_by_role("link", name=ann.words["back_to_fleet"]).click()
    ann.page.wait_for_url(f"{filled.fleet.url}/")


def test_a_mistake_of_the_server_is_admitted(browser: Browser, tmp_path: Path) -> None:
    """In the visitor's language, with nothing of what it was: that is in the log."""
    fleet = Fleet(f"sqlite:///{tmp_path}/fleet.db", tmp_path, NO_LIMITS)
    fleet.start()
    employ(fleet, "ann")
    visit = Visit(browser, Filled(fleet), DESK)
    visit.comes_in()
    visit.logs_in()
    with fleet.tables() as engine, engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE tally")
    Machine(fleet.url).says(installed=NEW)
    visit.turns_to("attention")
    expect(visit.page.get_by_role("heading")).to_have_text(visit.words["server_failed"])
    expect(visit.page.get_by_role("navigation", name="KoproGo")).to_be_visible()
    assert "tally" not in visit.page.content()
    assert visit.wrong() == []
    answer = visit.page.request.get(f"{fleet.url}/api/v1/attention")
    assert (answer.status, answer.json()["code"]) == (500, "server.failed")
    assert "no such table: tally" in fleet.log.read_text()
    visit.close()
    fleet.kill()
