"""What statements are given: a question's values by the names that `queries.sql` has for them."""

from typing import Any

from event_tracker.query.events.property_values import plain, wanted
from event_tracker.query.stats.parameter_types import PROPERTY
from event_tracker.query.stats.questions import Paths, Range, Selection, Sessions


def range_of(asked: Range) -> dict[str, Any]:
    return {"start": asked.start, "end": asked.end, "sources": list(asked.sources or ())}


def selection_of(asked: Selection) -> dict[str, Any]:
    names, values, stems = wanted(asked.properties)
    return {
        **range_of(asked),
        "event_types": list(asked.event_types),
        "property_names": names,
        "property_values": values,
        "property_stems": stems,
    }


def visits_of(asked: Sessions | Paths) -> dict[str, Any]:
    return {**selection_of(asked), **property_of(asked.by), "gap": asked.gap, "longest": asked.longest}


def origin_of(asked: Paths) -> str | None:
    return plain(asked.origin) if asked.origin is not None and asked.by != "event_type" else asked.origin


def property_of(by: str | None) -> dict[str, str]:
    return {"property": by.removeprefix(PROPERTY)} if by else {}
