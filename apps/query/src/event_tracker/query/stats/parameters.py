"""Reads the parameters of statistics into immutable queries, or reports all errors at once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from marshmallow import fields, validate

from event_tracker.query.auth.calls import Call, SourcesSchema
from event_tracker.query.events.filters import FROM, TO
from event_tracker.query.parameter_types import (
    MAX_VALUES,
    REQUIRED,
    AtMost,
    Between,
    Choice,
    Length,
    Limit,
    PropertyFilter,
    ShortList,
    text_field,
    user_id_field,
)
from event_tracker.query.parameters import ParameterError, ParameterSchema, invalid_parameters
from event_tracker.query.request_body import read_json
from event_tracker.query.settings import MOST_SECONDS
from event_tracker.query.stats.intervals import Interval, TooManyPointsError, split_range, start_of_day
from event_tracker.query.stats.parameter_types import Dimension, Flag, Moment, Zone
from event_tracker.query.stats.query_types import (
    FunnelQuery,
    PathsQuery,
    RetentionQuery,
    SessionsQuery,
    TimeseriesQuery,
    TopPropertiesQuery,
    UserQuery,
    UsersQuery,
)

DAYS = 30
"""Default length of the time range, including today."""

A_DAY = "Or a day, which is its first moment in `tz`."

UTC_ZONE = ZoneInfo("UTC")
GAP = 1800
MOST_POINTS = 1000
MOST_PERIODS = 100
MOST_DAYS = 10_000
"""Days of one user. They are only counted, not listed."""
INTERVALS = ("minute", "hour", "day", "week", "month")
PERIODS = ("day", "week", "month")


class RangeSchema(SourcesSchema):
    """Parameters of all statistics."""

    start = Moment("from", f"{FROM} {A_DAY} By default {DAYS} days before `to`.")
    end = Moment("to", f"{TO} {A_DAY} By default the end of today.")
    zone = Zone(data_key="tz", metadata={"description": "IANA time zone of days and answers.", "default": "UTC"})
    explain = Flag(load_default=False, metadata={"description": "Tell how it was answered, where EXPLAIN allows it."})


class FilterSchema(RangeSchema):
    """Parameters that select events. Everything is computed from the selected events only."""

    event_types = fields.List(
        text_field(1, 100),
        data_key="event_type",
        validate=AtMost(max=MAX_VALUES),
        metadata={"description": "Only events of this type; repeat it for any of several."},
    )
    properties = PropertyFilter("`property.NAME=value`: only events whose properties have that member.")


def _gap_field() -> Between:
    return Between(1, 86_400, GAP, "Seconds without an event that end a session without session_id.")


def _longest_field() -> Between:
    description = "Seconds after its first event at which a session ends. By default LONGEST_SESSION_SECONDS."
    return Between(1, MOST_SECONDS, None, description)


def _by_field() -> Dimension:
    return Dimension(load_default="event_type", metadata={"description": "event_type, or property:NAME."})


class TimeseriesSchema(FilterSchema):
    """Parameters of GET /stats/timeseries."""

    interval = Choice(INTERVALS, "day", "How long a point is.")
    metric = Choice(("events", "users", "sessions"), "events", "What is counted.")
    breakdown = Dimension(metadata={"description": "event_type, or property:NAME: a series for each of the commonest."})
    limit = Between(1, 50, 5, "Most series of a breakdown; the rest is one series, `other`.")
    gap = _gap_field()
    longest = _longest_field()


class UsersSchema(FilterSchema):
    """Parameters of GET /stats/users."""

    interval = Choice(PERIODS, "day", "How long a point is.")


class SessionsSchema(FilterSchema):
    """Parameters of GET /stats/sessions."""

    gap = _gap_field()
    longest = _longest_field()
    by = _by_field()
    limit = Limit(10, "Most entries, and most exits.")


class TopPropertiesSchema(FilterSchema):
    """Parameters of GET /stats/top-properties."""

    key = fields.String(
        required=True,
        validate=Length(1, 200),
        metadata={"description": "Name of a top-level property."},
        error_messages=REQUIRED,
    )
    limit = Limit(10, "Most values to answer.")


class RetentionSchema(FilterSchema):
    """Parameters of GET /stats/retention."""

    period = Choice(PERIODS, "week", "How long a period is.")


class PathsSchema(FilterSchema):
    """Parameters of GET /stats/paths."""

    origin = fields.String(
        data_key="start",
        validate=Length(0, 4000),
        metadata={"description": "Where paths begin; without it, where sessions do."},
    )
    direction = Choice(("next", "previous"), "next", "Whether what follows is told, or what came before.")
    depth = Between(1, 5, 3, "Steps from there.")
    by = _by_field()
    limit = Limit(10, "Most transitions of each step, and most paths.")
    gap = _gap_field()
    longest = _longest_field()


class UserSchema(RangeSchema):
    """Parameters of GET /users/{user_id}."""


class AnyUserSchema(UserSchema):
    """Parameters of GET /user."""

    user_id = user_id_field()


class ExplainSchema(SourcesSchema):
    """Query parameters of POST /stats/funnel."""

    explain = Flag(load_default=False, metadata={"description": "Tell how it was answered, where EXPLAIN allows it."})


class StepSchema(ParameterSchema):
    """One step of a funnel: events of a type, with these properties."""

    event_type = fields.String(required=True, validate=Length(1, 100), error_messages=REQUIRED)
    properties = fields.Dict(
        keys=text_field(1, 200), values=text_field(0, 4000), load_default=dict, validate=AtMost(max=MAX_VALUES)
    )


class FunnelSchema(ParameterSchema):
    """The body of POST /stats/funnel."""

    start = Moment("from", f"{FROM} {A_DAY} By default {DAYS} days before `to`.")
    end = Moment("to", f"{TO} {A_DAY} By default the end of today.")
    zone = Zone(data_key="tz", metadata={"description": "IANA time zone of days and answers.", "default": "UTC"})
    window = Between(1, 31_536_000, 7 * 86_400, "Seconds from a first step within which the last must come.")
    steps = ShortList(
        fields.Nested(StepSchema), required=True, validate=validate.Length(2, 10), error_messages=REQUIRED
    )


def read_timeseries(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> TimeseriesQuery:
    """Read the query of a request. `longest` is the default for the longest session, in seconds.

    All functions `read_…` here raise Problem: 400 or 422 with all errors.
    """
    given = read_range(call, now, allow_explain)
    starts = _split(given, given["interval"], MOST_POINTS)
    return TimeseriesQuery(starts=starts, **{"breakdown": None, "longest": longest, **given})


def read_users(call: Call, now: datetime, allow_explain: bool) -> UsersQuery:
    given = read_range(call, now, allow_explain)
    return UsersQuery(starts=_split(given, given["interval"], MOST_POINTS), **given)


def read_sessions(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> SessionsQuery:
    return SessionsQuery(**{"longest": longest, **read_range(call, now, allow_explain)})


def read_top_properties(call: Call, now: datetime, allow_explain: bool) -> TopPropertiesQuery:
    return TopPropertiesQuery(**read_range(call, now, allow_explain))


def read_retention(call: Call, now: datetime, allow_explain: bool) -> RetentionQuery:
    given = read_range(call, now, allow_explain)
    return RetentionQuery(starts=_split(given, given["period"], MOST_PERIODS), **given)


def read_paths(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> PathsQuery:
    return PathsQuery(**{"origin": None, "longest": longest, **read_range(call, now, allow_explain)})


def read_user(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> UserQuery:
    return _one_user(read_range(call, now, allow_explain), longest)


def read_any_user(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> tuple[str, UserQuery]:
    """Read the user's id and the query."""
    given = read_range(call, now, allow_explain)
    return given["user_id"], _one_user(given, longest)


