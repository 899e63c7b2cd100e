"""The range of days that a page is about, in a time zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
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
    """Whole days, `first` to `last`, both included, as a calendar in `tz` has them.

    With `until`, a time of the zone's clock, events from then on don't count.
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
        """As many days, just before; of them the same part as of these is over `now`, to the minute."""
        here = (now or datetime.now(UTC)).astimezone(ZoneInfo(self.tz)).replace(tzinfo=None, second=0, microsecond=0)
        length = timedelta(days=self.days)
        under_way = self.first <= here.date() <= self.last
        return type(self)(
            self.first - length, self.first - timedelta(days=1), self.tz, here - length if under_way else None
        )

    @property
    def bounds(self) -> dict[str, str]:
        """`from` (included) and `to` (not included) as RFC 3339: the first moments of the first day and of the day after the last."""
        end = self._moment(self.until) if self.until else self._start(self.last + timedelta(days=1))
        return {"from": self._start(self.first), "to": end}

    def parts(self, number: int, now: datetime | None = None) -> list[dict[str, str]]:
        """The bounds of so many equal parts of what has begun; of all, where nothing has."""
        start, end = (datetime.fromisoformat(bound).astimezone(UTC) for bound in self.bounds.values())
        now = now or datetime.now(UTC)
        length = ((min(end, now) if start < now else end) - start) / number
        cuts = [(start + length * place).isoformat() for place in range(number + 1)]
        return [{"from": first, "to": last} for first, last in pairwise(cuts)]

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
        first, last = f"{self.first:%-d %b %Y}", f"{self.until or self.last:%-d %b %Y}"
        days = last if first == last else f"{first} to {last}"
        return f"{days}, until {self.until:%H:%M}" if self.until else days

    def _start(self, day: date) -> str:
        return self._moment(datetime.combine(day, time()))

    def _moment(self, local: datetime) -> str:
        # Where a clock change skips midnight, this is the offset before it, so the same instant as the day's first moment.
        return local.replace(tzinfo=ZoneInfo(self.tz)).isoformat()
