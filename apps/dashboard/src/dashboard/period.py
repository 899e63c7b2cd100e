"""The range of days that a page is about, in a time zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

PRESETS = {
    "today": 1,
    "7 days": 7,
    "30 days": 30,
    "90 days": 90,
    "365 days": 365,
}
"""The last so many calendar days, today included."""

CUSTOM = "dates"

HOURLY_DAYS, DAILY_DAYS, WEEKLY_DAYS = 3, 92, 400
"""Up to so many days are shown by the hour, by the day, by the week; what is longer, by the month."""


@dataclass(frozen=True)
class Period:
    """Whole days, `first` to `last`, both included, as a calendar in `tz` has them."""

    first: date
    last: date
    tz: str

    @classmethod
    def latest(cls, days: int, tz: str) -> Self:
        """The last `days` days, today included."""
        today = datetime.now(ZoneInfo(tz)).date()
        return cls(today - timedelta(days=days - 1), today, tz)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def before(self) -> Self:
        """As many days, just before."""
        return type(self)(self.first - timedelta(days=self.days), self.first - timedelta(days=1), self.tz)

    @property
    def bounds(self) -> dict[str, str]:
        """`from` (included) and `to` (not included) as RFC 3339: the first moments of the first day and of the day after the last."""
        return {"from": self._start(self.first), "to": self._start(self.last + timedelta(days=1))}

    @property
    def parameters(self) -> dict[str, str]:
        """What the endpoints below /stats ask for."""
        return {**self.bounds, "tz": self.tz}

    @property
    def interval(self) -> str:
        """The interval that gives a chart a readable number of points."""
        for days, interval in [(HOURLY_DAYS, "hour"), (DAILY_DAYS, "day"), (WEEKLY_DAYS, "week")]:
            if self.days <= days:
                return interval
        return "month"

    def __str__(self) -> str:
        if self.first == self.last:
            return f"{self.first:%-d %b %Y}"
        return f"{self.first:%-d %b %Y} to {self.last:%-d %b %Y}"

    def _start(self, day: date) -> str:
        # Where a clock change skips midnight, this is the offset before it, so the same instant as the day's first moment.
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.tz)).isoformat()
