"""Builds statements from the named parts in `queries.sql`."""

from psycopg import sql

from event_tracker.query.stats.query_types import FilteredQuery, RangeQuery
from event_tracker.query.stats.sql.statements import QUERIES, fill


def select_events(query: FilteredQuery, *more: sql.Composable) -> sql.Composed:
    """The events of a query's range, types and sources, with the additional conditions `more`."""
    names = ["range", "event_types"] if query.event_types else ["range"]
    if query.sources is not None:
        names.append("sources")
    conditions = [sql.SQL(QUERIES[f"selected.{name}"]) for name in names]
    return fill("selected", conditions=sql.SQL(" and ").join([*conditions, *more]))


def type_condition(query: FilteredQuery) -> sql.SQL:
    """The condition on event types, for queries that filter by nothing else."""
    return sql.SQL(QUERIES["selected.event_types"] if query.event_types else "true")


def source_condition(query: RangeQuery) -> sql.SQL:
    """The condition on sources, to append to other conditions. It is empty where there is no restriction."""
    return sql.SQL("" if query.sources is None else QUERIES["and_sources"])
