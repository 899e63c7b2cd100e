"""Splits a time range into hours that are already counted, and ranges whose events must be read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

MAX_SPLIT_HOURS = 200
"""If more hours than this must be split, the whole range is read instead."""


def split_by_hour(start: datetime, end: datetime, starts: Sequence[datetime]) -> dict[str, Any] | None:
    """The parameters for the whole hours of [start, end) that no interval splits, and for the parts of the others.

    None if so many hours are split that nothing is gained.
    """
    split_hours = sorted({floor_time(cut, HOUR) for cut in (start, *starts[1:], end) if cut != floor_time(cut, HOUR)})
    if len(split_hours) > MAX_SPLIT_HOURS:
        return None
    return {
        "first_hour": floor_time(start, HOUR),
        "last_hour": _ceil_time(end, HOUR),
        "split_hours": split_hours,
        "piece_starts": [max(hour, start) for hour in split_hours],
        "piece_ends": [min(hour + HOUR, end) for hour in split_hours],
    }


def floor_time(time: datetime, length: timedelta) -> datetime:
    """The start of the hour or day (UTC) that contains a time."""
    return time - (time - EPOCH) % length


def _ceil_time(time: datetime, length: timedelta) -> datetime:
    return time + (EPOCH - time) % length
