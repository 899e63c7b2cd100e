"""Questions of analytics to the database, one function each; the statements are in `queries.sql`."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.core.postgres.replication import read_as_of
from event_tracker.query import metrics
from event_tracker.query.auth.principal import Root
from event_tracker.query.concurrency import SingleFlight, take_turn
from event_tracker.query.events.property_values import wanted
from event_tracker.query.source_scope import Sources
from event_tracker.query.stats import event_users, responses, sql_builder
from event_tracker.query.stats.bindings import origin_of, property_of, range_of, selection_of, visits_of
from event_tracker.query.stats.event_users import ORDERS, EventUsers
from event_tracker.query.stats.explain_plan import Plan, read_plan
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.questions import (
    Funnel,
    OneUser,
    Paths,
    Range,
    Retention,
    Selection,
    Sessions,
    Timeseries,
    TopProperties,
    Users,
)
from event_tracker.query.stats.recently_active import list_recent
from event_tracker.query.stats.sql_builder import and_sources, dimension, known_users, pieces, selected, wanted_types
from event_tracker.query.stats.statements import QUERIES, part
from event_tracker.query.stats.summarised_days import find_days, holds_visits
from event_tracker.query.stats.time_range import HOUR, by_hour, floor

Rows = list[Any]
Body = responses.Body
Question = TypeVar("Question", bound=Hashable)
Asked = TypeVar("Asked", bound=Range)
Found = TypeVar("Found")
Statement = tuple[sql.SQL | sql.Composed, dict[str, Any]]
Compose = Callable[[psycopg.Connection], Statement]
"""Makes a statement, after a look at what is summed up, in the snapshot that it is asked in."""

BEGIN = """
set transaction isolation level repeatable read, read only;
lock table only events in access share mode
"""
"""Two statements in one message. The lock doesn't take the snapshot: the first question does."""

WRITTEN = sql.SQL("written")
"""A property's values as they are stored, grouped."""

SESSION = sql.SQL("user_id, session_id, visit")
"""What tells sessions apart."""

TOO_SLOW = (
    "The database took longer than STATEMENT_SECONDS over this question. Narrow `from` and `to`, or select fewer events "
    "by `event_type`."
)


class Place(NamedTuple):
    """A place in the order of users, most recently active first: just after this one."""

    last_seen: datetime
    user_id: str


class QueryResult(NamedTuple):
    """What the database said.

    Attributes:
        as_of: what was committed by then is counted.
        plan: None unless it was asked for.
    """

    as_of: datetime
    rows: Rows
    plan: Plan | None


