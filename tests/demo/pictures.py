"""Pictures of every page of the dashboard, as a browser shows them to somebody of the staff."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, sync_playwright

from tests.demo.lacking import BROWSER
from tests.demo.visit import Visit

_WORDS = (
    # The demo runs as root, and in containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_SIZE = ViewportSize(width=1240, height=400)
_ENDLESS = 100_000
_INSTANCE = 'main a[href^="/instances/"]'
PREFIX = "dashboard-"


def take(visit: Visit, folder: Path, tallest: int = _ENDLESS) -> list[Path]:
    """Takes one of every page in English, and of the first one in French as well.

    Args:
        visit: whose pages.
        folder: where they go; made if it is not there.
        tallest: pixels of a page from its top; what is below is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which(BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_WORDS))
        files = [
            *_Photographer(visit, _page(browser, visit, "en-GB"), folder, tallest).every_page(),
            *_Photographer(visit, _page(browser, visit, "fr-BE"), folder, tallest).first_page(
                "-fr"
            ),
        ]
        browser.close()
    return files


def _page(browser: Browser, visit: Visit, language: str) -> Page:
    context = browser.new_context(base_url=visit.address, locale=language, viewport=_SIZE)
    return context.new_page()


@dataclass(frozen=True)
class _Photographer:
    visit: Visit
    page: Page
    folder: Path
    tallest: int

    def every_page(self) -> list[Path]:
        """All of them, in the order in which one comes to them."""
        page = self.page
        page.goto("/login")
        taken = [self._take("login")]
        self._log_in()
        taken.append(self._take("fleet"))
        for name in ("releases", f"releases/{self.visit.tag}", "instances", "attention"):
            page.goto(f"/{name}")
            taken.append(self._take("release" if "/" in name else name))
        page.goto("/instances?state=rolled_back")
        page.locator(_INSTANCE).first.click()
        page.wait_for_url("**/instances/*")
        taken.append(self._take("instance"))
        page.goto("/then")
        page.locator('main [name="at"]').fill(f"{self.visit.then:%Y-%m-%dT%H:%M}")
        page.locator("main form button").click()
        page.wait_for_url("**/then?at=*")
        taken.append(self._take("time-machine"))
        page.goto("/public")
        taken.append(self._take("public"))
        return taken

    def first_page(self, ending: str) -> list[Path]:
        """The one that is seen after logging in."""
        self.page.goto("/login")
        self._log_in()
        return [self._take(f"fleet{ending}")]

    def _log_in(self) -> None:
        self.page.fill("#name", self.visit.name)
        self.page.fill("#password", self.visit.password)
        self.page.locator("main form button").click()
        self.page.wait_for_url(f"{self.visit.address}/")

    def _take(self, name: str) -> Path:
        file = self.folder / f"{PREFIX}{name}.png"
        height = self.page.evaluate("document.documentElement.scrollHeight")
        seen = FloatRect(x=0, y=0, width=_SIZE["width"], height=min(height, self.tallest))
        self.page.screenshot(path=file, full_page=True, clip=seen)
        return file
