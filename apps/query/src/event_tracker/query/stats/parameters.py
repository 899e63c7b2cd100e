"""What may be asked: parameters in, a frozen question out, or every mistake at once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from marshmallow import fields, validate

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
    text,
    which_user,
)
from event_tracker.query.parameters import ParameterError, ParameterSchema, invalid_parameters
from event_tracker.query.request_body import read_json
from event_tracker.query.settings import MOST_SECONDS
from event_tracker.query.source_scope import Reading, SourcesReader, SourcesSchema
from event_tracker.query.stats.intervals import Interval, TooManyPointsError, cut, start_of_day
from event_tracker.query.stats.parameter_types import Dimension, Flag, Moment, Zone
from event_tracker.query.stats.questions import (
    Funnel,
    OneUser,
    Paths,
    Retention,
    Sessions,
    Timeseries,
    TopProperties,
    Users,
)

DAYS = 30
"""How long the range is where it isn't told, today included."""

UTC_ZONE = ZoneInfo("UTC")
GAP = 1800
MOST_POINTS = 1000
MOST_PERIODS = 100
MOST_DAYS = 10_000
"""Of one user: they are counted, not listed."""
INTERVALS = ("minute", "hour", "day", "week", "month")
PERIODS = ("day", "week", "month")


class RangeSchema(SourcesSchema):
    """What every question of analytics takes."""

    start = Moment(data_key="from", metadata={"description": f"{FROM} Or a day. By default {DAYS} days before `to`."})
    end = Moment(data_key="to", metadata={"description": f"{TO} Or a day. By default the end of today."})
    zone = Zone(data_key="tz", metadata={"description": "IANA time zone of days and answers.", "default": "UTC"})
    explain = Flag(load_default=False, metadata={"description": "Tell how it was answered, where EXPLAIN allows it."})


class FilterSchema(RangeSchema):
    """And which events count; everything else is computed over those alone."""

    event_types = fields.List(
        text(1, 100),
        data_key="event_type",
        validate=AtMost(max=MAX_VALUES),
        metadata={"description": "Only events of this type; repeat it for any of several."},
    )
    properties = PropertyFilter("`property.NAME=value`: only events whose properties have that member.")


def _gap() -> Between:
    return Between(1, 86_400, GAP, "Seconds without an event that end a session without session_id.")


def _longest() -> Between:
    description = "Seconds after its first event at which a session ends. By default LONGEST_SESSION_SECONDS."
    return Between(1, MOST_SECONDS, None, description)


def _by() -> Dimension:
    return Dimension(load_default="event_type", metadata={"description": "event_type, or property:NAME."})


class TimeseriesSchema(FilterSchema):
    """Parameters of GET /stats/timeseries."""

    interval = Choice(INTERVALS, "day", "How long a point is.")
    metric = Choice(("events", "users", "sessions"), "events", "What is counted.")
    breakdown = Dimension(metadata={"description": "event_type, or property:NAME: a series for each of the commonest."})
    limit = Between(1, 50, 5, "Most series of a breakdown; the rest is one series, `other`.")
    gap = _gap()
    longest = _longest()


class UsersSchema(FilterSchema):
    """Parameters of GET /stats/users."""

    interval = Choice(PERIODS, "day", "How long a point is.")


class SessionsSchema(FilterSchema):
    """Parameters of GET /stats/sessions."""

    gap = _gap()
    longest = _longest()
    by = _by()
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
    by = _by()
    limit = Limit(10, "Most transitions of each step, and most paths.")
    gap = _gap()
    longest = _longest()


class UserSchema(RangeSchema):
    """Parameters of GET /users/{user_id}."""


class AnyUserSchema(UserSchema):
    """Parameters of GET /user."""

    user_id = which_user()


class ExplainSchema(SourcesSchema):
    """Parameters of POST /stats/funnel beside its body."""

    explain = Flag(load_default=False, metadata={"description": "Tell how it was answered, where EXPLAIN allows it."})


class StepSchema(ParameterSchema):
    """One step of a funnel: events of a type, with these properties."""

    event_type = fields.String(required=True, validate=Length(1, 100), error_messages=REQUIRED)
    properties = fields.Dict(
        keys=text(1, 200), values=text(0, 4000), load_default=dict, validate=AtMost(max=MAX_VALUES)
    )


class FunnelSchema(ParameterSchema):
    """The body of POST /stats/funnel."""

    start = Moment(data_key="from", metadata={"description": f"{FROM} Or a day. By default {DAYS} days before `to`."})
    end = Moment(data_key="to", metadata={"description": f"{TO} Or a day. By default the end of today."})
    zone = Zone(data_key="tz", metadata={"description": "IANA time zone of days and answers.", "default": "UTC"})
    window = Between(1, 31_536_000, 7 * 86_400, "Seconds from a first step within which the last must come.")
    steps = ShortList(
        fields.Nested(StepSchema), required=True, validate=validate.Length(2, 10), error_messages=REQUIRED
    )


