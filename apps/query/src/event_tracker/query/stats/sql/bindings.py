"""Converts queries to the named parameters of the statements in `queries.sql`."""

from typing import Any

from event_tracker.query.stats.query_types import FilteredQuery, RangeQuery


def range_parameters(query: RangeQuery) -> dict[str, Any]:
    return {"start": query.start, "end": query.end, "sources": list(query.sources or ())}


def filter_parameters(query: FilteredQuery) -> dict[str, Any]:
    return {**range_parameters(query), "event_types": list(query.event_types)}
