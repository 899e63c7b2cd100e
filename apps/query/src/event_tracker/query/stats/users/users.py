"""GET /stats/users: active, new and returning users over time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Choice
from event_tracker.query.stats.answers import Count, RangeAnswer, UsersRangeAnswer, local_times, users_range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.parameters import MAX_POINTS, PERIODS, SelectionSchema, read_range, split
from event_tracker.query.stats.users.active_users import ActiveUsersQuery

USERS = load_queries("event_tracker.query.stats.users", "users.sql")["users"]


class UsersSchema(SelectionSchema):
    """Parameters of GET /stats/users."""

    interval = Choice(PERIODS, "day", "How long a point is.")


def users(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_users(call, datetime.now(UTC), stats.explain), call)


def read_users(call: Call, now: datetime, allow_explain: bool) -> "UsersQuery":
    given = read_range(call, now, allow_explain)
    return UsersQuery(starts=split(given, given["interval"], MAX_POINTS), **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersQuery(ActiveUsersQuery):
    name: ClassVar = "users"
    statement: ClassVar = USERS

    interval: str

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "UsersAnswer":
        """Build from rows (number of the interval from 1, or 0 for the whole range; active; new)."""
        found = {number: (active, new, active - new) for number, active, new in rows}
        points = [
            UsersPoint(start, *found.get(number, (0, 0, 0)))
            for number, start in enumerate(local_times(self.starts, self.zone), 1)
        ]
        active, new, returning = found[0]
        return UsersAnswer(
            **users_range_members(self, as_of),
            interval=self.interval, points=points, active=active, new=new, returning=returning,
        )  # fmt: skip


class UsersPoint(msgspec.Struct):
    time: Time
    active: Count
    new: Count
    returning: Count


class UsersAnswer(UsersRangeAnswer, kw_only=True):
    interval: str
    points: list[UsersPoint]
    active: Count
    new: Count
    returning: Count
