"""A real browser: somebody of the staff who clicks, and what is wrong with what they see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Request,
    StorageState,
    expect,
    sync_playwright,
)

from koprogo_agent.fleet.pages.languages import Language, words
from koprogo_agent.fleet.pages.writing import Writing
from tests.fleet.filled import NAME, NEW, Filled
from tests.fleet.visitors import PASSWORD

CHROMIUM = "/usr/bin/chromium"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE = 20_000
"""Milliseconds for which is waited; an open page asks anew five seconds after the last time."""
ZONE = ZoneInfo("Europe/Brussels")
_RAW = re.compile(r"[{}]|undefined|NaN|\[object|\bNone\b|&(amp|lt|gt|quot|#\d+);")
_TEXTS = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const said = walker.currentNode, element = said.parentElement;
        const other = element.closest('[lang]') !== document.documentElement;
        if (!other && !element.closest('script, code') && said.data.trim()) {
            found.push(said.data.replace(/\\s+/g, ' ').trim());
        }
    }
    return found;
}"""
_DOTS = """(canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, number) => number % 4 === 3 && value > 0).length;
}"""
_AXE = """async () => {
    const { violations } = await axe.run();
    return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html}`));
}"""


@dataclass(frozen=True)
class Mode:
    """How somebody looks.

    Attributes:
        language: that their browser prefers.
        scheme: `light` or `dark`.
        width: of the window, in pixels; a phone where it is small.
        scripts: whether there is JavaScript.
    """

    language: Language
    scheme: Literal["light", "dark"] = "light"
    width: int = 1100
    scripts: bool = True


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; it talks to nobody of its own accord."""
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        browser.close()


class Visit:
    """One window, of somebody who has been nowhere yet.

    Attributes:
        page: what the window shows.
        faults: errors on its console, answers that are errors, and requests to anybody else.
    """

    def __init__(
        self, browser: Browser, filled: Filled, mode: Mode, session: StorageState | None = None
    ) -> None:
        self.filled = filled
        self.mode = mode
        is_phone = mode.width < 600
        self._context = browser.new_context(
            locale=f"{mode.language}-BE",
            color_scheme=mode.scheme,
            viewport={"width": mode.width, "height": 800},
            is_mobile=is_phone,
            has_touch=is_phone,
            java_script_enabled=mode.scripts,
            storage_state=session,
        )
        self._context.set_default_timeout(_PATIENCE)
        self.page = self._context.new_page()
        self.faults: list[str] = []
        self._mind(self.page)

    def _mind(self, page: Page) -> None:
        page.on("console", lambda said: self._says(said.type, said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._asks)

    def _says(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(text)

    def _asks(self, request: Request) -> None:
        url = urlsplit(request.url)
        if f"{url.scheme}://{url.netloc}" != self.filled.fleet.url:
            self.faults.append(f"asks {request.url}")

    def close(self) -> StorageState:
        """Goes away, with all cookies."""
        kept = self._context.storage_state()
        self._context.close()
        return kept

    @cached_property
    def words(self) -> Mapping[str, str]:
        """In the language of the browser."""
        return words(self.mode.language)

    def comes_in(self) -> None:
        """Goes to the dashboard, and is sent to the way in; logs in there."""
        self.page.goto(self.filled.fleet.url)
        self.page.wait_for_url("**/login")

    def logs_in(self) -> None:
        """Types name and password."""
        self.page.get_by_label(self.words["name"], exact=True).fill(NAME)
        self.page.get_by_label(self.words["password"]).fill(PASSWORD)
        self.page.get_by_role("main").get_by_role("button").click()
        self.page.wait_for_url(f"{self.filled.fleet.url}/")

    def turns_to(self, word: str) -> None:
        """Clicks in the navigation."""
        bar = self.page.get_by_role("navigation", name="KoproGo")
        bar.get_by_role("link", name=self.words[word], exact=True).click()

    def rows(self, section: str) -> Locator:
        """The rows of the table below a heading."""
        heading = self.page.get_by_role("heading", name=self.words[section], exact=True)
        return self.page.locator("section").filter(has=heading).locator("tbody tr")

    def walk(self) -> Iterator[str]:
        """Clicks through every page; gives the name of each where it is there."""
        self.comes_in()
        yield "login"
        self.logs_in()
        yield "fleet"
        self.rows("versions").get_by_role("link", name=NEW, exact=True).click()
        self.page.wait_for_url(f"**/instances?installed={NEW}")
        yield "instances"
        yield from self._walk_instances()
        yield from self._walk_releases()
        self.turns_to("attention")
        self.page.wait_for_url("**/attention")
        yield "attention"
        yield from self._walk_the_past()
        foot = self.page.get_by_role("contentinfo")
        foot.get_by_role("link", name=self.words["public_link"], exact=True).click()
        self.page.wait_for_url("**/public")
        yield "public"

    def _walk_instances(self) -> Iterator[str]:
        url = self.page.url
        self.page.locator("tbody a").first.click()
        self.page.wait_for_url("**/instances/*")
        yield "instance"
        self.page.go_back()
        self.page.wait_for_url(url)
        self.turns_to("instances")
        self.page.wait_for_url("**/instances")
        self.page.get_by_role("link", name=self.words["next_page"]).click()
        self.page.wait_for_url("**after=*")
        yield "further instances"

    def _walk_releases(self) -> Iterator[str]:
        self.turns_to("releases")
        self.page.wait_for_url("**/releases")
        yield "releases"
        self.page.get_by_role("link", name=NEW, exact=True).click()
        self.page.wait_for_url(f"**/releases/{NEW}")
        yield "release"
        self.rows("failures").get_by_role("link").first.click()
        self.page.wait_for_url("**/instances?tag=*")
        yield "instances that failed"
        self.page.locator("tbody a").first.click()
        self.page.wait_for_url("**/instances/*")
        yield "instance that failed"

    def _walk_the_past(self) -> Iterator[str]:
        self.turns_to("then")
        self.page.wait_for_url("**/then")
        yield "time machine"
        then = datetime.fromtimestamp(self.filled.now - 3 * 3600, ZONE)
        self.page.locator("input[name=at]").fill(then.strftime("%Y-%m-%dT%H:%M"))
        self.page.get_by_role("button", name=self.words["go_back"]).click()
        self.page.wait_for_url("**/then?at=*")
        yield "then"

    # --- what is wrong

    def wrong(self) -> list[str]:
        """Everything about this page that nobody should see."""
        return [*self._foreign(), *self._raw(), *self._wide(), *self._undrawn(), *self._unfit()]

    @cached_property
    def _english(self) -> set[str]:
        """Words that only somebody who forgot to translate would show."""
        theirs = set(self.words.values())
        return {word for word in words(Language.EN).values() if word not in theirs}

    def _foreign(self) -> Iterator[str]:
        lang = self.page.locator("html").get_attribute("lang")
        if lang != self.mode.language:
            yield f"in {lang}"
        yield from (f"English: {text}" for text in self._texts() if text in self._english)

    def _raw(self) -> Iterator[str]:
        yield from (f"raw: {text}" for text in self._texts() if _RAW.search(text))

    def _texts(self) -> list[str]:
        found: list[str] = self.page.evaluate(_TEXTS)
        return [*found, self.page.title().removesuffix(" · KoproGo")]

    def _wide(self) -> Iterator[str]:
        width = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        too_much = self.page.evaluate(width)
        if too_much > 0:
            yield f"{too_much} pixels too wide"

    def _undrawn(self) -> Iterator[str]:
        """Charts that are not there, or not what the table below them says."""
        for chart in self.page.locator("[data-chart]").all():
            told = json.loads(chart.locator("script").text_content() or "")
            shares = told["shares"] if "names" in told else [told["shares"]]
            write = Writing(self.mode.language, str(ZONE))
            rows = chart.locator("+ details tbody tr").all()
            said = [row.locator("td").all_text_contents()[-len(shares) :] for row in rows]
            if said != [[write.percent(one) for one in each] for each in zip(*shares, strict=True)]:
                yield f"the table says {said}"
            if self.mode.scripts and chart.locator("canvas").evaluate(_DOTS) == 0:
                yield "nothing is drawn"

    def _unfit(self) -> Iterator[str]:
        """What axe finds."""
        if self.mode.scripts:
            self.page.evaluate(AXE_SCRIPT)
            yield from self.page.evaluate(_AXE)