class Analytics:
    """Asks the database, each question in one statement: one snapshot."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], turns: ConcurrencyLimit) -> None:
        self._pool = pool
        self._turns = turns
        self.timeseries = self._shared(self._timeseries)
        self.users = self._shared(self._users)
        self.sessions = self._shared(self._sessions)
        self.top_properties = self._shared(self._top_properties)
        self.event_users = self._shared(self._event_users)
        self.funnel = self._shared(self._funnel)
        self.retention = self._shared(self._retention)
        self.paths = self._shared(self._paths)

    def get_user(self, user_id: str, asked: OneUser, client: Root) -> Body | None:
        """One user; None if there is no event of theirs."""
        conditions = sql.SQL("user_id = %(user_id)b")
        whole = Selection(
            sources=asked.sources, start=asked.start, end=asked.end, zone=asked.zone, explain=asked.explain,
            event_types=(), properties=(),
        )  # fmt: skip
        first_seen = part("get_user.first_seen" if asked.sources is None else "get_user.first_seen_of_sources")
        statement = part(
            "get_user", visited=sql_builder.cut(whole, conditions), first_seen=first_seen, sources=and_sources(asked)
        )
        parameters = {
            **range_of(asked),
            "user_id": user_id,
            "starts": list(asked.starts),
            "gap": GAP,
            "longest": asked.longest,
        }
        with take_turn(self._turns, client):
            result = self._ask("get_user", _fixed(statement, parameters), asked.explain)
        if not result.rows:
            return None
        return _explained(responses.user(user_id, asked, result.as_of, result.rows[0]), result.plan)

    def list_users(self, limit: int, after: Place, sources: Sources, client: Root) -> Rows:
        """`limit` users after a place, (user_id, first_seen, last_seen, events) each, most recently active first."""
        parameters = {
            "rows": limit,
            "after_timestamp": after.last_seen,
            "after_hour": floor(after.last_seen, HOUR),
            "after_user_id": after.user_id,
        }
        with take_turn(self._turns, client):
            if sources is not None:
                parameters["sources"] = list(sources)
                return self._in_snapshot("list_users", lambda connection, _: list_recent(connection, parameters))
            return self._ask("list_users", _fixed(sql.SQL(QUERIES["list_users"]), parameters), explain=False).rows

    def _timeseries(self, asked: Timeseries) -> Body:
        parameters = {
            **selection_of(asked),
            **property_of(asked.breakdown),
            "starts": list(asked.starts),
            "limit": asked.limit,
        }
        if asked.metric == "events":
            counted, more = _counted(asked, sql_builder.written(asked.breakdown))
            value = sql_builder.value_of(asked.breakdown, WRITTEN)
            statement = part("timeseries.events", counted=counted, value=value)
        else:
            more = {"gap": asked.gap, "longest": asked.longest}
            key = dimension(asked.breakdown)
            if asked.metric == "users":
                subject = sql.SQL("user_id")
                found = part("timeseries.found", key=key, subject=subject, source=selected(asked))
            else:
                subject = SESSION
                found = sql_builder.found_sessions(asked, key, subject)
            statement = part("timeseries.subjects", subject=subject, found=found)
        return self._answer("timeseries", asked, _fixed(statement, {**parameters, **more}), responses.timeseries)

    def _users(self, asked: Users) -> Body:
        parameters = {**selection_of(asked), "starts": list(asked.starts)}
        known = known_users(asked, sql.SQL(QUERIES["users.active"]))
        statement = part("users", selected=selected(asked), users=known)
        return self._answer("users", asked, _fixed(statement, parameters), responses.users)

    def _sessions(self, asked: Sessions) -> Body:
        def compose_it(connection: psycopg.Connection) -> Statement:
            days = find_days(connection, asked) if holds_visits(asked) else None
            parameters = {**visits_of(asked), **(days.parameters(asked) if days else {}), "limit": asked.limit}
            return part("sessions", visits=sql_builder.visits(asked, days)), parameters

        return self._answer("sessions", asked, compose_it, responses.sessions)

    def _top_properties(self, asked: TopProperties) -> Body:
        parameters = {**selection_of(asked), "key": asked.key, "limit": asked.limit}
        # '' is all types together (infra/migrations/0006-summaries.sql).
        parameters["counted_types"] = list(asked.event_types) or [""]
        value = part("value", written=WRITTEN)

        def compose_it(connection: psycopg.Connection) -> Statement:
            if asked.properties:
                counted = part("top_properties.read", selected=selected(asked))
                return part("top_properties", counted=counted, value=value), parameters
            days = find_days(connection, asked, asked.key)
            counted = part(
                "top_properties.summary", pieces=pieces(days), types=wanted_types(asked), sources=and_sources(asked)
            )
            return part("top_properties", counted=counted, value=value), {**parameters, **days.parameters(asked)}

        return self._answer("top_properties", asked, compose_it, responses.top_properties)

    def _event_users(self, asked: EventUsers) -> Body:
        statement = part("event_users", selected=selected(asked), order=sql.SQL(ORDERS[asked.sort]))
        parameters = {**selection_of(asked), "limit": asked.limit, "offset": asked.offset}
        return self._answer("event_users", asked, _fixed(statement, parameters), event_users.answer)

    def _funnel(self, asked: Funnel) -> Body:
        parameters: dict[str, Any] = {**range_of(asked), "window": asked.window}
        parameters["event_types"] = sorted({event_type for event_type, _ in asked.steps})
        for number, (event_type, properties) in enumerate(asked.steps, 1):
            parameters[f"type_{number}"] = event_type
            names, values, stems = wanted(properties)
            parameters.update({f"names_{number}": names, f"values_{number}": values, f"stems_{number}": stems})
        return self._answer("funnel", asked, _fixed(sql_builder.funnel(asked), parameters), responses.funnel)

    def _retention(self, asked: Retention) -> Body:
        everybody = selected(replace(asked, event_types=(), properties=()))
        statement = part("retention", selected=selected(asked), users=known_users(asked, everybody))
        parameters = {**selection_of(asked), "starts": list(asked.starts)}
        result = self._ask("retention", _fixed(statement, parameters), asked.explain)
        body = {**responses.resolved(asked, result.as_of), **responses.retention(asked, result.as_of, result.rows)}
        return _explained(body, result.plan)

    def _paths(self, asked: Paths) -> Body:
        def compose_it(connection: psycopg.Connection) -> Statement:
            days = find_days(connection, asked) if holds_visits(asked) else None
            parameters = {**visits_of(asked), **(days.parameters(asked) if days else {})}
            return sql_builder.paths(asked, days), {**parameters, "limit": asked.limit, "origin": origin_of(asked)}

        return self._answer("paths", asked, compose_it, responses.paths)

    def _shared(self, answer: Callable[[Question], Body]) -> Callable[[Question, Root], Body]:
        """Dashboards ask the same at the same time."""
        return SingleFlight(answer, self._turns).ask

    def _answer(self, name: str, asked: Asked, compose_it: Compose, shape: Callable[[Asked, Rows], Body]) -> Body:
        result = self._ask(name, compose_it, asked.explain)
        return _explained({**responses.resolved(asked, result.as_of), **shape(asked, result.rows)}, result.plan)

    def _ask(self, name: str, compose_it: Compose, explain: bool) -> QueryResult:
        def ask(connection: psycopg.Connection, as_of: datetime) -> QueryResult:
            statement, parameters = compose_it(connection)
            # Not prepared: its text may hold bounds that are never asked for again.
            rows = connection.execute(statement, parameters, prepare=False, binary=True).fetchall()
            return QueryResult(as_of, rows, _plan(connection, name, statement, parameters) if explain else None)

        return self._in_snapshot(name, ask)

    def _in_snapshot(self, name: str, ask: Callable[[psycopg.Connection, datetime], Found]) -> Found:
        """What `ask` finds, told a connection and the time of the snapshot that all its statements see."""

        def begin(connection: psycopg.Connection) -> Found:
            as_of = read_as_of(connection)
            with connection.transaction():
                # Before the snapshot, or a month that leaves the default partition would be missing (cli.database.partitions).
                connection.execute(BEGIN, prepare=False)
                connection.execute(QUERIES["begin"], binary=True)
                return ask(connection, as_of)

        try:
            with metrics.DB_SECONDS.labels(name).time():
                return attempt(self._pool, begin)
        except psycopg.errors.QueryCanceled:
            raise Problem(504, "statement_timeout", TOO_SLOW) from None


def _fixed(statement: sql.SQL | sql.Composed, parameters: dict[str, Any]) -> Compose:
    """For a statement that depends on nothing stored."""
    return lambda _: (statement, parameters)


def _plan(
    connection: psycopg.Connection, name: str, statement: sql.SQL | sql.Composed, parameters: dict[str, Any]
) -> Plan:
    explained = sql.SQL("explain (analyze, buffers, format json) {}").format(statement)
    (([plan],),) = connection.execute(explained, parameters, prepare=False, binary=True).fetchall()
    ((partitions,),) = connection.execute(QUERIES["count_partitions"]).fetchall()
    return read_plan(name, plan, partitions)


def _explained(body: Body, plan: Plan | None) -> Body:
    return {**body, "explain": plan} if plan else body


def _counted(asked: Timeseries, written: sql.SQL) -> tuple[sql.Composed, dict[str, Any]]:
    """Hours that are counted already, where the question allows it."""
    rolled_up = not asked.properties and asked.breakdown in (None, "event_type")
    hours = by_hour(asked.start, asked.end, asked.starts) if rolled_up else None
    if hours is None:
        return part("timeseries.read", written=written, selected=selected(asked)), {}
    return part("timeseries.rollup", written=written, types=wanted_types(asked), sources=and_sources(asked)), hours
