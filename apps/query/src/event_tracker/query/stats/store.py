"""Queries of statistics, one function each. The statements are in `queries.sql`."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.pool import ConnectionPool
from event_tracker.query.auth.calls import Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight, take_turn
from event_tracker.query.events.property_values import property_parameters
from event_tracker.query.stats import event_users, responses
from event_tracker.query.stats.event_users import ORDERS, EventUsersQuery
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.query_types import (
    FilteredQuery,
    FunnelQuery,
    PathsQuery,
    RangeQuery,
    RetentionQuery,
    SessionsQuery,
    TimeseriesQuery,
    TopPropertiesQuery,
    UserQuery,
    UsersQuery,
)
from event_tracker.query.stats.recently_active import list_recently_active
from event_tracker.query.stats.sql import sql_builder
from event_tracker.query.stats.sql.bindings import (
    dimension_parameters,
    filter_parameters,
    origin_parameter,
    range_parameters,
    visit_parameters,
)
from event_tracker.query.stats.sql.explain_plan import Plan
from event_tracker.query.stats.sql.query_runner import BuildStatement, QueryRunner, Rows, Statement
from event_tracker.query.stats.sql.sql_builder import (
    dimension,
    outside_condition,
    select_events,
    select_first_seen,
    select_users,
    source_condition,
    type_condition,
)
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.summarised_days import can_use_summaries, find_summarised_days
from event_tracker.query.stats.time_range import HOUR, floor_time, split_by_hour

Body = responses.Body
Query = TypeVar("Query", bound=Hashable)
AnyRangeQuery = TypeVar("AnyRangeQuery", bound=RangeQuery)
RAW_VALUE = sql.SQL("written")
"""The column with a property's values as they are stored."""

SESSION_KEY = sql.SQL("user_id, session_id, visit")
"""The columns that identify a session."""


class UserPosition(NamedTuple):
    """A position in the order of users, most recently active first: just after this user."""

    last_seen: datetime
    user_id: str


