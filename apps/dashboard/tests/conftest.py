"""A dashboard on a query service with known events, and a real browser."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page
from servers import START_SECONDS, Postgres, Service, free_port

Launcher = Callable[[Path], AbstractContextManager[Callable[..., Service]]]

ZONE = "Europe/Berlin"
USERS = 40
SHOPPERS = 10


def known_events() -> list[dict[str, Any]]:
    """Each of 40 users looks at two pages in one session, a day apart from the user before; each fourth buys. None lies in today."""
    start = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=USERS)
    events = []
    for number in range(USERS):
        visit = [("page_view", {"page": "/"}), ("page_view", {"page": "/pricing", "plan": "pro"})]
        if number % (USERS // SHOPPERS) == 0:
            visit.append(("purchase", {"amount": 9.5 + number}))
        for minutes, (event_type, properties) in enumerate(visit):
            events.append(
                {
                    "user_id": f"user-{number}",
                    "event_type": event_type,
                    "timestamp": (start + timedelta(days=number, minutes=minutes)).isoformat(),
                    "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}/{minutes}")),
                    "session_id": f"visit-{number}",
                    "properties": properties,
                }
            )
    return events


class Dashboard(NamedTuple):
    """A dashboard, and what it asks."""

    url: str
    query_url: str
    process: Service

    def ask(self, path: str, **parameters: Any) -> Any:
        """The query service's own answer."""
        answer = requests.get(self.query_url + path, params=parameters, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def last(self, days: int) -> dict[str, str]:
        """The parameters of the last so many days."""
        today = datetime.now(UTC).date()
        return {"from": f"{today - timedelta(days=days - 1)}", "to": f"{today + timedelta(days=1)}", "tz": "UTC"}


@contextmanager
def running(start: Callable[..., Service], query_url: str) -> Iterator[Dashboard]:
    """A dashboard that serves."""
    process = start("dashboard", wait=False, QUERY_URL=query_url)
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.process.poll() is None, process.log.read_text()
        assert time.monotonic() < deadline, process.log.read_text()
        try:
            if requests.get(f"{process.url}/_stcore/health", timeout=2).ok:
                break
        except requests.RequestException:
            time.sleep(0.05)
    yield Dashboard(process.url, query_url, process)


@pytest.fixture(scope="session")
def start(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    with launcher(tmp_path_factory.mktemp("dashboard")) as start:
        yield start


@pytest.fixture(scope="session")
def another(start: Callable[..., Service]) -> Callable[[str], AbstractContextManager[Dashboard]]:
    """A function that runs one more dashboard."""
    return lambda query_url: running(start, query_url)


@contextmanager
def serving(start: Callable[..., Service], postgres: Postgres, events: list[dict[str, Any]]) -> Iterator[Dashboard]:
    """A dashboard on a database of its own, with these events."""
    name = f"dashboard_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name} template template_events")
    if events:
        collector = start("collector", DATABASE_URL=postgres.url(name, "collector"))
        answer = requests.post(f"{collector.url}/events", json=events, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json()["stored"] == len(events)
        collector.stop()
    query = start("query", DATABASE_URL=postgres.url(name, "query"))
    with running(start, query.url) as dashboard:
        yield dashboard
        dashboard.process.stop()
    query.stop()
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def dashboard(start: Callable[..., Service], postgres: Postgres) -> Iterator[Dashboard]:
    """A dashboard with `known_events`."""
    with serving(start, postgres, known_events()) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def empty_dashboard(start: Callable[..., Service], postgres: Postgres) -> Iterator[Dashboard]:
    """A dashboard without a single event."""
    with serving(start, postgres, []) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def lonely_dashboard(start: Callable[..., Service]) -> Iterator[Dashboard]:
    """A dashboard whose query service isn't there."""
    with running(start, f"http://127.0.0.1:{free_port()}") as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests, so that scripts are fetched and compiled once; state stands in URLs, not in it."""
    context = browser.new_context(locale="en-US", timezone_id=ZONE, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)  # the machine may be busy
    yield context
    context.close()


class Visitor:
    """Someone with a browser: opens pages and reads them. `complaints` are errors that the browser reported."""

    def __init__(self, page: Page, dashboard_url: str) -> None:
        self.page, self.url = page, dashboard_url
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # On a deep link Streamlit first looks for itself below that path; the browser reports the 404 (docs/dashboard.md).
        looking = message.location.get("url", "").endswith(("/_stcore/health", "/_stcore/host-config"))
        if message.type == "error" and not looking:
            self.complaints.append(message.text)

    def open(self, path: str = "", **state: Any) -> "Visitor":
        """Open a page with this state in its URL (UTC unless said otherwise), and wait for all of it."""
        query = urlencode({"tz": "UTC", **state}, doseq=True)
        self.page.goto(f"{self.url}/{path}?{query}")
        return self.wait()

    def wait(self) -> "Visitor":
        """Until the page isn't being worked on any more."""
        self.page.locator("h1").wait_for()
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        assert self.page.locator("[data-testid=stException]").count() == 0
        return self

    def tile(self, name: str) -> str:
        """The number in the last box of this name: those of the range come after the live ones."""
        label = self.page.locator("[data-testid=stMetricLabel] p", has_text=re.compile(f"^{name}$"))
        metric = self.page.locator("[data-testid=stMetric]").filter(has=label).last
        return metric.locator("[data-testid=stMetricValue]").inner_text()

    def choose(self, label: str, option: str) -> "Visitor":
        """Choose an option of a list."""
        self.page.get_by_role("combobox", name=label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        return self

    def cells(self, table: str) -> list[list[str]]:
        """The rows of a table, as a screen reader is given them."""
        frame = self.page.locator("[data-testid=stDataFrame]").filter(
            has=self.page.locator(f'[aria-label$=": {table}"]')
        )
        rows = frame.locator("tbody [role=row]")
        rows.first.wait_for(state="attached")
        return [row.locator("[role=gridcell]").all_inner_texts() for row in rows.all()]


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[[Dashboard], Visitor]]:
    """visit(dashboard): a visitor there; in the end the browser must have reported nothing, and asked nobody else."""
    visitors = []

    def visit(dashboard: Dashboard) -> Visitor:
        visitors.append(Visitor(context.new_page(), dashboard.url))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.page.close()
        assert visitor.complaints == []
        assert visitor.hosts <= {urlsplit(visitor.url).netloc, ""}
