"""An engine on the database of a test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool
from servers import Postgres
from stored import Stored

from event_tracker.columns.engine import Engine
from event_tracker.core.postgres.pool import open_pool


@pytest.fixture
def stored(owner: psycopg.Connection, tmp_path: Path) -> Stored:
    """The events of this test."""
    return Stored(owner, tmp_path)


@pytest.fixture
def pool(postgres: Postgres, database: str) -> Iterator[ConnectionPool[psycopg.Connection]]:
    """Connections of the role `query`."""
    with open_pool(postgres.url(database, "query"), name="query", size=4, timeout=5, options={}) as pool:
        yield pool


@pytest.fixture
def open_engine(pool: ConnectionPool[psycopg.Connection], tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """open_engine(SETTING=...): an engine on the test's database."""
    with ExitStack() as stack:
        yield lambda folder=tmp_path / "cache", **settings: stack.enter_context(
            Engine(pool, folder, **{"seconds": 60, **settings})
        )


@pytest.fixture
def engine(open_engine: Callable[..., Engine]) -> Engine:
    """An engine with ample limits."""
    return open_engine()
