"""What PostgreSQL knows of events that it has no more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns.loading.archived", "archived_days.sql")


class ArchivedDay(NamedTuple):
    """A source's events of a day that only the lake has.

    Attributes:
        events: how many the lake got.
        epoch: changes whenever some of them are erased.
    """

    source: str
    start: datetime
    end: datetime
    events: int
    epoch: int


class ArchivedDays(NamedTuple):
    """What a snapshot says of archived events.

    Attributes:
        lake: the id of the lake that has them; None if none are archived.
        days: in the order of source and time.
        erased: the ids of erased people whose events the lake may still have, each with the sources that these are of; None is all.
        complete_from: no event is missing from this time on: not one that retention has deleted, and the lake hasn't got.
    """

    lake: str | None
    days: tuple[ArchivedDay, ...]
    erased: tuple[tuple[str, tuple[str, ...] | None], ...]
    complete_from: datetime


def read_archived_days(
    connection: psycopg.Connection, given: dict[str, Any], start: datetime, end: datetime
) -> ArchivedDays:
    """Read it in the snapshot of a connection.

    Args:
        given: `start`, `end` and `sources` (None is all) of what is read.
        start, end: the range that `complete_from` is about.
    """
    rows = connection.execute(QUERIES["archived_days"], given, binary=True).fetchall()
    asked = {"start": start, "end": end, "sources": given["sources"]}
    ((complete_from,),) = connection.execute(QUERIES["complete_from"], asked, binary=True).fetchall()
    if not rows:
        return ArchivedDays(None, (), (), complete_from)
    ((lake,),) = connection.execute(QUERIES["lake"], binary=True).fetchall()
    erased = connection.execute(QUERIES["erased"], binary=True).fetchall()
    days = tuple(ArchivedDay(*row) for row in rows)
    return ArchivedDays(lake, days, tuple((user_id, _tuple(sources)) for user_id, sources in erased), complete_from)


def count_archived(connection: psycopg.Connection) -> tuple[int, int]:
    """How many days of sources are archived, and how many ids wait to be erased from them."""
    ((days, erasures),) = connection.execute(QUERIES["count_archived"], binary=True).fetchall()
    return days, erasures


def read_epochs(connection: psycopg.Connection) -> dict[tuple[str, datetime], int]:
    """The epoch of each archived source and day."""
    rows = connection.execute(QUERIES["epochs"], binary=True).fetchall()
    return {(source, day): epoch for source, day, epoch in rows}


def _tuple(sources: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if sources is None else tuple(sources)
