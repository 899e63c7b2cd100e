"""Queries of events, one function each. The statements are in `queries.sql`."""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar, cast

import gevent
import psycopg
from gevent.event import AsyncResult, Event
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, Row, execute, fetch_within
from event_tracker.query import metrics
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import take_turn
from event_tracker.query.events.event_pages import Page, Position, StoredEvent, make_stored_event
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.identity import MAX_IDS, limited_ids

QUERIES = load_queries("event_tracker.query.events")

Query = TypeVar("Query")
Result = TypeVar("Result")

SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    # Planning over a year of partitions takes longer than reading a page, so each connection plans a statement once.
    "plan_cache_mode": "force_generic_plan",
    # Some users have a thousand times as many events as others, and all share one plan. It must read a user's newest events from
    # the end of the index, and never read and sort all of them. PostgreSQL still sorts where there is no other way.
    "enable_sort": "off",
    "jit": "off",
    # One core for each query: the others are for other queries.
    "max_parallel_workers_per_gather": "0",
}
"""Settings of the database sessions that run these queries."""

MAX_IN_BATCH = 64
"""Queries in one statement. The limit bounds how long one statement takes."""

BATCHES_AT_ONCE = 2
"""Batches of small pages that run at once. The other connections are for everything else."""

RECENT = timedelta(hours=1)

SMALL_PAGE = 100
"""Pages of one user up to this limit share a statement. They are quick for every user, so none waits long for the others."""

MAX_BYTES = 8 * 2**20
"""Approximate limit for the JSON of properties in a page, or in pages that share a statement. A larger page ends there. Building a
response takes three times as much memory."""

JSON = 5
"""Index of the properties' JSON in a row of events."""


