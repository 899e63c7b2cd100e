"""The points of an answer over time: where they lie, what they are called, and which of them aren't whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from event_tracker.dashboard.client.api import Answer

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
    """Where each interval of /stats/timeseries or /stats/users begins, in the zone that was asked for."""
    zone = ZoneInfo(answer["tz"])
    return [
        datetime.fromisoformat(point if isinstance(point, str) else point["time"]).astimezone(zone)
        for point in answer["points"]
    ]


def end_of(start: datetime, interval: str) -> datetime:
    """The end, in UTC, of the interval that begins at `start`, a time in a zone: days, weeks and months end with the calendar's."""
    if interval in BY_THE_CLOCK:
        return start.astimezone(UTC) + LENGTHS[interval]
    midnight = start.replace(hour=0, fold=0)
    if interval == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1).astimezone(UTC)
    return (midnight + LENGTHS[interval]).astimezone(UTC)


def whole(answer: Answer) -> list[bool]:
    """For each point, whether all of its interval lies in the range and is over."""
    begin = datetime.fromisoformat(answer["from"])
    end = min(datetime.fromisoformat(answer["to"]), datetime.fromisoformat(answer["as_of"]))
    return [begin <= moment and end_of(moment, answer["interval"]) <= end for moment in moments(answer)]


def begun(answer: Answer, values: Sequence[Sequence[int]]) -> int:
    """How many points have begun, or have events already, from clocks that are ahead."""
    now = datetime.fromisoformat(answer["as_of"])
    number = sum(moment <= now for moment in moments(answer))
    return max([number, *(place for series in values for place, value in enumerate(series, 1) if value)])


def places(times: Sequence[datetime], interval: str) -> list[str]:
    """Where the points lie on an axis that knows no zones: the local clock's time.

    Where that clock is changed, the clock before the change, which shows no hour twice.
    """
    if interval in BY_THE_CLOCK and changes_clock(times):
        times = [time.astimezone(timezone(times[0].utcoffset() or timedelta())) for time in times]
    return [time.replace(tzinfo=None).isoformat() for time in times]


def changes_clock(times: Sequence[datetime]) -> bool:
    """Whether the zone's offset isn't the same at all of them."""
    return len({time.utcoffset() for time in times}) > 1


def label(time: datetime, interval: str, is_whole: bool) -> str:
    """A point in words."""
    offset = f" {time:%Z}" if interval == "hour" else ""
    return FORMS[interval].format(time) + offset + ("" if is_whole else ", unfinished")
