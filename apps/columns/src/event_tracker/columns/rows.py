"""Copies events out of PostgreSQL, as CSV."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns", "rows.sql")
NESTED = load_queries("event_tracker.columns", "nested.sql")["nested"]


class TooManyBytesError(Exception):
    """The events have more bytes than they may. They were copied in part."""


def copy_statement(start: datetime, end: datetime, sources: sql.Composable) -> sql.Composed:
    """The statement that writes the events in [start, end) as CSV, of those that the condition `sources` selects."""
    return sql.SQL(QUERIES["copy_events"]).format(
        start=sql.Literal(start), end=sql.Literal(end), sources=sources, nested=sql.SQL(NESTED)
    )


def copy_rows(
    connection: psycopg.Connection,
    file: Path,
    *,
    start: datetime,
    end: datetime,
    sources: Sequence[str] | None,
    most_bytes: int | None = None,
) -> None:
    """Copy the events in [start, end) of these sources (None is all) to a file.

    Raises:
        TooManyBytesError: if they have more than `most_bytes`.
    """
    of_sources = sql.SQL("true") if sources is None else sql.SQL("source = any({})").format(list(sources))
    statement = copy_statement(start, end, of_sources)
    written = 0
    with file.open("wb") as out, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for data in copy:
            written += out.write(data)
            if most_bytes is not None and written > most_bytes:
                raise TooManyBytesError