class Batcher(Generic[Query, Result]):
    """Runs small queries of one kind in batches: those that arrive while others run wait together, and are sent in one statement.

    There is no timer. A single client is answered at once, and under load the batches grow by themselves. The collector stores events
    in the same way. A batch has queries of one client only, so that no client waits for large answers of another. Clients take turns.

    Args:
        run_all: runs several queries and returns their results in the same order.
        at_once: batches that run at once. One continues while another waits for a disk.
        each: batches of one client that run at once.
    """

    def __init__(self, run_all: Callable[[Sequence[Query]], Sequence[Result]], at_once: int, each: int) -> None:
        self._run_all = run_all
        self._each = each
        self._running: Counter[Hashable] = Counter()
        # Client → its waiting queries. Clients are in the order of their turns; no queue is empty.
        self._waiting: dict[Hashable, deque[tuple[Query, AsyncResult[Result]]]] = {}
        self._arrived = Event()
        self._greenlets = [gevent.spawn(self._run) for _ in range(at_once)]

    def run(self, query: Query, client: Hashable) -> Result:
        """Wait for the result. Raises what `run_all` raised."""
        future: AsyncResult[Result] = AsyncResult()
        self._waiting.setdefault(client, deque()).append((query, future))
        self._arrived.set()
        return cast(Result, future.get())

    def close(self) -> None:
        """Stop. Call it when no query waits any more."""
        gevent.killall(self._greenlets)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            client = next((client for client in self._waiting if self._running[client] < self._each), None)
            if client is None:
                self._arrived.clear()
                continue
            self._running[client] += 1
            self._run_batch(self._take_batch(client))
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
            self._arrived.set()

    def _take_batch(self, client: Hashable) -> list[tuple[Query, "AsyncResult[Result]"]]:
        waiting = self._waiting.pop(client)
        batch = [waiting.popleft() for _ in range(min(MAX_IN_BATCH, len(waiting)))]
        if waiting:
            self._waiting[client] = waiting  # behind the others
        return batch

    def _run_batch(self, batch: list[tuple[Query, "AsyncResult[Result]"]]) -> None:
        try:
            results = self._run_all([query for query, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                future.set(result)
        except Exception as error:  # whatever it is, everyone who waits must receive it, and the greenlet must continue
            for _, future in batch:
                future.set_exception(error)


class EventStore:
    """Runs queries of events. Each is one statement, so it sees one snapshot.

    Args:
        at_once: how many of BATCHES_AT_ONCE one client may use.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        concurrency_limit: ConcurrencyLimit,
        at_once: int = BATCHES_AT_ONCE,
    ) -> None:
        self.pool = pool
        self._small_pages = Batcher(self._list_grouped, min(BATCHES_AT_ONCE, pool.max_size), at_once)
        self._concurrency_limit = concurrency_limit

    def close(self) -> None:
        """Stop. Call it when no query waits any more."""
        self._small_pages.close()

    def list_events(self, event_query: EventQuery, client: QuotaHolder) -> Page:
        """A page of events, newest first."""
        if event_query.user_id is None:
            page = self._list_everybody(event_query, client)
        elif (
            event_query.limit <= SMALL_PAGE
            and not event_query.has_extra_filters
            and event_query.after.received_at is not None
        ):
            page = self._small_pages.run(event_query, client) or self._list_filtered(event_query, client)
        else:
            page = self._list_filtered(event_query, client)
        metrics.ROWS_RETURNED.observe(len(page.events))
        return page

    def _list_everybody(self, event_query: EventQuery, client: QuotaHolder) -> Page:
        """A page of all users. Tries the last hour first: it usually fills the page, while a wide window is read completely and sorted."""
        newest = min(event_query.after.timestamp, datetime.now(UTC))
        if newest - event_query.start > RECENT:
            page = self._list_filtered(replace(event_query, start=newest - RECENT), client)
            if page.next:
                return page
        return self._list_filtered(event_query, client)

    def _list_filtered(self, event_query: EventQuery, client: QuotaHolder) -> Page:
        statement, conditions = build_statement("list_events", event_query)
        parameters = {
            **conditions,
            "start": event_query.start,
            "after_timestamp": event_query.after.timestamp,
            "after_user_id": event_query.after.user_id,
            "after_received_at": event_query.after.received_at,
            "after_event_id": event_query.after.event_id,
            "rows": event_query.limit + 1,
        }
        with take_turn(self._concurrency_limit, client), limited_ids():
            rows, is_whole = self._fetch(statement, parameters, JSON, prepare=event_query.filter is None)
        return _make_page(
            [make_stored_event(*row) for row in rows], min(event_query.limit, len(rows)), is_whole=is_whole
        )

    def _list_grouped(self, event_queries: Sequence[EventQuery]) -> list[Page | None]:
        """The pages, in the order of the queries. None for a page that may be incomplete: together they were too large or too slow."""
        parameters = {
            "user_ids": [one.user_id for one in event_queries],
            "are_linked": [one.identity == "linked" for one in event_queries],
            "most_ids": MAX_IDS,
            "starts": [one.start for one in event_queries],
            "after_timestamps": [one.after.timestamp for one in event_queries],
            "after_user_ids": [one.after.user_id for one in event_queries],
            "after_received_ats": [one.after.received_at for one in event_queries],
            "after_event_ids": [one.after.event_id for one in event_queries],
            "rows": [one.limit + 1 for one in event_queries],
        }
        pages: list[list[StoredEvent]] = [[] for _ in event_queries]
        try:
            rows, is_whole = self._fetch(QUERIES["list_events.grouped"].encode(), parameters, 1 + JSON)
        except psycopg.errors.ProgramLimitExceeded:
            return [None] * len(event_queries)  # of persons with too many ids: each page is read alone next
        except psycopg.errors.QueryCanceled:
            if len(event_queries) == 1:
                raise
            return [None] * len(event_queries)  # one slow page must not fail the others
        for number, *row in rows:
            pages[number - 1].append(make_stored_event(*row))
        return [
            _make_page(events, one.limit) if is_whole or len(events) > one.limit else None
            for events, one in zip(pages, event_queries, strict=True)
        ]

    def name_sources(self, allowed: frozenset[str] | None) -> list[str]:
        """The names of existing sources among the allowed ones; None is all."""
        names = [name for (name,) in self._execute("name_sources", QUERIES["name_sources"].encode(), {})]
        return [name for name in names if allowed is None or name in allowed]

    def _fetch(
        self, statement: bytes, parameters: dict[str, Any], json: int, *, prepare: bool = True
    ) -> tuple[list[Row], bool]:
        """Rows of events, up to MAX_BYTES in the column `json`, and whether these are all rows."""
        with metrics.DB_SECONDS.labels("list_events").time():
            return fetch_within(self.pool, statement, parameters, most_bytes=MAX_BYTES, sized=json, prepare=prepare)

    def _execute(self, name: str, statement: bytes, parameters: dict[str, Any]) -> Sequence[Any]:
        with metrics.DB_SECONDS.labels(name).time():
            return execute(self.pool, statement, parameters)


def build_statement(name: str, event_query: EventQuery) -> tuple[bytes, dict[str, Any]]:
    """A statement with the conditions of a query, and the parameters of these.

    A statement with a `filter` shouldn't be prepared: there are too many of them, and a plan over many partitions has many copies
    of each.
    """
    newest = "everybody" if event_query.user_id is None else "user_id"
    names = ("position", *event_query.extra_filters)
    if event_query.filter is None:
        return _build_known(name, newest, *names), event_query.parameters
    condition, parameters = compile_postgres(event_query.filter)
    return _build(name, newest, *_conditions(*names), condition), {**event_query.parameters, **parameters}


@cache
def _build_known(name: str, newest: str, *conditions: str) -> bytes:
    """The statement with these conditions. There are few combinations, and each is built once."""
    return _build(name, newest, *_conditions(*conditions))


def _build(name: str, newest: str, *conditions: sql.Composed) -> bytes:
    events = sql.SQL(QUERIES[f"list_events.{newest}"]).format(conditions=sql.SQL(" and ").join(conditions))
    return sql.SQL(QUERIES[name]).format(newest=events).as_bytes()


def _conditions(*names: str) -> Iterator[sql.Composed]:
    arrived = sql.SQL(QUERIES["list_events.arrived"])
    return (sql.SQL(QUERIES[f"list_events.{name}"]).format(arrived=arrived) for name in names)


def _make_page(events: list[StoredEvent], limit: int, *, is_whole: bool = True) -> Page:
    """The first `limit` events. There is a next page if there was one event more, or if `events` isn't complete."""
    if len(events) <= limit and is_whole:
        return Page(events, None)
    last = events[limit - 1]
    return Page(events[:limit], Position(last.timestamp, last.user_id, last.event_id, last.received_at))
