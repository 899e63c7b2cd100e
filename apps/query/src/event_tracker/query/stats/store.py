"""Queries of statistics, one function each. The statements are in `queries.sql`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg
from msgspec import UNSET
from psycopg import sql

from event_tracker.columns.engine import Deadline, Persons
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.pool import ConnectionPool
from event_tracker.query.auth.calls import Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight, take_turn
from event_tracker.query.identity import MAX_IDS, Identity, limited_ids
from event_tracker.query.stats.answers import RangeAnswer, range_members, share
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.query_types import FilteredQuery, RangeQuery, UserQuery
from event_tracker.query.stats.recently_active import ActiveIds, UserPage, UserPosition, list_active_persons
from event_tracker.query.stats.sql.bindings import range_parameters
from event_tracker.query.stats.sql.explain_plan import Plan
from event_tracker.query.stats.sql.query_runner import QueryRunner
from event_tracker.query.stats.sql.sql_builder import select_events, source_condition
from event_tracker.query.stats.sql.statements import QUERIES, fill

if TYPE_CHECKING:
    from event_tracker.query.stats.questions.timeseries import TimeseriesQuery

Body = dict[str, Any]
Answer = TypeVar("Answer")


Pages = tuple[tuple[str, str, str, str | None, str | None], ...]
"""Of each page its source, host (the empty text is any), path, title and category."""


class WithPersons(Protocol):
    """Engine.with_persons."""

    def __call__(
        self,
        connection: psycopg.Connection,
        sources: Sources,
        deadline: Deadline,
        work: Callable[[Persons | None], Answer],
        /,
    ) -> Answer: ...


class StatsStore:
    """Runs statistics queries, each in one snapshot.

    Args:
        seconds: how long a question of several statements may take (STATEMENT_SECONDS, which bounds single ones in PostgreSQL).
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        with_persons: WithPersons,
        concurrency_limit: ConcurrencyLimit,
        seconds: float,
    ) -> None:
        self._runner = QueryRunner(pool)
        self._with_persons = with_persons
        self._concurrency_limit = concurrency_limit
        self._seconds = seconds
        self.count_by_hour = SingleFlight(self._count_by_hour, concurrency_limit).run

    def get_user(self, user_id: str, query: UserQuery, client: QuotaHolder) -> Body | None:
        """One user; None if they have no events."""
        ids = fill("get_user.ids")
        whole = FilteredQuery(
            sources=query.sources, start=query.start, end=query.end, zone=query.zone, explain=query.explain,
            identity=query.identity, event_types=(), filter=None,
        )  # fmt: skip
        selected = fill("get_user.selected", selected=select_events(whole, fill("get_user.of_person", ids=ids)))
        first_seen = fill("get_user.first_seen" if query.sources is None else "get_user.first_seen_of_sources", ids=ids)
        statement = fill(
            "get_user",
            ids=ids,
            visited=fill("visited.cut", visited=fill("visited", selected=selected)),
            first_seen=first_seen,
            sources=source_condition(query),
        )
        parameters = {
            **range_parameters(query),
            "user_id": user_id,
            "is_linked": query.identity == "linked",
            "linking_sources": None if query.sources is None else list(query.sources),
            "most_ids": MAX_IDS,
            "starts": list(query.starts),
            "gap": GAP,
            "longest": query.longest,
        }
        with take_turn(self._concurrency_limit, client), limited_ids():
            result = self._runner.run("get_user", (statement, parameters), query.explain)
        if not result.rows:
            return None
        return _add_plan(_build_user(query, result.as_of, result.rows[0]), result.plan)

    def read_pages(self, sources: Sources, client: QuotaHolder) -> Pages:
        """Titles and categories of the web pages of some sources (None is all)."""
        statement = sql.SQL(QUERIES["read_pages"])
        with take_turn(self._concurrency_limit, client):
            given = {"sources": None if sources is None else list(sources)}
            return tuple(map(tuple, self._runner.run("read_pages", (statement, given), False).rows))

    def list_users(
        self, limit: int, after: UserPosition, sources: Sources, identity: Identity, client: QuotaHolder
    ) -> UserPage:
        """`limit` users after a position, most recently active first; fewer if these are persons with very many ids.

        Raises:
            Problem: 504 if it takes longer than STATEMENT_SECONDS; 422 if a person has too many ids.
        """

        def read(connection: psycopg.Connection, _: datetime) -> UserPage:
            ids = ActiveIds(connection, sources, deadline)

            def list_them(persons: Persons | None) -> UserPage:
                if persons is None:
                    return UserPage(ids.page(after, limit), False)
                return list_active_persons(ids, persons, after, limit)

            if identity == "raw":
                return list_them(None)
            return self._with_persons(connection, sources, deadline, list_them)

        with take_turn(self._concurrency_limit, client):
            deadline = Deadline(self._seconds)
            return self._runner.in_snapshot("list_users", read)

    def _count_by_hour(self, query: "TimeseriesQuery") -> RangeAnswer:
        result = self._runner.run(query.name, query.build_counted_statement(), query.explain)
        answer = query.build_answer(result.as_of, result.rows)
        answer.explain = result.plan or UNSET
        return answer


def _add_plan(body: Body, plan: Plan | None) -> Body:
    return {**body, "explain": plan} if plan else body


def range_header(query: RangeQuery, as_of: datetime) -> Body:
    """The members that answers about a time range begin with."""
    named = range_members(query, as_of)
    return {"from": named.pop("start"), "to": named.pop("end"), **named}


def _build_user(query: UserQuery, as_of: datetime, row: Sequence[Any]) -> Body:
    """Build from the single row about a user."""
    user_id, first_seen, last_seen, events, in_range, days, visits, types, counts = row
    listed = zip(types or [], counts or [], strict=True)
    return {
        "user_id": user_id,
        "identity": query.identity,
        "first_seen": first_seen,
        "last_seen": last_seen,
        "events": events,
        **range_header(query, as_of),
        "range": {
            "events": in_range,
            "active_days": days,
            "sessions": visits,
            "types": [{"event_type": name, "count": count, "share": share(count, in_range)} for name, count in listed],
        },
    }
