"""Local calendar intervals, by looking at the local clock of one minute after the other.

Every offset that the tz database has since 1972 is of whole minutes, so nothing begins between two of them.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
Interval = tuple[datetime, datetime]


def intervals(start: datetime, end: datetime, kind: str, zone: ZoneInfo) -> list[Interval]:
    """Every local interval that overlaps [start, end), as [its first moment, the next one's first moment), in UTC."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if start >= end:
        return []
    found = clock_intervals(start, end, kind, zone) if kind in ("minute", "hour") else dates(start, end, kind, zone)
    return [(first, after) for first, after in found if first < end and after > start]


def clock_intervals(start: datetime, end: datetime, kind: str, zone: ZoneInfo) -> list[Interval]:
    """Stretches of one local minute or hour under one UTC offset."""

    def label(moment: datetime) -> tuple[object, ...]:
        local = moment.astimezone(zone)
        return local.date(), local.hour, local.minute if kind == "minute" else None, local.utcoffset()

    first = start.replace(second=0, microsecond=0)
    while label(first - MINUTE) == label(first):
        first -= MINUTE
    starts = [first]
    while starts[-1] < end:
        moment = starts[-1] + MINUTE
        while label(moment) == label(starts[-1]):
            moment += MINUTE
        starts.append(moment)
    return list(pairwise(starts))


def dates(start: datetime, end: datetime, kind: str, zone: ZoneInfo) -> list[Interval]:
    """Days, ISO weeks or months, those that a clock change removed left out."""
    day = start_of_period((start - timedelta(days=2)).date(), kind)
    starts = [first_moment(day, zone)]
    while starts[-1] < end:
        day = next_period(day, kind)
        starts.append(first_moment(day, zone))
    return [(first, after) for first, after in pairwise(starts) if first < after]


def start_of_period(day: date, kind: str) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def next_period(day: date, kind: str) -> date:
    if kind == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if kind == "week" else 1)


@cache
def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """The earliest minute, in UTC, at which the local calendar shows this date or a later one."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(zone).date() < day:
        moment += MINUTE
    return moment
