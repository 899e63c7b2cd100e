"""A dashboard on a query service with known events, and a real browser."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from known_password import PASSWORD_HASH
from playwright.sync_api import Browser, BrowserContext
from ports import free_port, same_port
from servers import START_SECONDS, Postgres, Service
from signing_key import make_signing_key
from tabs import VIEW, Profile
from visitors import Visitor

Launcher = Callable[[Path], AbstractContextManager[Callable[..., Service]]]

ZONE = "Europe/Berlin"
USERS = 40
SHOPPERS = 10
MAX_AT_ONCE = 1000
"""Events in a request."""

DASHBOARD_PORTS: list[int] = []
"""Where dashboards of this process have listened. One that begins after another has ended is at the same address, and browsers have
its scripts compiled."""


def known_events() -> list[dict[str, Any]]:
    """Make the events of 40 users. Each views two pages in one session, a day after the previous user; every fourth one buys. None
    of the events is from today."""
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
    """A dashboard and its query service."""

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
def running(start: Callable[..., Service], query_url: str, **settings: str) -> Iterator[Dashboard]:
    """A dashboard that serves."""
    given = {"QUERY_URL": query_url, "PORT": str(same_port(DASHBOARD_PORTS)), **settings}
    process = start("dashboard", wait=False, **given)
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
def another(start: Callable[..., Service]) -> Callable[..., AbstractContextManager[Dashboard]]:
    """A function that runs one more dashboard."""
    return lambda query_url, **settings: running(start, query_url, **settings)


@contextmanager
def database(postgres: Postgres, start: Callable[..., Service], events: list[dict[str, Any]]) -> Iterator[str]:
    """The name of a database with these events."""
    name = f"dashboard_{uuid.uuid4().hex}"
    postgres.clone(name)
    if events:
        collector = start("collector", DATABASE_URL=postgres.url(name, "collector"))
        for start_of_batch in range(0, len(events), MAX_AT_ONCE):
            batch = events[start_of_batch : start_of_batch + MAX_AT_ONCE]
            answer = requests.post(f"{collector.url}/events", json=batch, timeout=30)
            assert answer.status_code == 200, answer.text
            assert answer.json()["stored"] == len(batch)
        collector.stop()
    yield name
    postgres.execute(f"drop database {name} with (force)")


@contextmanager
def serving(start: Callable[..., Service], postgres: Postgres, events: list[dict[str, Any]]) -> Iterator[Dashboard]:
    """A dashboard on a database of its own, with these events."""
    with database(postgres, start, events) as name, served(start, postgres, name) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def serve_events(start: Callable[..., Service], postgres: Postgres) -> Callable[..., AbstractContextManager[Dashboard]]:
    """serve_events(events): a dashboard on a database of its own, with these events."""
    return lambda events: serving(start, postgres, events)


@contextmanager
def served(start: Callable[..., Service], postgres: Postgres, name: str) -> Iterator[Dashboard]:
    """A dashboard on this database."""
    query = start("query", DATABASE_URL=postgres.url(name, "query"))
    with running(start, query.url) as dashboard:
        yield dashboard
        dashboard.process.stop()
    query.stop()


@pytest.fixture(scope="session")
def guarded_database(start: Callable[..., Service], postgres: Postgres) -> Iterator[str]:
    """The name of a database with `known_events`, for a query service that requires authentication."""
    with database(postgres, start, known_events()) as name:
        yield name


@pytest.fixture(scope="session")
def start_query(start: Callable[..., Service], postgres: Postgres, guarded_database: str) -> Callable[..., Service]:
    """start_query(SETTING=...) starts a query service on it that requires authentication."""
    given = {
        "DATABASE_URL": postgres.url(guarded_database, "query"),
        "CONTROL_DATABASE_URL": postgres.url(guarded_database, "control"),
        "SIGNING_KEY": make_signing_key(),
        "AUTH": "required",
        "LOG_LEVEL": "debug",
    }
    return lambda **settings: start("query", **{**given, **settings})


@pytest.fixture(scope="session")
def guarded(start: Callable[..., Service], start_query: Callable[..., Service]) -> Iterator[Dashboard]:
    """A dashboard that requires a sign-in."""
    query = start_query()
    with running(start, query.url) as dashboard:
        yield dashboard
        dashboard.process.stop()
    query.stop()


@pytest.fixture
def people(postgres: Postgres, guarded_database: str) -> Iterator[psycopg.Connection]:
    """The database's owner; in it are Ann, an admin, Ben, an analyst, and Vic, a viewer, all with PASSWORD."""
    with psycopg.connect(postgres.url(guarded_database), autocommit=True) as owner:
        owner.execute("truncate people, sign_ins, failed_sign_ins")
        for name, role in (("ann", "admin"), ("ben", "analyst"), ("vic", "viewer")):
            owner.execute(
                "insert into people (name, password_hash, role) values (%s, %s, %s)", [name, PASSWORD_HASH, role]
            )
        yield owner


