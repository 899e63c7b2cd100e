"""Reads the parameters of statistics into immutable queries, or reports all errors at once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from event_tracker.query.auth.calls import Call, SourcesSchema
from event_tracker.query.events.parameters import FROM, TO
from event_tracker.query.filters.behaviour_schema import BehaviourFilterSchema
from event_tracker.query.filters.grammar import with_properties
from event_tracker.query.filters.schema import FilterParameters
from event_tracker.query.identity import identity_field
from event_tracker.query.parameter_types import Between, PropertyFilter, repeatable_field, user_id_field
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.settings import MAX_SECONDS
from event_tracker.query.stats.intervals import Interval, TooManyPointsError, split_range, start_of_day
from event_tracker.query.stats.parameter_types import Dimension, Flag, Moment, Zone
from event_tracker.query.stats.query_types import UserQuery

DAYS = 30
"""Default length of the time range, including today."""

A_DAY = "Or a day, which is its first moment in `tz`."

UTC_ZONE = ZoneInfo("UTC")
GAP = 1800
MAX_POINTS = 1000
MAX_DAYS = 10_000
"""Days of one user. They are only counted, not listed."""
INTERVALS = ("minute", "hour", "day", "week", "month")
PERIODS = ("day", "week", "month")


def start_field() -> Moment:
    return Moment("from", f"{FROM} {A_DAY} By default {DAYS} days before `to`.")


def end_field() -> Moment:
    return Moment("to", f"{TO} {A_DAY} By default the end of today.")


def zone_field() -> Zone:
    return Zone(
        data_key="tz",
        metadata={"type": "string", "description": "IANA time zone of days and answers.", "default": "UTC"},
    )


def explain_field() -> Flag:
    return Flag(load_default=False, metadata={"description": "Tell how it was answered, where EXPLAIN allows it."})


class StatsSchema(SourcesSchema):
    """Parameters of all statistics."""

    start = start_field()
    end = end_field()
    zone = zone_field()
    explain = explain_field()


class SelectionSchema(StatsSchema):
    """Parameters that select events. Everything is computed from the selected events only."""

    event_types = repeatable_field("event_type", "Only events of this type; repeat it for any of several.")
    properties = PropertyFilter("`property.NAME=value`: only events whose properties have that member.")
    filter = FilterParameters(BehaviourFilterSchema)
    identity = identity_field()


def gap_field() -> Between:
    return Between(1, 86_400, GAP, "Seconds without an event that end a session without session_id.")


def longest_field() -> Between:
    description = "Seconds after its first event at which a session ends. By default LONGEST_SESSION_SECONDS."
    return Between(1, MAX_SECONDS, None, description)


def dimension_field() -> Dimension:
    return Dimension(load_default="event_type", metadata={"description": "event_type, or property:NAME."})


class UserSchema(StatsSchema):
    """Parameters of GET /users/{user_id}."""

    identity = identity_field()


class AnyUserSchema(UserSchema):
    """Parameters of GET /user."""

    user_id = user_id_field()


def read_user(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> UserQuery:
    return _one_user(read_range(call, now, allow_explain), longest)


def read_any_user(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> tuple[str, UserQuery]:
    """Read the user's id and the query.

    Raises:
        Problem: 400 or 422 with all errors, as `read_user` does.
    """
    given = read_range(call, now, allow_explain)
    return given["user_id"], _one_user(given, longest)


def _one_user(given: dict[str, Any], longest: int) -> UserQuery:
    starts = split(given, "day", MAX_DAYS)
    bounds = {name: given[name] for name in ("sources", "start", "end", "zone", "explain")}
    return UserQuery(starts=starts, longest=longest, identity=given["identity"], **bounds)


def read_range(call: Call, now: datetime, allow_explain: bool) -> dict[str, Any]:
    """Read the parameters of a request.

    Raises:
        Problem: 400 or 422 with all errors.
    """
    return resolve_range(call, call.query(), now, allow_explain)


def resolve_range(call: Call, given: dict[str, Any], now: datetime, allow_explain: bool) -> dict[str, Any]:
    """Resolve both bounds to times in UTC, and make the filters hashable.

    Plans reveal events of all sources, so restricted principals may not request them.
    """
    if given["explain"] and (not allow_explain or call.allowed_sources is not None):
        detail = "Needs the setting EXPLAIN, and credentials that aren't restricted to some sources."
        raise invalid_parameters([ParameterError("explain", "explain_not_allowed", detail)])
    zone: ZoneInfo = given.get("zone", UTC_ZONE)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    end = _to_time(given.get("end", tomorrow), zone)
    start = _to_time(given["start"], zone) if "start" in given else _days_before(end, zone)
    if start > end:
        raise invalid_parameters([ParameterError("from", "reversed_range", "Must not be later than `to`.")])
    event_types = tuple(sorted(set(given.get("event_types", ()))))
    properties = tuple(sorted(given.pop("properties", {}).items()))
    combined = with_properties(properties, given.get("filter"))
    return {**given, "zone": zone, "start": start, "end": end, "event_types": event_types, "filter": combined}


def _to_time(given: datetime | date, zone: ZoneInfo) -> datetime:
    return given if isinstance(given, datetime) else start_of_day(given, zone)


def _days_before(end: datetime, zone: ZoneInfo) -> datetime:
    """DAYS calendar days before `end`, at the same local time."""
    local = end.astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=DAYS), local.time(), zone).astimezone(UTC)


def split(given: dict[str, Any], interval: str, most: int) -> tuple[datetime, ...]:
    """The starts of the intervals in a range.

    Raises:
        Problem: 422 if there are more than `most`.
    """
    try:
        return tuple(split_range(given["start"], given["end"], cast(Interval, interval), given["zone"], most))
    except TooManyPointsError:
        detail = f"There are more than {most:,} intervals ({interval}) from `from` to `to`: narrow them, or take longer ones."
        raise invalid_parameters([ParameterError("from", "too_many_points", detail)]) from None
