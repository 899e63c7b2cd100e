"""Queries of statistics, one function each. The statements are in `queries.sql`."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import psycopg
from msgspec import UNSET
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.pool import ConnectionPool
from event_tracker.query.auth.calls import Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight, take_turn
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.stats.answers import RangeAnswer, range_members, share
from event_tracker.query.stats.event_users import ORDERS, EventUsersQuery, build_event_users
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.query_types import FilteredQuery, RangeQuery, UserQuery
from event_tracker.query.stats.recently_active import list_recently_active
from event_tracker.query.stats.sql.bindings import filter_parameters, range_parameters
from event_tracker.query.stats.sql.explain_plan import Plan
from event_tracker.query.stats.sql.query_runner import QueryRunner, Rows
from event_tracker.query.stats.sql.sql_builder import select_cut_visits, select_events, source_condition
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.time_range import HOUR, floor_time

if TYPE_CHECKING:
    from event_tracker.query.stats.questions.timeseries import TimeseriesQuery

Body = dict[str, Any]
Query = TypeVar("Query", bound=Hashable)
Answer = TypeVar("Answer")


class UserPosition(NamedTuple):
    """A position in the order of users, most recently active first: just after this user."""

    last_seen: datetime
    user_id: str


class StatsStore:
    """Runs statistics queries, each in one snapshot."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._runner = QueryRunner(pool)
        self._concurrency_limit = concurrency_limit
        self.count_by_hour = self._share(self._count_by_hour)
        self.event_users = self._share(self._event_users)

    def get_user(self, user_id: str, query: UserQuery, client: QuotaHolder) -> Body | None:
        """One user; None if they have no events."""
        conditions = sql.SQL("user_id = %(user_id)b")
        whole = FilteredQuery(
            sources=query.sources, start=query.start, end=query.end, zone=query.zone, explain=query.explain,
            event_types=(), condition=None,
        )  # fmt: skip
        first_seen = fill("get_user.first_seen" if query.sources is None else "get_user.first_seen_of_sources")
        statement = fill(
            "get_user",
            visited=select_cut_visits(whole, conditions),
            first_seen=first_seen,
            sources=source_condition(query),
        )
        parameters = {
            **range_parameters(query),
            "user_id": user_id,
            "starts": list(query.starts),
            "gap": GAP,
            "longest": query.longest,
        }
        with take_turn(self._concurrency_limit, client):
            result = self._runner.run("get_user", (statement, parameters), query.explain)
        if not result.rows:
            return None
        return _add_plan(_build_user(user_id, query, result.as_of, result.rows[0]), result.plan)

    def list_users(self, limit: int, after: UserPosition, sources: Sources, client: QuotaHolder) -> Rows:
        """`limit` users after a position, most recently active first: rows (user_id, first_seen, last_seen, events)."""
        parameters = {
            "rows": limit,
            "after_timestamp": after.last_seen,
            "after_hour": floor_time(after.last_seen, HOUR),
            "after_user_id": after.user_id,
        }
        with take_turn(self._concurrency_limit, client):
            if sources is not None:
                parameters["sources"] = list(sources)
                return self._runner.in_snapshot(
                    "list_users", lambda connection, _: list_recently_active(connection, parameters)
                )
            return self._runner.run("list_users", (sql.SQL(QUERIES["list_users"]), parameters), explain=False).rows

    def _count_by_hour(self, query: "TimeseriesQuery") -> RangeAnswer:
        result = self._runner.run(query.name, query.build_counted_statement(), query.explain)
        answer = query.build_answer(result.as_of, result.rows)
        answer.explain = result.plan or UNSET
        return answer

    def _event_users(self, query: EventUsersQuery) -> Body:
        parameters = {**filter_parameters(query), "limit": query.limit, "offset": query.offset}
        selected = select_events(query)
        if query.condition:
            condition, given = compile_postgres(query.condition)
            selected = select_events(query, condition)
            parameters |= given
        seen: sql.Composable = sql.SQL("true")
        if query.first_seen:
            parameters["first_seen_start"], parameters["first_seen_end"] = query.first_seen
            seen = fill("event_users.first_seen" if query.sources is None else "event_users.first_seen_of_sources")
        statement = fill("event_users", selected=selected, condition=seen, order=sql.SQL(ORDERS[query.sort]))
        result = self._runner.run("event_users", (statement, parameters), query.explain)
        return _add_plan({**range_header(query, result.as_of), **build_event_users(query, result.rows)}, result.plan)

    def _share(self, answer: Callable[[Query], Answer]) -> Callable[[Query, QuotaHolder], Answer]:
        """Run equal queries once: dashboards often send the same ones at the same time."""
        return SingleFlight(answer, self._concurrency_limit).run


def _add_plan(body: Body, plan: Plan | None) -> Body:
    return {**body, "explain": plan} if plan else body


def range_header(query: RangeQuery, as_of: datetime) -> Body:
    """The members that answers about a time range begin with."""
    named = range_members(query, as_of)
    return {"from": named.pop("start"), "to": named.pop("end"), **named}


def _build_user(user_id: str, query: RangeQuery, as_of: datetime, row: Sequence[Any]) -> Body:
    """Build from the single row about a user."""
    first_seen, last_seen, events, in_range, days, visits, types, counts = row
    listed = zip(types or [], counts or [], strict=True)
    return {
        "user_id": user_id,
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
