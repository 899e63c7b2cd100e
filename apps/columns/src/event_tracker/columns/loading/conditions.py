"""Conditions on times, in DuckDB's SQL."""

from collections.abc import Iterable
from datetime import datetime

from psycopg import sql

Range = tuple[datetime, datetime]
"""[start, end)."""

HOUR = sql.SQL('("timestamp" >= {start} and "timestamp" < {end})')


def in_any(ranges: Iterable[Range]) -> sql.Composable:
    """The condition for times in one of these ranges."""
    return sql.SQL(" or ").join(HOUR.format(start=moment(start), end=moment(end)) for start, end in ranges)


def moment(time: datetime) -> sql.Composable:
    """A time as DuckDB reads it."""
    return sql.SQL("timestamptz {}").format(sql.Literal(time.isoformat()))