@pytest.fixture(scope="session")
def dashboard(start: Callable[..., Service], postgres: Postgres) -> Iterator[Dashboard]:
    """A dashboard with `known_events`."""
    with serving(start, postgres, known_events()) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def dashboard_of_sources(start: Callable[..., Service], postgres: Postgres) -> Iterator[Dashboard]:
    """A dashboard with `known_events` of which the purchases are the shop's; the club has none."""
    with database(postgres, start, known_events()) as name:
        with psycopg.connect(postgres.url(name), autocommit=True) as owner:
            owner.execute("insert into sources (name) values ('shop'), ('club')")
            for table in ("events", "event_counts"):
                owner.execute(f"update {table} set source = 'shop' where event_type = 'purchase'".encode())
        with served(start, postgres, name) as dashboard:
            yield dashboard


@pytest.fixture(scope="session")
def empty_dashboard(start: Callable[..., Service], postgres: Postgres) -> Iterator[Dashboard]:
    """A dashboard without events."""
    with serving(start, postgres, []) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def lonely_dashboard(start: Callable[..., Service]) -> Iterator[Dashboard]:
    """A dashboard whose query service doesn't run."""
    with running(start, f"http://127.0.0.1:{free_port()}") as dashboard:
        yield dashboard


def new_context(browser: Browser) -> BrowserContext:
    """A browser's profile, with no cookies in it. It asks pages for reduced motion: while Streamlit animates what it waits for, each
    of 60 frames a second is drawn by the CPU. test_compressed.py opens every page with motion."""
    context = browser.new_context(locale="en-US", timezone_id=ZONE, viewport=VIEW, reduced_motion="reduce")
    context.set_default_timeout(60_000)  # the machine may be busy
    return context


@pytest.fixture
def fresh_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """fresh_context() makes a profile that no test has used: it has to fetch and compile all scripts."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(new_context(browser))


@pytest.fixture(scope="session")
def used_profiles(browser: Browser) -> Iterator[list[Profile]]:
    """Profiles that no test uses now, without cookies."""
    profiles: list[Profile] = []
    yield profiles
    for profile in profiles:
        profile.context.close()


@pytest.fixture
def profile(browser: Browser, used_profiles: list[Profile]) -> Iterator[Callable[[], Profile]]:
    """profile() is a profile without cookies, another one each time: one for each visitor who signs in."""
    taken = []

    def profile() -> Profile:
        taken.append(used_profiles.pop() if used_profiles else Profile(new_context(browser)))
        return taken[-1]

    yield profile
    for one in taken:
        one.empty()
        used_profiles.append(one)


@pytest.fixture
def visit(profile: Callable[[], Profile]) -> Iterator[Callable[[Dashboard], Visitor]]:
    """visit(dashboard) makes a visitor. At the end, the browser must have reported no errors and sent no requests to other hosts."""
    visitors = []
    one = profile()

    def visit(dashboard: Dashboard) -> Visitor:
        visitors.append(one.visit(dashboard.url))
        return visitors[-1]

    yield visit
    one.empty()
    for visitor in visitors:
        assert visitor.complaints == []
        assert visitor.hosts <= {urlsplit(visitor.url).netloc, ""}


@pytest.fixture
def come(profile, guarded, people):
    """come(): a visitor with a profile of their own; come(visitor): the same browser, another tab."""

    def come(to=guarded, like=None):
        return Visitor(like.page.context.new_page(), to.url) if like else profile().visit(to.url)

    return come


@pytest.fixture
def signed_in(come):
    """signed_in("ann"): a visitor who has signed in and sees the overview."""

    def signed_in(name, to=None, **state):
        visitor = come(to) if to else come()
        visitor.page.goto(f"{visitor.url}/sign-in")
        visitor.sign_in(name)
        visitor.page.get_by_text(f"Signed in as {name}").wait_for()
        return visitor.wait()

    return signed_in
