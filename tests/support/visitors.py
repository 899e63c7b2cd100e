"""A visitor of the dashboard, with a browser."""

import re
import time
import uuid
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from axe_playwright_python.sync_playwright import Axe
from known_password import PASSWORD
from playwright.sync_api import Error, Page, Request
from runs import Runs

FUNNEL_STATE = {"range": "90 days", "step1": "page_view", "step2": "purchase", "window": "1 hour"}
"""The query string of a funnel of two steps."""

POLL_MILLISECONDS = 50
SECONDS = 120

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
"""JavaScript: a table's cells, once they no longer change. They are updated a fifth of a second after the table is drawn or resized."""


class Visitor:
    """A visitor who opens pages and reads them. `complaints` has the errors that the browser reported."""

    def __init__(self, page: Page, dashboard_url: str) -> None:
        self.page, self.url = page, dashboard_url
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.runs = Runs(page)
        self._scripts = ExitStack()
        page.on("request", self._note_host)
        page.on("pageerror", self._note_error)
        page.on("console", self._note)

    def leave(self) -> None:
        """Follow the page no longer, so that another visitor can use its tab."""
        self._scripts.close()
        self.runs.leave()
        self.page.remove_listener("request", self._note_host)
        self.page.remove_listener("pageerror", self._note_error)
        self.page.remove_listener("console", self._note)

    def add_script(self, script: str) -> None:
        """Have this JavaScript run before those of each page that the visitor opens."""
        self._scripts.enter_context(self.page.add_init_script(script))

    def _note_host(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def _note_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _note(self, message: Any) -> None:
        # On a deep link Streamlit first requests its own endpoints below that path, and the browser reports a 404 (docs/dashboard.md).
        looking = message.location.get("url", "").endswith(("/_stcore/health", "/_stcore/host-config"))
        if message.type == "error" and not looking:
            self.complaints.append(message.text)

    def sign_in(self, name: str, password: str = PASSWORD) -> "Visitor":
        """Fill in the sign-in form, which must be shown."""
        self.page.get_by_role("heading", name="Sign in").wait_for()
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        return self

    def open(self, path: str = "", **state: Any) -> "Visitor":
        """Open a page with this state in its URL (in UTC by default), and wait until it is drawn completely."""
        query = urlencode({"tz": "UTC", **state}, doseq=True)
        self.page.goto(f"{self.url}/{path}?{query}")
        return self.wait()

    def wait(self) -> "Visitor":
        """Wait until the page's last request is answered and drawn."""
        deadline = time.monotonic() + SECONDS
        while not self.runs.drawn():
            assert time.monotonic() < deadline, f"{self.page.url} isn't drawn after {SECONDS} s: {self.runs}"
            self.page.wait_for_timeout(POLL_MILLISECONDS)  # unlike time.sleep, handles what the browser sends
        assert self.page.locator("[data-testid=stException]").count() == 0
        return self

    def turn_to(self, page: str) -> "Visitor":
        """Open another page with the sidebar."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=page).click()
        self.page.get_by_role("heading", name=page, level=1).wait_for()
        return self.wait()

    def tile(self, name: str) -> str:
        """The number in the first box of this name. The boxes of the range come before the live ones."""
        label = self.page.locator("[data-testid=stMetricLabel] p", has_text=re.compile(f"^{name}$"))
        metric = self.page.locator("[data-testid=stMetric]").filter(has=label).first
        return metric.locator("[data-testid=stMetricValue]").inner_text()

    def choose(self, label: str, option: str) -> "Visitor":
        """Choose an option in a list."""
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
        """The rows of a table, as a screen reader gets them."""
        frame = self.page.locator("[data-testid=stDataFrame]").filter(
            has=self.page.locator(f'[aria-label$=": {table}"]')
        )
        frame.locator("tbody [role=gridcell]").first.wait_for(state="attached")
        cells: list[list[str]] = frame.evaluate(SETTLED)
        return cells


def without_live_tiles(visitor: Visitor) -> Visitor:
    """Turn off the live updates of pages: a part that is being updated fades, and axe reports its low contrast."""
    visitor.add_script(
        "const every = setInterval; window.setInterval = (what, wait, ...more) => [5000, 10000].includes(wait) ? 0 : every(what, wait, ...more)"
    )
    return visitor


def make_view(time: datetime, **properties: Any) -> dict[str, Any]:
    """An event of ann's."""
    return {
        "user_id": "ann",
        "event_type": "view",
        "timestamp": time.isoformat(),
        "event_id": str(uuid.uuid4()),
        "properties": properties,
    }


def serious_violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds that is serious or critical: rule, and where."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
