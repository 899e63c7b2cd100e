"""Which times the events of a run have: each kind of check has an era of its own.

Stable months and those behind them have no partition at first. What is older than KEEP may be deleted by `tracker maintain --keep`;
nothing but the events of `expired` is.
"""

from datetime import UTC, datetime, timedelta
from random import Random

KEEP = "480months"
EXPIRED_YEARS = (1, 1000, 1960)
EXPIRED_MONTHS = [datetime(1971 + number // 12, 1 + number % 12, 1, tzinfo=UTC) for number in range(8)]
"""Filled until they have partitions, which are then dropped whole."""

EXPIRED_BEFORE = datetime(1980, 1, 1, tzinfo=UTC)
"""Everything before this is of the expired era."""

STABLE_MONTHS = 24
FIRST_STABLE = 36
ODD_MONTHS = (40, 47, 81, 120, 121, 240, 300)
"""Months back from this one."""

FILLED = timedelta(days=2)
"""How much of a month has events: few days, since each has to get blocks."""


def month_back(now: datetime, months: int) -> datetime:
    """The beginning of the month that was so many months ago."""
    years, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)


def stable_months(now: datetime) -> list[datetime]:
    return [month_back(now, FIRST_STABLE - number) for number in range(STABLE_MONTHS)]


def some_time(random: Random, now: datetime) -> datetime:
    """A moment of ordinary events: mostly of the last days, some of last year, and now and then an odd one."""
    chance = random.random()
    if chance < 0.6:
        return now - random.random() * timedelta(days=5)
    months = random.randrange(1, 13) if chance < 0.85 else random.choice(ODD_MONTHS)
    return within(random, month_back(now, months), FILLED)


def expired_time(random: Random) -> datetime:
    """A moment that is too old."""
    if random.random() < 0.3:
        return within(random, datetime(random.choice(EXPIRED_YEARS), 1, 1, tzinfo=UTC), timedelta(days=300))
    return within(random, random.choice(EXPIRED_MONTHS), FILLED)


def within(random: Random, start: datetime, span: timedelta) -> datetime:
    """A moment of a span, to the microsecond."""
    return start + timedelta(microseconds=random.randrange(int(span / timedelta(microseconds=1))))