def _one_user(given: dict[str, Any], longest: int) -> UserQuery:
    starts = _split(given, "day", MOST_DAYS)
    bounds = {name: given[name] for name in ("sources", "start", "end", "zone", "explain")}
    return UserQuery(starts=starts, longest=longest, **bounds)


def read_funnel(call: Call, body: bytes, now: datetime, allow_explain: bool) -> FunnelQuery:
    """Read the query from a JSON body and the query string."""
    beside = call.query()
    given = _resolve_defaults(
        {**read_json(FunnelSchema(), body), **beside}, now, allow_explain and call.allowed_sources is None
    )
    steps = tuple((step["event_type"], tuple(sorted(step["properties"].items()))) for step in given["steps"])
    return FunnelQuery(
        sources=given["sources"], start=given["start"], end=given["end"], zone=given["zone"], explain=given["explain"],
        window=given["window"], steps=steps,
    )  # fmt: skip


def read_range(call: Call, now: datetime, allow_explain: bool) -> dict[str, Any]:
    """Read the parameters of a request. Plans reveal events of all sources, so restricted principals may not request them."""
    return _resolve_defaults(call.query(), now, allow_explain and call.allowed_sources is None)


def _resolve_defaults(given: dict[str, Any], now: datetime, allow_explain: bool) -> dict[str, Any]:
    """Resolve both bounds to times in UTC, and make the filters hashable."""
    if given["explain"] and not allow_explain:
        detail = "Needs the setting EXPLAIN, and credentials that aren't restricted to some sources."
        raise invalid_parameters([ParameterError("explain", "explain_not_allowed", detail)])
    zone: ZoneInfo = given.get("zone", UTC_ZONE)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    end = _to_time(given.get("end", tomorrow), zone)
    start = _to_time(given["start"], zone) if "start" in given else _days_before(end, zone)
    if start > end:
        raise invalid_parameters([ParameterError("from", "reversed_range", "Must not be later than `to`.")])
    event_types = tuple(sorted(set(given.get("event_types", ()))))
    properties = tuple(sorted(given.get("properties", {}).items()))
    return {**given, "zone": zone, "start": start, "end": end, "event_types": event_types, "properties": properties}


def _to_time(given: datetime | date, zone: ZoneInfo) -> datetime:
    return given if isinstance(given, datetime) else start_of_day(given, zone)


def _days_before(end: datetime, zone: ZoneInfo) -> datetime:
    """DAYS calendar days before `end`, at the same local time."""
    local = end.astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=DAYS), local.time(), zone).astimezone(UTC)


def _split(given: dict[str, Any], interval: str, most: int) -> tuple[datetime, ...]:
    try:
        return tuple(split_range(given["start"], given["end"], cast(Interval, interval), given["zone"], most))
    except TooManyPointsError:
        detail = f"There are more than {most:,} intervals ({interval}) from `from` to `to`: narrow them, or take longer ones."
        raise invalid_parameters([ParameterError("from", "too_many_points", detail)]) from None
