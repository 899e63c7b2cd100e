"""All events of a filter, newest first, a bounded page at a time: no snapshot is held, and no connection between pages.

A page of one user rides the primary key. A page of everybody's reads all of its range of time before its newest are known,
so the range is cut into slices of some thousand events each. How many events an hour holds is counted already
(`event_counts`); but that only says where to cut: the slices follow each other without a gap, so that nothing depends on it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import psycopg
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.query import metrics
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import EXPORT_TURN_SECONDS, TURN_SECONDS, take_turn
from event_tracker.query.events.cursor import Position
from event_tracker.query.events.filters import EventFilter
from event_tracker.query.events.store import build_conditions
from event_tracker.query.parameter_types import EARLIEST, LATEST

QUERIES = load_queries("event_tracker.query.events")

HOUR = timedelta(hours=1)
HOURS = 500
"""Hours whose counts are asked for at once."""

FIRST_ROWS = 500
MOST_ROWS = 5000
MOST_BYTES = 4 * 2**20
"""Of a page: its rows, and its properties' JSON. The first page is small, so that it comes soon."""

SLICE_EVENTS = 4500
FILTERED_SLICE_EVENTS = 50_000
"""Events in a slice: about a page, or where only some of them will be in it, what is read in a blink."""

SLICE_DIVISOR = 8
MOST_SLICE_CUTS = 8
"""A slice that takes longer than PostgreSQL's statement_timeout is cut to an eighth; so is that, so often at most."""

Row = tuple[Any, ...]
RECEIVED_AT, BYTES, MORE = 6, 8, 9
"""What stands where in a row; behind the event: the page's bytes up to it, and whether the page leaves out what comes next."""

Execute = Callable[[bytes, dict[str, Any]], Sequence[Row]]


class ExportPages:
    """Asks for the pages. Exports take turns with other questions that may be slow, anew for each page."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._pool = pool
        self._concurrency_limit = concurrency_limit

    def read(self, event_filter: EventFilter, limit: int | None, client: QuotaHolder) -> Iterator[Sequence[Row]]:
        """Pages of rows as `formats` takes them, up to `limit` rows; a page may be empty.

        What is committed while it goes on may or may not be among them; what was there before is, once.

        Raises:
            Problem: 503 if the database is too busy, 429 if too much of the client's waits.
            psycopg.Error: as it is, for anything else.
        """
        turn_seconds = TURN_SECONDS

        def execute_page(statement: bytes, parameters: dict[str, Any]) -> Sequence[Row]:
            with (
                take_turn(self._concurrency_limit, client, turn_seconds),
                metrics.DB_SECONDS.labels("export_events").time(),
            ):
                return execute(self._pool, statement, parameters)

        planner = _SlicePlanner(event_filter, execute_page)
        position = _ExportPosition(event_filter.after, planner.find_start(event_filter.after.timestamp))
        size, left = FIRST_ROWS, limit
        while left is None or left > 0:
            rows = size if left is None else min(size, left)
            rows_found = _read_page(event_filter, position, rows, execute_page)
            yield [row[:BYTES] for row in rows_found]
            turn_seconds = EXPORT_TURN_SECONDS
            if left is not None:
                left -= len(rows_found)
            if rows_found and (len(rows_found) == rows or rows_found[-1][MORE]):
                last = rows_found[-1]
                position.after = Position(last[2], last[0], last[3], last[RECEIVED_AT])
                size = _next_size(rows_found)
            elif position.start <= event_filter.start:
                return
            else:
                position.move_to(planner.find_start(position.start))


@dataclass
class _ExportPosition:
    """Where an export is: behind `after`, in the slice that goes back to `start`.

    Attributes:
        widest: how wide slices may be, after one had to be cut; it doubles with each that came in time.
    """

    after: Position
    start: datetime
    widest: timedelta | None = None

    def cut(self) -> bool:
        """Make the slice narrower; False if it can't be."""
        self.widest = (self.after.timestamp - self.start) / SLICE_DIVISOR
        self.start = self.after.timestamp - self.widest
        return bool(self.widest)

    def move_to(self, start: datetime) -> None:
        """Go on with the slice behind this one, back to `start` or less far."""
        self.after = Position.before(self.start)
        if self.widest is not None:
            self.widest = min(self.widest * 2, self.start - start)
            start = self.start - self.widest
        self.start = start


class _SlicePlanner:
    """Tells where the next slice begins, going back in time."""

    def __init__(self, event_filter: EventFilter, execute_page: Execute) -> None:
        self._asked, self._execute = event_filter, execute_page
        self._slice_events = FILTERED_SLICE_EVENTS if event_filter.extra_filters else SLICE_EVENTS
        self._hours: deque[tuple[datetime, int]] = deque()
        # The key leads to one user's newest events: there is nothing to cut.
        self._counted_from = event_filter.start if event_filter.user_id is not None else LATEST

    def find_start(self, end: datetime) -> datetime:
        """Where the slice that ends at `end` begins."""
        while self._hours and self._hours[0][0] >= end:
            self._hours.popleft()
        if not self._hours and self._counted_from > self._asked.start:
            self._load_hours(end)
        total = 0
        while self._hours:
            hour, events = self._hours[0]
            if total and total + events > self._slice_events:
                return max(self._asked.start, hour + HOUR)
            if events > self._slice_events:
                return max(self._asked.start, hour, min(end, hour + HOUR) - HOUR * self._slice_events / events)
            self._hours.popleft()
            total += events
        return max(self._asked.start, self._counted_from)

    def _load_hours(self, end: datetime) -> None:
        parameters = {"start": max(self._asked.start, EARLIEST + HOUR) - HOUR, "end": end, "rows": HOURS}
        self._hours.extend(self._execute(QUERIES["export_events.hours"].encode(), parameters))
        self._counted_from = self._hours[-1][0] if len(self._hours) == HOURS else self._asked.start


def _read_page(event_filter: EventFilter, position: _ExportPosition, rows: int, execute_page: Execute) -> Sequence[Row]:
    """The newest rows of the place's slice, which is cut until they come in time."""
    statement = _build_statement(
        "everybody" if event_filter.user_id is None else "user_id", *event_filter.extra_filters
    )
    filters = {
        **event_filter.parameters,
        "rows": rows,
        "bytes": MOST_BYTES,
    }
    for cuts in count():
        parameters = {
            "start": position.start,
            "after_timestamp": position.after.timestamp,
            "after_user_id": position.after.user_id,
            "after_received_at": position.after.received_at,
            "after_event_id": position.after.event_id,
        }
        try:
            return execute_page(statement, {**filters, **parameters})
        except psycopg.errors.QueryCanceled:
            if cuts == MOST_SLICE_CUTS or not position.cut():
                raise
    raise AssertionError("unreachable")


def _next_size(rows_found: Sequence[Row]) -> int:
    """How many rows have about MOST_BYTES, if they go on as these."""
    size: int = rows_found[-1][BYTES]
    return max(1, min(MOST_ROWS, MOST_BYTES * len(rows_found) // size))


@cache
def _build_statement(*conditions: str) -> bytes:
    return sql.SQL(QUERIES["export_events"]).format(conditions=build_conditions(*conditions)).as_bytes()
