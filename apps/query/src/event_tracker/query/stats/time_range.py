"""Which parts of a range of time are counted already, by the hour or by the day, and which must be read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

MOST_SPLIT_HOURS = 200
"""With more hours to be read one by one, the whole range is read at once."""

MOST_RANGES = 50
"""With more pieces between days that are summed up, the whole range is read at once."""


def split_by_hour(start: datetime, end: datetime, starts: Sequence[datetime]) -> dict[str, Any] | None:
    """Parameters of the whole hours of [start, end) that no interval begins in, and of the pieces around them.

    None if there are so many pieces that nothing is gained.
    """
    split_hours = sorted({floor_time(cut, HOUR) for cut in (start, *starts[1:], end) if cut != floor_time(cut, HOUR)})
    if len(split_hours) > MOST_SPLIT_HOURS:
        return None
    return {
        "first_hour": floor_time(start, HOUR),
        "last_hour": _ceil_time(end, HOUR),
        "split_hours": split_hours,
        "piece_starts": [max(hour, start) for hour in split_hours],
        "piece_ends": [min(hour + HOUR, end) for hour in split_hours],
    }


def whole_day_bounds(start: datetime, end: datetime) -> dict[str, datetime]:
    """Parameters of the whole days (UTC) of [start, end)."""
    first = _ceil_time(start, DAY)
    return {"first_day": first, "last_day": max(first, floor_time(end, DAY))}


def ranges_between(start: datetime, end: datetime, days: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """What of [start, end) lies outside these days, which lie inside it and are in order."""
    cuts = [start, *(bound for day in days for bound in (day, day + DAY)), end]
    return [(begin, finish) for begin, finish in zip(cuts[0::2], cuts[1::2], strict=True) if begin < finish]


def floor_time(time: datetime, length: timedelta) -> datetime:
    """The beginning of the hour or day (UTC) that a time lies in."""
    return time - (time - EPOCH) % length


def _ceil_time(time: datetime, length: timedelta) -> datetime:
    return time + (EPOCH - time) % length
