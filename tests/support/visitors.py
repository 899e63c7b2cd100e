"""Someone with a browser in front of the dashboard."""

import re
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from argon2 import PasswordHasher
from playwright.sync_api import Page
from runs import Runs

POLL_MILLISECONDS = 50
SECONDS = 120

PASSWORD = "correct horse battery"
PASSWORD_HASH = PasswordHasher().hash(PASSWORD)

SETTLED = """
async (frame) => {
  const read = () => JSON.stringify([...frame.querySelectorAll("tbody [role=row]")].map(
    (row) => [...row.querySelectorAll("[role=gridcell]")].map((cell) => cell.innerText)));
  for (let before = null, now = read(); ; before = now, now = read()) {
    if (now === before) return JSON.parse(now);
    await new Promise((go) => setTimeout(go, 400));
  }
}
"""
"""JavaScript: a table's cells, once they stay. They follow what is drawn, and how wide it is, a fifth of a second later."""


class Visitor:
    """Someone with a browser: opens pages and reads them. `complaints` are errors that the browser reported."""

    def __init__(self, page: Page, dashboard_url: str) -> None:
        self.page, self.url = page, dashboard_url
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.runs = Runs(page)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # On a deep link Streamlit first looks for itself below that path; the browser reports the 404 (docs/dashboard.md).
        looking = message.location.get("url", "").endswith(("/_stcore/health", "/_stcore/host-config"))
        if message.type == "error" and not looking:
            self.complaints.append(message.text)

    def sign_in(self, name: str, password: str = PASSWORD) -> "Visitor":
        """Fill in the form, which must be there."""
        self.page.get_by_role("heading", name="Sign in").wait_for()
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        return self

    def open(self, path: str = "", **state: Any) -> "Visitor":
        """Open a page with this state in its URL (UTC unless said otherwise), and wait for all of it."""
        query = urlencode({"tz": "UTC", **state}, doseq=True)
        self.page.goto(f"{self.url}/{path}?{query}")
        return self.wait()

    def wait(self) -> "Visitor":
        """Until what was asked for last has come and is drawn."""
        deadline = time.monotonic() + SECONDS
        while not self.runs.drawn():
            assert time.monotonic() < deadline, f"{self.page.url} isn't drawn after {SECONDS} s: {self.runs}"
            self.page.wait_for_timeout(POLL_MILLISECONDS)  # unlike time.sleep, takes what the browser says meanwhile
        assert self.page.locator("[data-testid=stException]").count() == 0
        return self

    def turn_to(self, page: str) -> "Visitor":
        """Open another page by the side bar."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=page).click()
        self.page.get_by_role("heading", name=page, level=1).wait_for()
        return self.wait()

    def tile(self, name: str) -> str:
        """The number in the first box of this name: those of the range come before the live ones."""
        label = self.page.locator("[data-testid=stMetricLabel] p", has_text=re.compile(f"^{name}$"))
        metric = self.page.locator("[data-testid=stMetric]").filter(has=label).first
        return metric.locator("[data-testid=stMetricValue]").inner_text()

    def choose(self, label: str, option: str) -> "Visitor":
        """Choose an option of a list."""
        self.page.get_by_role("combobox", name=label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        return self

    def ranking(self, table: str) -> list[list[str]]:
        """The rows of a short table of names and numbers."""
        rows = self.page.get_by_role("table", name=table, exact=True).locator("tbody tr")
        rows.first.wait_for()
        cells: list[list[str]] = rows.evaluate_all(
            "all => all.map(row => [...row.children].map(cell => cell.innerText))"
        )
        return cells

    def cells(self, table: str) -> list[list[str]]:
        """The rows of a table, as a screen reader is given them."""
        frame = self.page.locator("[data-testid=stDataFrame]").filter(
            has=self.page.locator(f'[aria-label$=": {table}"]')
        )
        frame.locator("tbody [role=gridcell]").first.wait_for(state="attached")
        cells: list[list[str]] = frame.evaluate(SETTLED)
        return cells


def without_live_tiles(visitor: Visitor) -> Visitor:
    """Have no part of a page asked anew by itself: what is being drawn anew fades, and axe then finds it too pale to be read."""
    visitor.page.add_init_script(
        "const every = setInterval; window.setInterval = (what, wait, ...more) => wait === 5000 ? 0 : every(what, wait, ...more)"
    )
    return visitor
