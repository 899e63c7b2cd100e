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

SUMMARY_STATEMENTS = ("erase_events", "anonymise_events")
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

    def execute(self, statement: str, **more: Any) -> list[Any]:
        """The rows of a statement of queries.sql."""
        given = {"user_id": self.user_id, "sources": self.sources, **more}
        return self._connection.execute(STATEMENTS[statement], given, binary=True).fetchall()


def erase(erasure: UserErasure) -> Counts:
    """Delete everything, and take it out of what was counted."""
    rejections = len(erasure.execute("erase_rejections"))
    gone = erasure.execute("erase_events")
    days = sorted({hour.replace(hour=0) for hour, *_ in gone})
    visits = _erase_visits(erasure, days, [erasure.user_id])
    users = _erase_user(erasure)
    counts = {
        "events": sum(events for *_, events, _ in gone),
        "rejections": rejections,
        "event_counts": _decrement_counts(erasure, gone),
        "property_counts": gone[0][-1] if gone else 0,
    }
    return counts | _unless_restricted(erasure, visits=visits, users=users)


def anonymise(erasure: UserErasure) -> Counts:
    """Make the events those of a user whom nobody knows, and take away what they say beyond what was done when.

    The new user's id is told to nobody.
    """
    new = {"new_user_id": f"anonymous-{uuid4()}", "secret": token_hex(32)}
    rejections = len(erasure.execute("erase_rejections"))
    changed = erasure.execute("anonymise_events", **new)
    days = [day for day, *_ in changed]
    if erasure.sources is None:
        visits = len(erasure.execute("anonymise_visits", **new))
    else:
        visits = _erase_visits(erasure, days, [erasure.user_id, new["new_user_id"]])
        erasure.execute("upsert_user", **new)
    users = _erase_user(erasure)
    counts = {
        "events": sum(events for _, events, _ in changed),
        "rejections": rejections,
        "property_counts": changed[0][-1] if changed else 0,
    }
    return counts | _unless_restricted(erasure, visits=visits, users=users)


def _erase_visits(erasure: UserErasure, days: list[datetime], users: list[str]) -> int:
    """Delete the user's visits; those of days that were touched only in part are made anew for these users."""
    erased = len(erasure.execute("erase_visits", days=None if erasure.sources is None else days))
    if erasure.sources is not None:
        for user in users:
            erasure.execute("sum_up_visits", days=days, of_user=user)
    return erased


def _erase_user(erasure: UserErasure) -> int:
    """Forget the user, unless an event of theirs is left; how many users are forgotten.

    Who isn't known yet stays as they are: whoever stores their first events makes them known by these.
    """
    return len(erasure.execute("erase_user")) if erasure.execute("lock_user") else 0


def _unless_restricted(erasure: UserErasure, **counts: int) -> Counts:
    """Counts of what doesn't belong to a source: under a restriction they would tell of events of other sources."""
    return counts if erasure.sources is None else {}


def _decrement_counts(erasure: UserErasure, gone: Sequence[Any]) -> int:
    """Take the events out of their counters; how many counters that were."""
    if not gone:
        return 0
    hours, event_types, event_sources, counts, _ = (list(column) for column in zip(*gone, strict=True))
    ((lessened,),) = erasure.execute(
        "decrement_counts", hours=hours, event_types=event_types, event_sources=event_sources, counts=counts
    )
    return int(lessened)


def _build_statement(name: str) -> bytes:
    return sql.SQL(QUERIES[name]).format(taken_out=sql.SQL(QUERIES["taken_out"])).as_bytes()


STATEMENTS: dict[str, Any] = {**QUERIES, **{name: _build_statement(name) for name in SUMMARY_STATEMENTS}}
