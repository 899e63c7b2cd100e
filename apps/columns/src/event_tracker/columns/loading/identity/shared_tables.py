"""Tables in DuckDB that nothing changes once they are filled."""

from collections.abc import Callable
from uuid import uuid4
from weakref import finalize

import duckdb
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

OpenCursor = Callable[[], duckdb.DuckDBPyConnection]
"""A connection to the one database of the process."""

DROP = load_queries("event_tracker.columns.loading.identity", "links.sql")["drop"]


class SharedTable:
    """A table. It is dropped when nothing refers to this any more: not while a question still reads it.

    Attributes:
        name: its identifier.
    """

    def __init__(self, open_cursor: OpenCursor) -> None:
        name = f"links_{uuid4().hex}"
        self.name = sql.Identifier(name)
        # When the process ends, so does the database.
        finalize(self, _drop, open_cursor, name).atexit = False


def fill(statement: str, **slots: sql.Composable | SharedTable) -> str:
    """A statement with its slots filled."""
    filled = {name: slot.name if isinstance(slot, SharedTable) else slot for name, slot in slots.items()}
    return sql.SQL(statement).format(**filled).as_string()


def _drop(open_cursor: OpenCursor, name: str) -> None:
    try:
        with open_cursor() as cursor:
            cursor.execute(fill(DROP, table=sql.Identifier(name)))
    except duckdb.Error:
        # The database is closed, or has failed and was replaced.
        pass