def read_timeseries(reading: Reading, now: datetime, explaining: bool, *, longest: int) -> Timeseries:
    """The question that a request asks; `longest` is how long sessions last at most where it doesn't say, in seconds.

    Each of these raises Problem: 400 or 422 with every mistake.
    """
    given = read_range(_timeseries, reading, now, explaining)
    starts = _cut(given, given["interval"], MOST_POINTS)
    return Timeseries(starts=starts, **{"breakdown": None, "longest": longest, **given})


def read_users(reading: Reading, now: datetime, explaining: bool) -> Users:
    given = read_range(_users, reading, now, explaining)
    return Users(starts=_cut(given, given["interval"], MOST_POINTS), **given)


def read_sessions(reading: Reading, now: datetime, explaining: bool, *, longest: int) -> Sessions:
    return Sessions(**{"longest": longest, **read_range(_sessions, reading, now, explaining)})


def read_top_properties(reading: Reading, now: datetime, explaining: bool) -> TopProperties:
    return TopProperties(**read_range(_top_properties, reading, now, explaining))


def read_retention(reading: Reading, now: datetime, explaining: bool) -> Retention:
    given = read_range(_retention, reading, now, explaining)
    return Retention(starts=_cut(given, given["period"], MOST_PERIODS), **given)


def read_paths(reading: Reading, now: datetime, explaining: bool, *, longest: int) -> Paths:
    return Paths(**{"origin": None, "longest": longest, **read_range(_paths, reading, now, explaining)})


def read_user(reading: Reading, now: datetime, explaining: bool, *, longest: int) -> OneUser:
    return _one_user(read_range(_user, reading, now, explaining), longest)


def read_any_user(reading: Reading, now: datetime, explaining: bool, *, longest: int) -> tuple[str, OneUser]:
    """The user's id and the question."""
    given = read_range(_any_user, reading, now, explaining)
    return given["user_id"], _one_user(given, longest)


def _one_user(given: dict[str, Any], longest: int) -> OneUser:
    starts = _cut(given, "day", MOST_DAYS)
    bounds = {name: given[name] for name in ("sources", "start", "end", "zone", "explain")}
    return OneUser(starts=starts, longest=longest, **bounds)


def read_funnel(reading: Reading, body: bytes, now: datetime, explaining: bool) -> Funnel:
    """The question that a JSON body asks."""
    beside = _beside_funnel.read(reading)
    given = _settle({**read_json(FunnelSchema(), body), **beside}, now, explaining and reading.allowed is None)
    steps = tuple((step["event_type"], tuple(sorted(step["properties"].items()))) for step in given["steps"])
    return Funnel(
        sources=given["sources"], start=given["start"], end=given["end"], zone=given["zone"], explain=given["explain"],
        window=given["window"], steps=steps,
    )  # fmt: skip


_timeseries = SourcesReader(TimeseriesSchema)
_users = SourcesReader(UsersSchema)
_sessions = SourcesReader(SessionsSchema)
_top_properties = SourcesReader(TopPropertiesSchema)
_retention = SourcesReader(RetentionSchema)
_paths = SourcesReader(PathsSchema)
_user = SourcesReader(UserSchema)
_any_user = SourcesReader(AnyUserSchema)
_beside_funnel = SourcesReader(ExplainSchema)


def read_range(reader: SourcesReader, reading: Reading, now: datetime, explaining: bool) -> dict[str, Any]:
    """What a request's parameters say. A plan tells of all sources' events, so who may not see them all gets none."""
    return _settle(reader.read(reading), now, explaining and reading.allowed is None)


def _settle(given: dict[str, Any], now: datetime, explaining: bool) -> dict[str, Any]:
    """Both bounds as times in UTC, given or by default, and filters in a form that can be compared."""
    if given["explain"] and not explaining:
        detail = "Needs the setting EXPLAIN, and credentials that aren't restricted to some sources."
        raise invalid_parameters([ParameterError("explain", "explain_not_allowed", detail)])
    zone: ZoneInfo = given.get("zone", UTC_ZONE)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    end = _moment(given.get("end", tomorrow), zone)
    start = _moment(given["start"], zone) if "start" in given else _days_before(end, zone)
    if start > end:
        raise invalid_parameters([ParameterError("from", "reversed_range", "Must not be later than `to`.")])
    event_types = tuple(sorted(set(given.get("event_types", ()))))
    properties = tuple(sorted(given.get("properties", {}).items()))
    return {**given, "zone": zone, "start": start, "end": end, "event_types": event_types, "properties": properties}


def _moment(given: datetime | date, zone: ZoneInfo) -> datetime:
    return given if isinstance(given, datetime) else start_of_day(given, zone)


def _days_before(end: datetime, zone: ZoneInfo) -> datetime:
    """DAYS days of the calendar before, at the same time of the day."""
    local = end.astimezone(zone)
    return datetime.combine(local.date() - timedelta(days=DAYS), local.time(), zone).astimezone(UTC)


def _cut(given: dict[str, Any], interval: str, most: int) -> tuple[datetime, ...]:
    try:
        return tuple(cut(given["start"], given["end"], cast(Interval, interval), given["zone"], most))
    except TooManyPointsError:
        detail = f"There are more than {most:,} intervals ({interval}) from `from` to `to`: narrow them, or take longer ones."
        raise invalid_parameters([ParameterError("from", "too_many_points", detail)]) from None
