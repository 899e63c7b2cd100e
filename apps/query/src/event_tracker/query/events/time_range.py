"""Splits a time range at whole hours: these are already counted, and only the events at its edges must be read."""

from datetime import datetime, timedelta

from event_tracker.query.parameter_types import EARLIEST, LATEST

HOUR = timedelta(hours=1)


def split_at_hours(start: datetime | None, end: datetime | None) -> tuple[list[str], dict[str, datetime]]:
    """The names of the parts of [start, end), and their bounds, all half-open. None is no bound; times are UTC.

    `head` comes before the first whole hour, `tail` after the last; a range inside one hour is all `head`.
    """
    if start is None and end is None:
        return ["everything"], {}
    start, end = start or EARLIEST, end or LATEST
    first_hour, last_hour = _floor_hour(start), _floor_hour(end)
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


def _floor_hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
