"""GET /stats/top-types: the most frequent types. Those of all events are counted already; the engine counts those of a filter."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar

import msgspec
import psycopg
from msgspec import Meta, field
from psycopg import sql

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.core.postgres.replication import read_as_of
from event_tracker.query import metrics
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call, Sources, SourcesSchema
from event_tracker.query.concurrency import SingleFlight
from event_tracker.query.events.parameters import TimeRangeSchema
from event_tracker.query.filters.behaviour_schema import BehaviourFilterSchema
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.filters.schema import FilterParameters
from event_tracker.query.identity import Identity, identity_field
from event_tracker.query.parameter_types import EARLIEST, LATEST, Limit
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.parameters import UTC_ZONE
from event_tracker.query.stats.query_types import FilteredQuery
from event_tracker.query.stats.questions.top_properties import TOP_PROPERTIES
from event_tracker.query.stats.time_range import split_at_hours

QUERIES = load_queries("event_tracker.query.stats.questions", "top_types.sql")


class TopTypesSchema(SourcesSchema, TimeRangeSchema):
    """Parameters of GET /stats/top-types."""

    filter = FilterParameters(BehaviourFilterSchema)
    identity = identity_field()
    limit = Limit(10, "Most types to answer.")


def top_types(stats: Stats, call: Call) -> "TopTypes":
    asked = read_type_query(call)
    if asked.filter is None and stats.can_count(asked.start, asked.end):
        return stats.types.count(asked, call.client)
    return stats.asker.answer(make_query(asked), call.client)


def read_type_query(call: Call) -> "TypeQuery":
    """Read the query of a request.

    Raises:
        Problem: 400 or 422 with all errors in it.
    """
    given = call.query()
    return TypeQuery(
        given["sources"],
        given.get("filter"),
        given.get("start"),
        given.get("end"),
        given["limit"],
        given["identity"],
    )


@dataclass(frozen=True, slots=True)
class TypeQuery:
    """Counts of [start, end) by type, over these sources and the events that the filter selects. None is no bound, or all.

    `identity` is for conditions about users.
    """

    sources: Sources
    filter: Filter | None
    start: datetime | None
    end: datetime | None
    limit: int
    identity: Identity


class TypeCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type and its count."""

    event_type: str
    count: int
    share: Annotated[float, Meta(description="Of `total`, 0 to 1.")]


Bound = Annotated[Time | None, Meta(description="As asked; null is no bound.")]


class TopTypes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exact counts by type."""

    start: Bound = field(name="from")
    end: Bound = field(name="to")
    tz: Annotated[str, Meta(extra_json_schema={"enum": ["UTC"]})]
    as_of: Annotated[Time, Meta(description="What was committed by then is counted.")]
    items: Annotated[list[TypeCount], Meta(description="Most frequent first, ties by name.")]
    total: Annotated[int, Meta(description="Events of all types, listed or not.")]


class TypeCounter:
    """Counts all events of a range by type: from PostgreSQL's counters by hour, and from events where it begins or ends within an hour."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._pool = pool
        self.count = SingleFlight(self._count, concurrency_limit).run

    def _count(self, asked: TypeQuery) -> TopTypes:
        restricted = asked.sources is not None
        pieces, bounds = split_at_hours(asked.start or EARLIEST if restricted else asked.start, asked.end)
        parameters = {"limit": asked.limit, "sources": list(asked.sources or ()), **bounds}
        statement = build_counted(restricted, *pieces)

        def fetch(connection: psycopg.Connection) -> tuple[datetime, list[Any]]:
            return read_as_of(connection), connection.execute(statement, parameters, binary=True).fetchall()

        with metrics.DB_SECONDS.labels("top_types").time():
            as_of, ((total, event_types, counts),) = attempt(self._pool, fetch)
        items = [TypeCount(name, count, count / total) for name, count in zip(event_types, counts, strict=True)]
        return TopTypes(asked.start, asked.end, "UTC", as_of, items, total)


@cache
def build_counted(restricted: bool, *pieces: str) -> bytes:
    """The statement over these parts of a time range, for some sources or all."""
    sources = sql.SQL(QUERIES["top_types.sources"] if restricted else "")
    counted = [sql.SQL(QUERIES[f"top_types.{piece}"]).format(sources=sources) for piece in pieces]
    return sql.SQL(QUERIES["top_types"]).format(pieces=sql.SQL(" union all ").join(counted)).as_bytes()


def make_query(asked: TypeQuery) -> "TopTypesQuery":
    return TopTypesQuery(
        asked=asked,
        sources=asked.sources,
        start=asked.start or EARLIEST,
        end=asked.end or LATEST,
        zone=UTC_ZONE,
        explain=False,
        identity=asked.identity,
        event_types=(),
        filter=asked.filter,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopTypesQuery(FilteredQuery):
    """The most frequent types of the selected events."""

    name: ClassVar = "top_types"
    counts_users: ClassVar = False
    first_seen: ClassVar = None

    asked: TypeQuery

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.asked.limit)
        return Statement(TOP_PROPERTIES.format(selected=select_query(self, parameters, "event_type")), parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> TopTypes:
        """Build from rows (rank, type, count). Rank 0 is all types together."""
        total = next(count for rank, _, count in rows if rank == 0)
        listed = sorted(row for row in rows if row[0] > 0)
        items = [TypeCount(name, count, count / total) for _, name, count in listed]
        return TopTypes(self.asked.start, self.asked.end, "UTC", as_of, items, total)
