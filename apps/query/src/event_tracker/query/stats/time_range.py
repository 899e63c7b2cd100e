"""Splits a time range into hours that are already counted, and ranges whose events must be read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from event_tracker.query.parameter_types import EARLIEST, LATEST

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


def split_at_hours(start: datetime | None, end: datetime | None) -> tuple[list[str], dict[str, datetime]]:
    """The names of the parts of [start, end), and their bounds, all half-open. None is no bound; times are UTC.

    `head` comes before the first whole hour, `tail` after the last; a range inside one hour is all `head`.
    """
    if start is None and end is None:
        return ["everything"], {}
    start, end = start or EARLIEST, end or LATEST
    first_hour, last_hour = floor_time(start, HOUR), floor_time(end, HOUR)
    if first_hour < start:
        first_hour += HOUR
    head_end = min(first_hour, end)
    tail_start = max(last_hour, head_end)
    bounds = {
        "first_hour": first_hour,
        "last_hour": last_hour,
        "head_start": start,
        "head_end": head_end,
        "tail_start": tail_start,
        "tail_end": end,
    }
    pieces = ["whole_hours"]
    if start < head_end:
        pieces.append("head")
    if tail_start < end:
        pieces.append("tail")
    return pieces, bounds


def floor_time(time: datetime, length: timedelta) -> datetime:
    """The start of the hour or day (UTC) that contains a time."""
    return time - (time - EPOCH) % length


def _ceil_time(time: datetime, length: timedelta) -> datetime:
    return time + (EPOCH - time) % length
