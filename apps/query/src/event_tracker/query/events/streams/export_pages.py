"""Reads all events of a filter, newest first, in bounded pages. It holds no snapshot, and no connection between pages.

A page of one user is read from the primary key. A page of all users needs a sort of its whole time range, so the range is split into
slices of some thousand events. The counters per hour (`event_counts`) say where to split. They only affect the speed: the slices
are adjacent, so the result doesn't depend on them.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.query import metrics
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import EXPORT_TURN_SECONDS, TURN_SECONDS, take_turn
from event_tracker.query.events.event_pages import Position
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.events.store import build_statement
from event_tracker.query.identity import limited_ids
from event_tracker.query.parameter_types import EARLIEST, LATEST

QUERIES = load_queries("event_tracker.query.events")

HOUR = timedelta(hours=1)
HOURS = 500
"""Hours whose counts are read at once."""

FIRST_ROWS = 500
MAX_ROWS = 5000
MAX_BYTES = 4 * 2**20
"""Limits of a page: its rows, and the JSON of its properties. The first page is small, so that the response begins soon."""

SLICE_EVENTS = 4500
FILTERED_SLICE_EVENTS = 50_000
"""Events in a slice: about a page. With filters, a slice may have more: only some of its events match."""

SLICE_DIVISOR = 8
MAX_SLICE_CUTS = 8
"""A slice that exceeds PostgreSQL's statement_timeout is cut to an eighth, at most so many times in a row."""

Row = tuple[Any, ...]
RECEIVED_AT, BYTES, MORE = 6, 8, 9
"""Indexes in a row. After the event come the page's bytes up to it, and whether the page omits the following rows."""

Execute = Callable[[bytes, dict[str, Any]], Sequence[Row]]


class ExportPages:
    """Reads the pages of exports. Each page waits for a turn, like other slow queries."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._pool = pool
        self._concurrency_limit = concurrency_limit

    def read(self, event_query: EventQuery, limit: int | None, client: QuotaHolder) -> Iterator[Sequence[Row]]:
        """Pages of rows as `formats` takes them, up to `limit` rows; a page may be empty.

        Events that were committed before are included exactly once. Those committed meanwhile may or may not be.

        Raises:
            Problem: 503 if the database is too busy, 429 if the client has too many queries waiting.
            psycopg.Error: for any other error of the database.
        """
        turn_seconds = TURN_SECONDS

        prepare = event_query.filter is None

        def execute_page(statement: bytes, parameters: dict[str, Any]) -> Sequence[Row]:
            with (
                take_turn(self._concurrency_limit, client, turn_seconds),
                metrics.DB_SECONDS.labels("export_events").time(),
            ):
                return execute(self._pool, statement, parameters, prepare=prepare)

        planner = _SlicePlanner(event_query, execute_page)
        position = _ExportPosition(event_query.after, planner.find_start(event_query.after.timestamp))
        size, left = FIRST_ROWS, limit
        while left is None or left > 0:
            rows = size if left is None else min(size, left)
            page = _read_page(event_query, position, rows, execute_page)
            yield [row[:BYTES] for row in page]
            turn_seconds = EXPORT_TURN_SECONDS
            if left is not None:
                left -= len(page)
            if page and (len(page) == rows or page[-1][MORE]):
                last = page[-1]
                position.after = Position(last[2], last[0], last[3], last[RECEIVED_AT])
                size = _next_size(page)
            elif position.start <= event_query.start:
                return
            else:
                position.move_to(planner.find_start(position.start))


@dataclass
class _ExportPosition:
    """The position of an export: after `after`, in the slice that reaches back to `start`.

    Attributes:
        widest: the widest slice allowed, after one had to be cut. It doubles with each slice that is read in time.
    """

    after: Position
    start: datetime
    widest: timedelta | None = None

    def cut(self) -> bool:
        """Narrow the slice. Returns False if it can't be narrower."""
        self.widest = (self.after.timestamp - self.start) / SLICE_DIVISOR
        self.start = self.after.timestamp - self.widest
        return bool(self.widest)

    def move_to(self, start: datetime) -> None:
        """Continue with the next older slice, which reaches back to `start` at most."""
        self.after = Position.before(self.start)
        if self.widest is not None:
            self.widest = min(self.widest * 2, self.start - start)
            start = self.start - self.widest
        self.start = start


class _SlicePlanner:
    """Plans the slices, from the newest to the oldest."""

    def __init__(self, event_query: EventQuery, execute_page: Execute) -> None:
        self._event_query, self._execute = event_query, execute_page
        self._slice_events = FILTERED_SLICE_EVENTS if event_query.has_extra_filters else SLICE_EVENTS
        self._hours: deque[tuple[datetime, int]] = deque()
        # One user's newest events are read from the index, so a single slice is enough.
        self._counted_from = event_query.start if event_query.user_id is not None else LATEST

    def find_start(self, end: datetime) -> datetime:
        """The start of the slice that ends at `end`."""
        while self._hours and self._hours[0][0] >= end:
            self._hours.popleft()
        if not self._hours and self._counted_from > self._event_query.start:
            self._load_hours(end)
        total = 0
        while self._hours:
            hour, events = self._hours[0]
            if total and total + events > self._slice_events:
                return max(self._event_query.start, hour + HOUR)
            if events > self._slice_events:
                return max(self._event_query.start, hour, min(end, hour + HOUR) - HOUR * self._slice_events / events)
            self._hours.popleft()
            total += events
        return max(self._event_query.start, self._counted_from)

    def _load_hours(self, end: datetime) -> None:
        parameters = {"start": max(self._event_query.start, EARLIEST + HOUR) - HOUR, "end": end, "rows": HOURS}
        self._hours.extend(self._execute(QUERIES["export_events.hours"].encode(), parameters))
        self._counted_from = self._hours[-1][0] if len(self._hours) == HOURS else self._event_query.start


def _read_page(event_query: EventQuery, position: _ExportPosition, rows: int, execute_page: Execute) -> Sequence[Row]:
    """The next rows of the current slice. The slice is cut until they are read in time."""
    statement, conditions = build_statement("export_events", event_query)
    filters = {**conditions, "rows": rows, "bytes": MAX_BYTES}
    for cuts in count():
        parameters = {
            "start": position.start,
            "after_timestamp": position.after.timestamp,
            "after_user_id": position.after.user_id,
            "after_received_at": position.after.received_at,
            "after_event_id": position.after.event_id,
        }
        try:
            with limited_ids():
                return execute_page(statement, {**filters, **parameters})
        except psycopg.errors.QueryCanceled:
            if cuts == MAX_SLICE_CUTS or not position.cut():
                raise
    raise AssertionError("unreachable")


def _next_size(page: Sequence[Row]) -> int:
    """How many rows have about MAX_BYTES, if they are as large as these on average."""
    size: int = page[-1][BYTES]
    return max(1, min(MAX_ROWS, MAX_BYTES * len(page) // size))
