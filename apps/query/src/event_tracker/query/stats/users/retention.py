"""GET /stats/retention: who comes back, by when they first came."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, cast

import msgspec
from msgspec import Meta

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Choice
from event_tracker.query.stats.answers import (
    Count,
    RangeAnswer,
    Share,
    UsersRangeAnswer,
    local_times,
    share,
    users_range_members,
)
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.intervals import Interval, end_of
from event_tracker.query.stats.parameters import PERIODS, SelectionSchema, read_range, split
from event_tracker.query.stats.users.active_users import ActiveUsersQuery

RETENTION = load_queries("event_tracker.query.stats.users", "retention.sql")["retention"]
MAX_PERIODS = 100


class RetentionSchema(SelectionSchema):
    """Parameters of GET /stats/retention."""

    period = Choice(PERIODS, "week", "How long a period is.")


def retention(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_retention(call, datetime.now(UTC), stats.explain), call)


def read_retention(call: Call, now: datetime, allow_explain: bool) -> "RetentionQuery":
    given = read_range(call, now, allow_explain)
    return RetentionQuery(starts=split(given, given["period"], MAX_PERIODS), **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionQuery(ActiveUsersQuery):
    name: ClassVar = "retention"
    statement: ClassVar = RETENTION

    period: str

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "RetentionAnswer":
        """Build from rows (number of the cohort from 1, periods after it, users). -1 periods is the size of the cohort."""
        found = {(period, after): count for period, after, count in rows}
        last = len(self.starts)
        end = min(self.end, as_of)
        complete = [
            self.start <= start and end_of(start, cast(Interval, self.period), self.zone) <= end
            for start in self.starts
        ]
        cohorts = []
        for period, start in enumerate(local_times(self.starts, self.zone), 1):
            size = found.get((period, -1), 0)
            retained = [found.get((period, after), 0) for after in range(last - period + 1)]
            rates = [share(count, size) for count in retained]
            cohorts.append(Cohort(start, size, retained, rates, complete[period - 1 :]))
        return RetentionAnswer(**users_range_members(self, as_of), period=self.period, cohorts=cohorts)


class Cohort(msgspec.Struct):
    start: Time
    users: Count
    retained: list[Count]
    rates: list[Share]
    complete: Annotated[
        list[bool],
        Meta(
            description="For each of `retained`, whether all of its period lies in the range and was over at `as_of`."
        ),
    ]


class RetentionAnswer(UsersRangeAnswer, kw_only=True):
    period: str
    cohorts: list[Cohort]
