"""Reads the parameters of GET /events into an immutable query, or reports all errors at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError, validates_schema

from event_tracker.query.auth.calls import Call, Sources, SourcesSchema, sources_for_digest
from event_tracker.query.events.event_pages import Cursor, CursorField, Position, digest
from event_tracker.query.filters.grammar import Filter, Group
from event_tracker.query.filters.numbers import normalise, number_stem
from event_tracker.query.filters.schema import FilterMember, FilterParameters
from event_tracker.query.identity import MAX_IDS, Identity, identity_field
from event_tracker.query.parameter_types import (
    EARLIEST,
    LATEST,
    Limit,
    PropertyFilter,
    Time,
    repeatable_field,
    text_field,
)
from event_tracker.query.parameters import ParameterError, ParameterSchema, invalid_parameters
from event_tracker.query.request_body import QUESTION_BYTES

AHEAD = timedelta(hours=24)
"""How far in the future the collector accepts timestamps. A default end of "now" would hide such events."""

HOUR = timedelta(hours=1)
FROM = "Events at this time or later; RFC 3339 with an offset."
TO = "Events before this time; RFC 3339 with an offset."

Bounds = Callable[[datetime | None, datetime | None], tuple[datetime | None, datetime | None]]


class TimeRangeSchema(ParameterSchema):
    """A half-open time range."""

    start = Time(data_key="from", metadata={"description": FROM})
    end = Time(data_key="to", metadata={"description": TO})

    @validates_schema
    def _in_order(self, given: dict[str, Any], **_: Any) -> None:
        if "start" in given and "end" in given and given["start"] > given["end"]:
            raise ValidationError({"from": [("reversed_range", "Must not be later than `to`.")]})


class EventsSchema(SourcesSchema):
    """The filters of events."""

    user_id = text_field(1, 200, "Who did it.")
    event_types = repeatable_field("event_type", "What was done; repeat it for any of several.")
    identity = identity_field()
    session_id = text_field(1, 200, "The visit it belongs to.")
    properties = PropertyFilter(
        "`property.NAME=value`: events whose properties have that member; several must all match."
    )
    filter = FilterParameters()


class ListEventsSchema(EventsSchema, TimeRangeSchema):
    """Parameters of GET /events."""

    user_id = text_field(
        1, 200, "Who did it. Without it, the answer covers a bounded range of time and names it in `window`."
    )
    limit = Limit(50, "Most events to answer.")
    cursor = CursorField(metadata={"description": "`next_cursor` of the page before; the filters must be the same."})


class SearchBody(ParameterSchema):
    """The body of POST /events/search."""

    filter = FilterMember("Only events that it selects.")


@dataclass(frozen=True, slots=True)
class EventQuery:
    """One page of events: those of [start, end) that come after `after`, newest first.

    Attributes:
        user_id: None is all users.
        event_types: any of them; empty is all.
        properties: (name, value) pairs that must all match.
        filter: None selects all.
        sources: any of them; None is all.
        digest: of these filters, for cursors.
        identity: whom `user_id` is.
    """

    user_id: str | None
    event_types: tuple[str, ...]
    session_id: str | None
    properties: tuple[tuple[str, str], ...]
    filter: Filter | None
    sources: Sources
    start: datetime
    end: datetime
    limit: int
    after: Position
    digest: bytes
    identity: Identity = "raw"

    @property
    def extra_filters(self) -> list[str]:
        """Names of the parameters that select events, other than user, time and filter. The conditions in queries.sql have the same
        names."""
        named = [name for name in ("event_types", "session_id", "properties") if getattr(self, name)]
        return named if self.sources is None else [*named, "sources"]

    @property
    def has_extra_filters(self) -> bool:
        """Whether events are selected by more than user and time."""
        return self.filter is not None or bool(self.extra_filters)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of these conditions."""
        return {
            "user_id": self.user_id,
            "is_linked": self.identity == "linked",
            "linking_sources": None if self.sources is None else list(self.sources),
            "most_ids": MAX_IDS,
            "event_types": list(self.event_types),
            "session_id": self.session_id,
            "property_names": [name for name, _ in self.properties],
            "property_values": [normalise(value) for _, value in self.properties],
            "property_stems": [number_stem(value) for _, value in self.properties],
            "sources": list(self.sources or ()),
        }


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How wide the time range of a query about all users may be.

    Attributes:
        default: from `from` to `to`, or to now, if `from` isn't given.
        most: the widest range, from `from` to `to`, or to now.
    """

    default: timedelta
    most: timedelta

    def resolve(self, start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
        """Both bounds, as given or by default.

        Raises:
            Problem: 422 if they lie too far apart. The part after now doesn't count: it has hardly any events.
        """
        newest = now if end is None else min(end, now)
        if start is None:
            start = newest - min(self.default, newest - EARLIEST)
        elif newest - start > self.most:
            detail = f"Without user_id, at most {self.most / HOUR:g} h may lie from `from` to `to` (or now): narrow it, or add user_id."
            raise invalid_parameters([ParameterError("from", "window_too_wide", detail)])
        return start, end or now + AHEAD


def read_event_query(call: Call, window: WindowLimits, now: datetime) -> EventQuery:
    """Read the query of a request.

    Raises:
        Problem: 400 or 422 with all errors in it.
    """
    return build_event_query(call.query(), lambda start, end: window.resolve(start, end, now))


def read_search(call: Call, window: WindowLimits, now: datetime) -> EventQuery:
    """Read the query of POST /events/search: the filter in its body, and all that GET /events has in its query string.

    Raises:
        Problem: 400 or 422 with all errors in it, or what `Call.body` raises.
    """
    given = call.query()
    found = call.body(QUESTION_BYTES)["filter"]
    if "filter" in given:
        found = Group("and", (given["filter"], found))
    return build_event_query({**given, "filter": found}, lambda start, end: window.resolve(start, end, now))


def build_event_query(given: dict[str, Any], bounds: Bounds) -> EventQuery:
    """Build the query from loaded parameters. `bounds` resolves the time range of a query about all users.

    Raises:
        Problem: 422 if the cursor belongs to other filters, or what `bounds` raises.
    """
    user_id, session_id = given.get("user_id"), given.get("session_id")
    start, end = given.get("start"), given.get("end")
    event_types = tuple(sorted(set(given.get("event_types", ()))))
    properties = tuple(sorted(given.get("properties", {}).items()))
    given_filter: Filter | None = given.get("filter")
    sources: Sources = given["sources"]
    identity: Identity = given["identity"]
    # A filter adds an object, as sources add a list, so that cursors without either stay valid.
    extra = [*sources_for_digest(sources), *([] if given_filter is None else [{"filter": given_filter}])]
    if user_id is not None and identity == "raw":
        extra.append(identity)
    filters_digest = digest(user_id, event_types, session_id, properties, start, end, *extra)
    cursor: Cursor | None = given.get("cursor")
    if cursor is not None:
        if cursor.digest != filters_digest:
            detail = "Was made with other filters: repeat them, or leave it out to start again."
            raise invalid_parameters([ParameterError("cursor", "other_filters", detail)])
        start, end, after = cursor.start, cursor.end, cursor.after
    else:
        if user_id is None:
            start, end = bounds(start, end)
        start, end = start or EARLIEST, end or LATEST
        after = Position.before(end)
    return EventQuery(
        user_id,
        event_types,
        session_id,
        properties,
        given_filter,
        sources,
        start,
        end,
        given["limit"],
        after,
        filters_digest,
        identity,
    )
