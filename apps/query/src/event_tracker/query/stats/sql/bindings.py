"""Converts queries to the named parameters of the statements in `queries.sql`."""

from typing import Any

from event_tracker.query.events.property_values import normalise, property_parameters
from event_tracker.query.stats.parameter_types import PROPERTY
from event_tracker.query.stats.query_types import FilteredQuery, PathsQuery, RangeQuery, SessionsQuery


def range_parameters(query: RangeQuery) -> dict[str, Any]:
    return {"start": query.start, "end": query.end, "sources": list(query.sources or ())}


def filter_parameters(query: FilteredQuery) -> dict[str, Any]:
    names, values, stems = property_parameters(query.properties)
    return {
        **range_parameters(query),
        "event_types": list(query.event_types),
        "property_names": names,
        "property_values": values,
        "property_stems": stems,
    }


def visit_parameters(query: SessionsQuery | PathsQuery) -> dict[str, Any]:
    return {**filter_parameters(query), **dimension_parameters(query.by), "gap": query.gap, "longest": query.longest}


def origin_parameter(query: PathsQuery) -> str | None:
    return normalise(query.origin) if query.origin is not None and query.by != "event_type" else query.origin


def dimension_parameters(by: str | None) -> dict[str, str]:
    return {"property": by.removeprefix(PROPERTY)} if by else {}
