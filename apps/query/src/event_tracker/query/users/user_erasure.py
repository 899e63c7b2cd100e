"""What is done to a user's rows, step by step, within one transaction; `queries.sql` says why in this order."""

from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.query.users")

TAKING_OUT = ("erase_events", "anonymise_events")
"""Statements that take properties out of the summaries."""

Counts = dict[str, int]
"""Rows that are gone or were changed, by table."""


class UserErasure:
    """Statements about one user.

    Attributes:
        sources: as far as their events go; None is all.
    """

    def __init__(self, connection: psycopg.Connection, user_id: str, sources: list[str] | None) -> None:
        self.user_id, self.sources = user_id, sources
        self._connection = connection

    def rows(self, statement: str, **more: Any) -> list[Any]:
        """The rows of a statement of queries.sql."""
        given = {"user_id": self.user_id, "sources": self.sources, **more}
        return self._connection.execute(STATEMENTS[statement], given, binary=True).fetchall()


def erase(steps: UserErasure) -> Counts:
    """Delete everything, and take it out of what was counted."""
    rejections = len(steps.rows("erase_rejections"))
    gone = steps.rows("erase_events")
    days = sorted({hour.replace(hour=0) for hour, *_ in gone})
    visits = _erase_visits(steps, days, [steps.user_id])
    users = _erase_user(steps)
    counts = {
        "events": sum(events for *_, events, _ in gone),
        "rejections": rejections,
        "event_counts": _lessen(steps, gone),
        "property_counts": gone[0][-1] if gone else 0,
    }
    return counts | _of_everywhere(steps, visits=visits, users=users)


def anonymise(steps: UserErasure) -> Counts:
    """Make the events those of a user whom nobody knows, and take away what they say beyond what was done when.

    The new user's id is told to nobody.
    """
    new = {"new_user_id": f"anonymous-{uuid4()}", "secret": token_hex(32)}
    rejections = len(steps.rows("erase_rejections"))
    changed = steps.rows("anonymise_events", **new)
    days = [day for day, *_ in changed]
    if steps.sources is None:
        visits = len(steps.rows("anonymise_visits", **new))
    else:
        visits = _erase_visits(steps, days, [steps.user_id, new["new_user_id"]])
        steps.rows("upsert_user", **new)
    users = _erase_user(steps)
    counts = {
        "events": sum(events for _, events, _ in changed),
        "rejections": rejections,
        "property_counts": changed[0][-1] if changed else 0,
    }
    return counts | _of_everywhere(steps, visits=visits, users=users)


def _erase_visits(steps: UserErasure, days: list[datetime], users: list[str]) -> int:
    """Delete the user's visits; those of days that were touched only in part are made anew for these users."""
    erased = len(steps.rows("erase_visits", days=None if steps.sources is None else days))
    if steps.sources is not None:
        for user in users:
            steps.rows("sum_up_visits", days=days, of_user=user)
    return erased


def _erase_user(steps: UserErasure) -> int:
    """Forget the user, unless an event of theirs is left; how many users are forgotten.

    Who isn't known yet stays as they are: whoever stores their first events makes them known by these.
    """
    return len(steps.rows("erase_user")) if steps.rows("lock_user") else 0


def _of_everywhere(steps: UserErasure, **counts: int) -> Counts:
    """Counts of what doesn't belong to a source: under a restriction they would tell of events of other sources."""
    return counts if steps.sources is None else {}


def _lessen(steps: UserErasure, gone: Sequence[Any]) -> int:
    """Take the events out of their counters; how many counters that were."""
    if not gone:
        return 0
    hours, event_types, event_sources, counts, _ = (list(column) for column in zip(*gone, strict=True))
    ((lessened,),) = steps.rows(
        "decrement_counts", hours=hours, event_types=event_types, event_sources=event_sources, counts=counts
    )
    return int(lessened)


def _composed(name: str) -> bytes:
    return sql.SQL(QUERIES[name]).format(taken_out=sql.SQL(QUERIES["taken_out"])).as_bytes()


STATEMENTS: dict[str, Any] = {**QUERIES, **{name: _composed(name) for name in TAKING_OUT}}
