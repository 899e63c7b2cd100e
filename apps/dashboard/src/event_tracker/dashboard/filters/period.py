"""The range of days of a page, in a time zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

PRESETS = {
    "today": 1,
    "7 days": 7,
    "30 days": 30,
    "90 days": 90,
    "365 days": 365,
}
"""The number of calendar days up to today, by name."""

CUSTOM = "dates"

HOURLY_DAYS, DAILY_DAYS, WEEKLY_DAYS = 3, 92, 400
"""Ranges of up to so many days are shown by hour, by day, by week. Longer ones are shown by month."""


@dataclass(frozen=True)
class Period:
    """Whole calendar days in the time zone `tz`, from `first` to `last`, both included.

    `until` is a local time in `tz` without an offset. If it is set, later events don't count.
    """

    first: date
    last: date
    tz: str
    until: datetime | None = None

    @classmethod
    def latest(cls, days: int, tz: str) -> Self:
        """The last `days` days, today included."""
        today = datetime.now(ZoneInfo(tz)).date()
        return cls(today - timedelta(days=days - 1), today, tz)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def before(self, now: datetime | None = None) -> Self:
        """The range of as many days just before. If this range is under way, the other one ends at the same point of its length."""
        here = (now or datetime.now(UTC)).astimezone(ZoneInfo(self.tz)).replace(tzinfo=None, second=0, microsecond=0)
        length = timedelta(days=self.days)
        under_way = self.first <= here.date() <= self.last
        return type(self)(
            self.first - length, self.first - timedelta(days=1), self.tz, here - length if under_way else None
        )

    @property
    def bounds(self) -> dict[str, str]:
        """The parameters `from` (included) and `to` (excluded) as RFC 3339: the start of the first day, the end of the last."""
        end = self._moment(self.until) if self.until else self._start(self.last + timedelta(days=1))
        return {"from": self._start(self.first), "to": end}

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters for the endpoints below /stats."""
        return {**self.bounds, "tz": self.tz}

    @property
    def interval(self) -> str:
        """The interval that gives a chart a readable number of points."""
        for days, interval in [(HOURLY_DAYS, "hour"), (DAILY_DAYS, "day"), (WEEKLY_DAYS, "week")]:
            if self.days <= days:
                return interval
        return "month"

    def __str__(self) -> str:
        first, last = f"{self.first:%-d %b %Y}", f"{self.until or self.last:%-d %b %Y}"
        days = last if first == last else f"{first} to {last}"
        return f"{days}, until {self.until:%H:%M}" if self.until else days

    def _start(self, day: date) -> str:
        return self._moment(datetime.combine(day, time()))

    def _moment(self, local: datetime) -> str:
        # If a clock change skips midnight, this has the offset before the change, which is the same instant as the start of the day.
        return local.replace(tzinfo=ZoneInfo(self.tz)).isoformat()
