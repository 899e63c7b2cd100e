"""Answers about types and sources of events. Pages of events have a file of their own."""

from typing import Annotated

import msgspec
from msgspec import Meta, field

from event_tracker.query.answers import Time


class SourceNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of sources, in their order."""

    sources: list[str]


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
