"""Fixtures for every test: a real PostgreSQL, a fresh database for each test, and our services as real processes.

Each worker starts one server, with a migrated template database; each test gets a clone of it (some 50 ms with its end).
"""

import gc
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import browsing
import psycopg
import pytest
import servers
from folders import data_folder
from playwright.sync_api import Browser, sync_playwright
from servers import Postgres, Service, launching
from shared import made_once
from tools import tool

from event_tracker.core.postgres.migrate import apply_migrations

MIGRATIONS = Path(__file__).parent / "infra" / "migrations"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and whatever it starts would; a signal that has a handler here has its default there.
    signal.signal(signal.SIGINT, lambda *_: None)


class NetworkChangedError(Exception):
    """A test failed in which Chromium dropped requests; pyproject.toml has it run again."""


SERVICES = {"prepared_data", "launcher", "start_service", "browser"}
"""The fixtures through which a test gets PostgreSQL, a service or a browser. Who starts one itself, or asks for such a fixture only
while it runs (`getfixturevalue`), has the mark `services`."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected: all that is made then stays to the end, and Python would look through it again and
    again, then and in each test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make check` asks for."""
    parser.addoption("--without-services", action="store_true", help="only the tests that start no service")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, if asked to, the tests that need a service."""
    if config.getoption("--without-services"):
        needing = {item for item in items if item.get_closest_marker("services") or _uses_services(item)}
        config.hook.pytest_deselected(items=list(needing))
        items[:] = [item for item in items if item not in needing]


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """Of the tests that start no service, none starts one."""
    if fixturedef.argname in SERVICES and request.config.getoption("--without-services"):
        pytest.fail(f"{request.node.nodeid} uses {fixturedef.argname} and hasn't the mark services")


def _uses_services(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and not SERVICES.isdisjoint(item.fixturenames)


def pytest_runtest_setup() -> None:
    """Forget what Chromium reported in the test before."""
    browsing.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show what Chromium and the services said in a test that fails."""
    with telling(item, "call"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """The same at its end, where a page's complaints are looked at."""
    with telling(item, "teardown"):
        return (yield)


@contextmanager
def telling(item: pytest.Item, when: str) -> Iterator[None]:
    """Add to an error what else was said."""
    try:
        yield
    except Exception as error:
        browsing.look()
        if browsing.said:
            item.add_report_section(when, "browser", "\n".join(browsing.said))
        for service in servers.running:
            item.add_report_section(when, f"{service.name} at {service.url}", service.last_words())
        # tracker.js, in the collector's tests, must outlast that.
        outlasts = "collector" in item.path.parts
        if not outlasts and any(browsing.NETWORK_CHANGED in line for line in browsing.said):
            raise NetworkChangedError(browsing.NETWORK_CHANGED) from error
        raise


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def prepared_data(shared_folder: Path) -> Path:
    """The data folder of a stopped server with a migrated database `template_events`, made once for all workers."""
    return made_once(shared_folder / "prepared", prepare_data)


def prepare_data(path: Path) -> None:
    """Make the folder."""
    with data_folder() as folder:
        server = Postgres(folder)
        server.execute("create database template_events")
        apply_migrations(server.url("template_events"), MIGRATIONS)
        server.stop()
        subprocess.run(["cp", "-a", folder, path], check=True)


@pytest.fixture(scope="session")
def postgres(prepared_data: Path) -> Iterator[Postgres]:
    """The server that a worker's tests share. A test that stops its server wants `own_postgres`."""
    with data_folder() as folder:
        server = Postgres(folder, prepared_data)
        psycopg.connect(server.url("template_events")).close()  # it makes a cache, which goes into each clone
        yield server
        server.stop("immediate")


@pytest.fixture
def own_postgres(prepared_data: Path) -> Iterator[Postgres]:
    """A server for one test, with a migrated database `events`."""
    with data_folder() as folder:
        server = Postgres(folder, prepared_data)
        server.execute("alter database template_events rename to events")
        yield server
        server.start()
        server.stop("immediate")


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of a fresh, migrated, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.clone(name)
    yield name
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def owner(postgres: Postgres, database: str) -> Iterator[psycopg.Connection]:
    """A connection of the database's owner, autocommit, in UTC: looks at what the services did."""
    with psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture(scope="session")
def launcher() -> Callable[..., AbstractContextManager[Callable[..., Service]]]:
    """`launching`, for fixtures that outlive one test."""
    return launching


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """A function that starts a service as a process: start_service("collector", DATABASE_URL=..., PORT=...)."""
    with launching(tmp_path) as start:
        yield start


@pytest.fixture
def collector(start_service: Callable[..., Service], postgres: Postgres, database: str) -> Service:
    """A collector on this test's database."""
    return start_service("collector", DATABASE_URL=postgres.url(database, "collector"))


@pytest.fixture
def query(start_service: Callable[..., Service], postgres: Postgres, database: str) -> Service:
    """A query service on this test's database."""
    return start_service("query", DATABASE_URL=postgres.url(database, "query"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it, for all tests of one process: Playwright runs once in each."""
    chromium = tool("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=browsing.CHROMIUM_FLAGS)
        browser.on("context", browsing.listen)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared_database(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated database for a whole module of tests; `shared_owner` empties it for each."""
    name = f"shared_{uuid.uuid4().hex}"
    postgres.clone(name)
    yield name
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def shared_owner(postgres: Postgres, shared_database: str) -> Iterator[psycopg.Connection]:
    """A connection of the shared database's owner, its tables empty."""
    with psycopg.connect(postgres.url(shared_database), autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(
            "truncate events, event_counts, deleted_counts, users, summarised_days, property_counts, visits, write_keys,"
            " rate_limits, erasures, rejections, blocks, block_epochs, links"
        )
        connection.execute("delete from sources where name <> 'default'")
        yield connection
