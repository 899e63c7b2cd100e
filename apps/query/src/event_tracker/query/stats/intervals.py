"""Splits a time range into minutes, hours, days, weeks or months of a time zone.

This is done here, not by PostgreSQL's `date_trunc`: a search in a short array finds the interval of an event, and all results
depend on a single copy of the tz database.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

Interval = Literal["minute", "hour", "day", "week", "month"]

LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
LONGEST = {**LENGTHS, "day": timedelta(hours=26), "week": timedelta(days=8), "month": timedelta(days=32)}
"""Upper bounds for the length of an interval."""

SECOND = timedelta(seconds=1)


class TooManyPointsError(ValueError):
    """The range has more intervals than a response may have."""


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local day, in UTC. If a clock change skips midnight, this is the moment of the change."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def split_range(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo, most: int) -> list[datetime]:
    """The starts, in UTC, of all intervals that overlap [start, end). The first may be before `start`.

    Raises:
        TooManyPointsError: if there are more than `most`.
    """
    if start >= end:
        return []
    if (end - start) / LONGEST[interval] > most + 2:
        raise TooManyPointsError
    starts = (
        _split_by_clock(start, end, LENGTHS[interval], zone)
        if interval in LENGTHS
        else _split_by_day(start, end, interval, zone)
    )
    points: list[datetime] = []
    for point, following in pairwise(sorted(set(starts))):
        if following > start and point < end:
            points.append(point)
    if len(points) > most:
        raise TooManyPointsError
    return points


def end_of(start: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """The end, in UTC, of the day, week or month that starts at `start`."""
    return start_of_day(_next_day(start.astimezone(zone).date(), interval), zone)


def end_of_interval(start: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """The end, in UTC, of any interval that starts at `start`."""
    return _end_by_clock(start, LENGTHS[interval], zone) if interval in LENGTHS else end_of(start, interval, zone)


def _split_by_day(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    """Starts of days, weeks (from Monday, ISO 8601) or months, from before `start` until after `end`."""
    day = _first_day(start.astimezone(zone).date() - timedelta(days=1), interval)
    last = end.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        yield start_of_day(day, zone)
        day = _next_day(day, interval)
    yield start_of_day(day, zone)


def _first_day(day: date, interval: Interval) -> date:
    match interval:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case _:
            return day


def _next_day(day: date, interval: Interval) -> date:
    match interval:
        case "week":
            return day + timedelta(days=7)
        case "month":
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case _:
            return day + timedelta(days=1)


def _split_by_clock(start: datetime, end: datetime, length: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    """Moments at which the local clock shows a whole hour or minute, and those of clock changes."""
    moment = _start_of_interval(start, length, zone)
    while moment < end:
        yield moment
        moment = _end_by_clock(moment, length, zone)
    yield moment


def _end_by_clock(moment: datetime, length: timedelta, zone: ZoneInfo) -> datetime:
    """When the hour or minute that contains a moment ends: when the clock shows the next one, or is changed."""
    following = moment + length - _time_into_interval(moment, length, zone)
    return _find_offset_change(moment, following, zone) or following


def _start_of_interval(moment: datetime, length: timedelta, zone: ZoneInfo) -> datetime:
    """The start of the interval that contains `moment`."""
    begin = moment - _time_into_interval(moment, length, zone)
    return _find_offset_change(begin, moment, zone) or begin


def _time_into_interval(moment: datetime, length: timedelta, zone: ZoneInfo) -> timedelta:
    """How far the local clock is past the last whole hour or minute."""
    local = moment.astimezone(zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) % length


def _find_offset_change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The moment in (start, end] at which the zone's UTC offset changes; None if it doesn't."""
    before = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == before:
        return None
    low, high = start, end
    while high - low > SECOND:
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
