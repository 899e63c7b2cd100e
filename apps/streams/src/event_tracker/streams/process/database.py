"""The database of a process that has one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from event_tracker.core.postgres.pool import ConnectionPool, open_pool

POOL_SECONDS = 3.0
"""How long it waits for a connection to the database before it says that it is unavailable."""


def open_database(
    url: str, name: str, statement_seconds: float, max_lifetime_seconds: float = 3600.0
) -> ConnectionPool[psycopg.Connection]:
    """Open a pool of one connection for the process `name`. `max_lifetime_seconds` is as `open_pool` says."""
    return open_pool(
        url,
        name=name,
        size=1,
        timeout=POOL_SECONDS,
        options={"statement_timeout": f"{int(statement_seconds * 1000)}ms"},
        max_lifetime_seconds=max_lifetime_seconds,
    )


@contextmanager
def exit_if_refused(name: str) -> Iterator[None]:
    """Exit the process `name` with an error message, if the database refuses a statement.

    Raises:
        SystemExit: for this error.
    """
    try:
        yield
    except psycopg.errors.ProgrammingError as error:
        sys.exit(
            f"{name}: the database has another schema, or the role has too few rights (run `tracker migrate`): {error}"
        )
