"""The points of an answer over time: their times, positions and labels, and which of them are complete."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters.period import Period

LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
BY_THE_CLOCK = {"minute", "hour"}
FORMS = {
    "minute": "{:%H:%M}",
    "hour": "{:%-d %b %Y %H:%M}",
    "day": "{:%-d %b %Y}",
    "week": "week of {:%-d %b %Y}",
    "month": "{:%b %Y}",
}


def moments(answer: Answer) -> list[datetime]:
    """The start of each interval of /stats/timeseries or /stats/users, in the requested time zone."""
    zone = ZoneInfo(answer["tz"])
    return [
        datetime.fromisoformat(point if isinstance(point, str) else point["time"]).astimezone(zone)
        for point in answer["points"]
    ]


def end_of(start: datetime, interval: str) -> datetime:
    """The end, in UTC, of the interval that begins at `start`, a time in a zone. Days, weeks and months are those of the calendar."""
    if interval in BY_THE_CLOCK:
        return start.astimezone(UTC) + LENGTHS[interval]
    midnight = start.replace(hour=0, fold=0)
    if interval == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1).astimezone(UTC)
    return (midnight + LENGTHS[interval]).astimezone(UTC)


def days_within(period: Period, start: datetime, interval: str) -> tuple[date, date]:
    """The first and the last day of the interval that begins at `start`, a time in the period's zone, within the period."""
    end = end_of(start, interval).astimezone(ZoneInfo(period.tz)) - timedelta(microseconds=1)
    return max(start.date(), period.first), min(end.date(), period.last)


def whole(answer: Answer) -> list[bool]:
    """For each point, whether its interval is complete: within the range, and over."""
    begin = datetime.fromisoformat(answer["from"])
    end = min(datetime.fromisoformat(answer["to"]), datetime.fromisoformat(answer["as_of"]))
    return [begin <= moment and end_of(moment, answer["interval"]) <= end for moment in moments(answer)]


def begun(answer: Answer, values: Sequence[Sequence[int]]) -> int:
    """The number of points whose interval has begun, or has events already (from clients whose clock is ahead)."""
    now = datetime.fromisoformat(answer["as_of"])
    number = sum(moment <= now for moment in moments(answer))
    return max([number, *(place for series in values for place, value in enumerate(series, 1) if value)])


def places(times: Sequence[datetime], interval: str) -> list[str]:
    """The positions of points on an axis without time zones: local times.

    If the clock changes between hours, the offset before the change is used for all, so that no hour appears twice.
    """
    if interval in BY_THE_CLOCK and changes_clock(times):
        times = [time.astimezone(timezone(times[0].utcoffset() or timedelta())) for time in times]
    return [time.replace(tzinfo=None).isoformat() for time in times]


def changes_clock(times: Sequence[datetime]) -> bool:
    """Whether the zone's offset changes between these times."""
    return len({time.utcoffset() for time in times}) > 1


def label(time: datetime, interval: str, is_whole: bool) -> str:
    """The label of a point."""
    offset = f" {time:%Z}" if interval == "hour" else ""
    return FORMS[interval].format(time) + offset + ("" if is_whole else ", unfinished")
