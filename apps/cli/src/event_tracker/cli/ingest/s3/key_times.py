"""The time that an object's key tells, by which a listing needn't begin at the first key each time.

Logs are named by the hour (CloudFront) or the day of their requests, or by the time of their delivery (S3): keys with the same text in
front of the time sort by it.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

LATEST = timedelta(hours=25)
"""CloudFront delivers up to 24 hours late, under the name of the requests' hour."""

TIME = re.compile(
    r"(?P<year>20\d\d)(?P<m>[-/](?:month=)?)(?P<month>\d\d)(?P<d>[-/](?:day=)?)(?P<day>\d\d)(?:(?P<h>[-/T](?:hour=)?)(?P<hour>\d\d))?(?!\d)"
)


class KeyTime(NamedTuple):
    """The time of a key.

    Attributes:
        group: what stands in front of it.
        time: in UTC, in hours or days.
        pattern: by which another time of the group is written.
    """

    group: str
    time: datetime
    pattern: str

    def start(self, time: datetime) -> str:
        """The text before which all keys of the group that are of an earlier time sort."""
        return self.group + time.strftime(self.pattern)


def read_key_time(key: str) -> KeyTime | None:
    """The first time in a key; None if there is none."""
    found = TIME.search(key)
    if found is None:
        return None
    try:
        time = datetime(int(found["year"]), int(found["month"]), int(found["day"]), int(found["hour"] or 0))  # noqa: DTZ001
    except ValueError:
        return None
    hour = f"{found['h']}%H" if found["hour"] else ""
    return KeyTime(key[: found.start()], time, f"%Y{found['m']}%m{found['d']}%d{hour}")


class ListingStarts:
    """Where a listing may begin, for each group of keys.

    A group begins 25 hours before the newest hour that is complete, which is the one before the newest that is seen; but no object
    that still has to be read is behind it.
    """

    def __init__(self) -> None:
        self._newest: dict[str, KeyTime] = {}
        self._starts: dict[str, str] = {}

    def see(self, key: str) -> None:
        """Note a key that a listing has."""
        found = read_key_time(key)
        if found and (found.group not in self._newest or found.time > self._newest[found.group].time):
            self._newest[found.group] = found

    def start_of(self, key: str) -> str | None:
        """The text from which on the key's group is listed; None if from its first key."""
        found = read_key_time(key)
        return self._starts.get(found.group) if found else None

    def finish_listing(self, unread: Iterable[str]) -> None:
        """Set where the next listing begins.

        Args:
            unread: keys that still have to be read.
        """
        hour = timedelta(hours=1)
        times = {group: newest.time - hour - LATEST for group, newest in self._newest.items()}
        for key in unread:
            if found := read_key_time(key):
                times[found.group] = min(times.get(found.group, found.time), found.time)
        self._starts = {
            group: self._newest[group].start(time) for group, time in times.items() if group in self._newest
        }

    def forget(self) -> None:
        """List all keys the next time."""
        self._starts = {}