class StatsStore:
    """Runs statistics queries, each in one snapshot."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._runner = QueryRunner(pool)
        self._concurrency_limit = concurrency_limit
        self.timeseries = self._share(self._timeseries)
        self.users = self._share(self._users)
        self.sessions = self._share(self._sessions)
        self.top_properties = self._share(self._top_properties)
        self.event_users = self._share(self._event_users)
        self.funnel = self._share(self._funnel)
        self.retention = self._share(self._retention)
        self.paths = self._share(self._paths)

    def get_user(self, user_id: str, query: UserQuery, client: QuotaHolder) -> Body | None:
        """One user; None if they have no events."""
        conditions = sql.SQL("user_id = %(user_id)b")
        whole = FilteredQuery(
            sources=query.sources, start=query.start, end=query.end, zone=query.zone, explain=query.explain,
            event_types=(), properties=(),
        )  # fmt: skip
        first_seen = fill("get_user.first_seen" if query.sources is None else "get_user.first_seen_of_sources")
        statement = fill(
            "get_user",
            visited=sql_builder.select_cut_visits(whole, conditions),
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
            result = self._runner.run("get_user", _fixed_statement(statement, parameters), query.explain)
        if not result.rows:
            return None
        return _add_plan(responses.build_user(user_id, query, result.as_of, result.rows[0]), result.plan)

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
            return self._runner.run(
                "list_users", _fixed_statement(sql.SQL(QUERIES["list_users"]), parameters), explain=False
            ).rows

    def _timeseries(self, query: TimeseriesQuery) -> Body:
        parameters = {
            **filter_parameters(query),
            **dimension_parameters(query.breakdown),
            "starts": list(query.starts),
            "limit": query.limit,
        }
        if query.metric == "events":
            counted, more = _count_events(query, sql_builder.raw_dimension(query.breakdown))
            value = sql_builder.normalise_value(query.breakdown, RAW_VALUE)
            statement = fill("timeseries.events", counted=counted, value=value)
        else:
            more = {"gap": query.gap, "longest": query.longest}
            key = dimension(query.breakdown)
            if query.metric == "users":
                subject = sql.SQL("user_id")
                found = fill("timeseries.found", key=key, subject=subject, source=select_events(query))
            else:
                subject = SESSION_KEY
                found = sql_builder.select_sessions(query, key, subject)
            statement = fill("timeseries.subjects", subject=subject, found=found)
        return self._respond(
            "timeseries", query, _fixed_statement(statement, {**parameters, **more}), responses.build_timeseries
        )

    def _users(self, query: UsersQuery) -> Body:
        parameters = {**filter_parameters(query), "starts": list(query.starts)}
        statement = fill("users", selected=select_events(query), first_seen=select_first_seen(query))
        return self._respond("users", query, _fixed_statement(statement, parameters), responses.build_users)

    def _sessions(self, query: SessionsQuery) -> Body:
        def build_statement(connection: psycopg.Connection) -> Statement:
            days = find_summarised_days(connection, query) if can_use_summaries(query) else None
            parameters = {**visit_parameters(query), **(days.parameters(query) if days else {}), "limit": query.limit}
            return fill("sessions", visits=sql_builder.build_visits(query, days)), parameters

        return self._respond("sessions", query, build_statement, responses.build_sessions)

    def _top_properties(self, query: TopPropertiesQuery) -> Body:
        parameters = {**filter_parameters(query), "key": query.key, "limit": query.limit}
        # '' means all types together (infra/migrations/0006-summaries.sql).
        parameters["counted_types"] = list(query.event_types) or [""]
        value = fill("value", written=RAW_VALUE)

        def build_statement(connection: psycopg.Connection) -> Statement:
            if query.properties:
                counted = fill("top_properties.read", selected=select_events(query))
                return fill("top_properties", counted=counted, value=value), parameters
            days = find_summarised_days(connection, query, query.key)
            counted = fill(
                "top_properties.summary",
                pieces=outside_condition(days),
                types=type_condition(query),
                sources=source_condition(query),
            )
            return fill("top_properties", counted=counted, value=value), {**parameters, **days.parameters(query)}

        return self._respond("top_properties", query, build_statement, responses.build_top_properties)

    def _event_users(self, query: EventUsersQuery) -> Body:
        parameters = {**filter_parameters(query), "limit": query.limit, "offset": query.offset}
        condition: sql.Composable = sql_builder.ALL
        if query.first_seen:
            parameters["first_seen_start"], parameters["first_seen_end"] = query.first_seen
            condition = fill("event_users.first_seen" if query.sources is None else "event_users.first_seen_of_sources")
        statement = fill(
            "event_users", selected=select_events(query), condition=condition, order=sql.SQL(ORDERS[query.sort])
        )
        return self._respond(
            "event_users", query, _fixed_statement(statement, parameters), event_users.build_event_users
        )

    def _funnel(self, query: FunnelQuery) -> Body:
        parameters: dict[str, Any] = {**range_parameters(query), "window": query.window}
        parameters["event_types"] = sorted({event_type for event_type, _ in query.steps})
        for number, (event_type, properties) in enumerate(query.steps, 1):
            parameters[f"type_{number}"] = event_type
            names, values, stems = property_parameters(properties)
            parameters.update({f"names_{number}": names, f"values_{number}": values, f"stems_{number}": stems})
        return self._respond(
            "funnel", query, _fixed_statement(sql_builder.build_funnel(query), parameters), responses.build_funnel
        )

    def _retention(self, query: RetentionQuery) -> Body:
        everybody = select_events(replace(query, event_types=(), properties=()))
        statement = fill("retention", selected=select_events(query), users=select_users(query, everybody))
        parameters = {**filter_parameters(query), "starts": list(query.starts)}
        result = self._runner.run("retention", _fixed_statement(statement, parameters), query.explain)
        body = {
            **responses.range_header(query, result.as_of),
            **responses.build_retention(query, result.as_of, result.rows),
        }
        return _add_plan(body, result.plan)

    def _paths(self, query: PathsQuery) -> Body:
        def build_statement(connection: psycopg.Connection) -> Statement:
            days = find_summarised_days(connection, query) if can_use_summaries(query) else None
            parameters = {**visit_parameters(query), **(days.parameters(query) if days else {})}
            return sql_builder.build_paths(query, days), {
                **parameters,
                "limit": query.limit,
                "origin": origin_parameter(query),
            }

        return self._respond("paths", query, build_statement, responses.build_paths)

    def _share(self, answer: Callable[[Query], Body]) -> Callable[[Query, QuotaHolder], Body]:
        """Run equal queries once: dashboards often send the same ones at the same time."""
        return SingleFlight(answer, self._concurrency_limit).run

    def _respond(
        self,
        name: str,
        query: AnyRangeQuery,
        build_statement: BuildStatement,
        build_body: Callable[[AnyRangeQuery, Rows], Body],
    ) -> Body:
        result = self._runner.run(name, build_statement, query.explain)
        return _add_plan({**responses.range_header(query, result.as_of), **build_body(query, result.rows)}, result.plan)


def _fixed_statement(statement: sql.SQL | sql.Composed, parameters: dict[str, Any]) -> BuildStatement:
    """A builder for a statement that doesn't depend on stored data."""
    return lambda _: (statement, parameters)


def _add_plan(body: Body, plan: Plan | None) -> Body:
    return {**body, "explain": plan} if plan else body


def _count_events(query: TimeseriesQuery, written: sql.SQL) -> tuple[sql.Composed, dict[str, Any]]:
    """The part that counts events, and its parameters. It reads the counters per hour where the query allows that."""
    rolled_up = not query.properties and query.breakdown in (None, "event_type")
    hours = split_by_hour(query.start, query.end, query.starts) if rolled_up else None
    if hours is None:
        return fill("timeseries.read", written=written, selected=select_events(query)), {}
    return fill(
        "timeseries.rollup", written=written, types=type_condition(query), sources=source_condition(query)
    ), hours
