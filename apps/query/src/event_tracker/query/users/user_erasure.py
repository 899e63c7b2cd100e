"""The steps of an erasure, within one transaction. `queries.sql` explains their order."""

from collections import Counter
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any
from uuid import uuid4

import psycopg

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.query.users") | load_queries("event_tracker.query.users", "links.sql")

Counts = dict[str, int]
"""Table → number of rows deleted or changed."""


class NewIdsError(Exception):
    """Ids were linked to the person after `user_ids` were found. What was erased of the others is to be rolled back."""


class UserErasure:
    """The erasure of one user: runs its statements.

    Args:
        user_ids: all ids of the person.
        sources: only events of these sources are erased; None is all.
        find_ids: finds all ids of the person again. None if no more can be linked.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        user_ids: list[str],
        sources: list[str] | None,
        find_ids: Callable[[], list[str]] | None,
    ) -> None:
        self.user_ids, self.sources = user_ids, sources
        self._connection = connection
        self._find_ids = find_ids

    def execute(self, statement: str, **more: Any) -> list[Any]:
        """Run a statement of queries.sql and return its rows."""
        given = {"user_ids": self.user_ids, "sources": self.sources, **more}
        return self._connection.execute(QUERIES[statement], given, binary=True).fetchall()

    def require_all_ids(self) -> None:
        """Make sure that `user_ids` are all ids that were linked to the person before their events were deleted.

        Raises:
            NewIdsError: if there are more.
        """
        if self._find_ids is not None and not set(self._find_ids()) <= set(self.user_ids):
            raise NewIdsError


def erase(erasure: UserErasure) -> Counts:
    """Delete everything, and correct the counters.

    Raises:
        NewIdsError: if other ids were linked to the person meanwhile.
    """
    rejections = len(erasure.execute("erase_rejections"))
    gone = erasure.execute("erase_events")
    erasure.require_all_ids()
    links = _erase_links(erasure)
    users = _erase_users(erasure)
    counts = {
        "events": sum(events for *_, events in gone),
        "rejections": rejections,
        "links": links,
        "event_counts": _decrement_counts(erasure, gone),
    }
    return counts | _unless_restricted(erasure, users=users)


def anonymise(erasure: UserErasure) -> Counts:
    """Assign the events to new, unknown users, one for each id, and remove everything from them but type, time and source.

    The new users are linked as the ids were. Their ids aren't returned or logged.

    Raises:
        NewIdsError: if other ids were linked to the person meanwhile.
    """
    new_user_ids = [_make_user_id() for _ in erasure.user_ids]
    new = {"new_user_ids": new_user_ids, "secret": token_hex(32)}
    rejections = len(erasure.execute("erase_rejections"))
    ((events,),) = erasure.execute("anonymise_events", **new)
    erasure.require_all_ids()
    links = _erase_links(erasure, new_user_ids)
    if erasure.sources is not None:
        erasure.execute("upsert_users", **new)
    users = _erase_users(erasure)
    counts = {"events": events, "rejections": rejections, "links": links}
    return counts | _unless_restricted(erasure, users=users)


def _make_user_id() -> str:
    return f"anonymous-{uuid4()}"


def _erase_links(erasure: UserErasure, new_user_ids: list[str] | None = None) -> int:
    """Delete all links from and to the ids, but for those of events that stay. Returns the number of deleted links."""
    erasure.execute("lock_links")
    if new_user_ids:
        erasure.execute("anonymise_links", new_user_ids=new_user_ids)
    erased = len(erasure.execute("erase_links"))
    erasure.execute("relink")
    return erased


def _erase_users(erasure: UserErasure) -> int:
    """Delete the users' rows, unless events of theirs are left. Returns the number of deleted users.

    A user without a row stays as they are: the collector that stores their first events adds it.
    """
    known = [user_id for (user_id,) in erasure.execute("lock_users")]
    return len(erasure.execute("erase_users", user_ids=known)) if known else 0


def _unless_restricted(erasure: UserErasure, **counts: int) -> Counts:
    """Counts of rows that belong to no source. They are omitted under a restriction: they would reveal events of other sources."""
    return counts if erasure.sources is None else {}


def _decrement_counts(erasure: UserErasure, gone: Sequence[Any]) -> int:
    """Decrement the counters of deleted events. Returns the number of changed counters."""
    if not gone:
        return 0
    total: Counter[tuple[Any, ...]] = Counter()
    for *counter, events in gone:
        total[tuple(counter)] += events
    hours, event_types, event_sources = (list(column) for column in zip(*total, strict=True))
    counts = list(total.values())
    ((lessened,),) = erasure.execute(
        "decrement_counts", hours=hours, event_types=event_types, event_sources=event_sources, counts=counts
    )
    return int(lessened)
