"""Reads the times of logs."""

import re
from datetime import UTC, datetime, timedelta

from event_tracker.cli.ingest.logs.parsers.fields import LineError, cache_short

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CLF_TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)", re.ASCII)


def parse_time(text: str) -> datetime:
    """Read a time in the form of RFC 3339. Python has no leap seconds: one becomes the second before it.

    Raises:
        LineError: if it isn't a time with an offset.
    """
    is_leap = text[16:19] == ":60"
    try:
        time = datetime.fromisoformat(f"{text[:16]}:59{text[19:]}" if is_leap else text)
        # A time of the year 1 or 9999 with an offset may have no equal in UTC.
        is_valid = time.tzinfo is not None and bool(time.astimezone(UTC)) and (not is_leap or _is_end_of_month(time))
    except (ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise LineError(f"Has no valid time: {text[:40]!r}.")
    return time


def _is_end_of_month(time: datetime) -> bool:
    """Whether the second behind it begins a month, in UTC. Leap seconds are only there."""
    following = time.astimezone(UTC) + timedelta(seconds=1)
    return (following.day, following.hour, following.minute) == (1, 0, 0)


@cache_short
def parse_clf_time(text: str) -> datetime:
    """Read `17/May/2015:10:05:03 +0200`. strptime would be slow, and expect names of months in the machine's language.

    Raises:
        LineError: if it isn't a time.
    """
    found = CLF_TIME.fullmatch(text)
    if found is None or found[2] not in MONTHS:
        raise LineError(f"Has no valid time: {text[:40]!r}.")
    day, month, year, clock, hours, minutes = found.groups()
    return parse_time(f"{year}-{MONTHS.index(month) + 1:02}-{day}T{clock}{hours}:{minutes}")


@cache_short
def parse_epoch(text: str) -> datetime:
    """Read seconds since 1970.

    Raises:
        LineError: if it isn't a number, or no time.
    """
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise LineError(f"Has no valid time: {text[:40]!r}.") from None
