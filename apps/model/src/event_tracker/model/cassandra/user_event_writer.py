"""Writes events to the table `user_events` in Cassandra, and deletes them there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import UNSET_VALUE

from event_tracker.model.cassandra.user_events import count_micros
from event_tracker.model.relaying.stored_event import StoredEvent

INSERT = """
insert into user_events (
  user_id, event_time, event_micros, event_id, event_type, session_id, source, properties, received_micros
) values (?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?
"""

FIND_NEWEST_WRITE = "select max(writetime(event_type)) as newest from user_events where user_id = ?"

FIND_WRITES = "select event_time, event_micros, event_id, source, writetime(event_type) as written from user_events where user_id = ?"

DELETE_USER = "delete from user_events using timestamp ? where user_id = ?"

DELETE_EVENT = """
delete from user_events using timestamp ? where user_id = ? and event_time = ? and event_micros = ? and event_id = ?
"""


class UserEventWriter:
    """Writes and deletes events.

    Of a write and a deletion of the same row, the one with the later time counts, whichever arrives last. So the caller gives each a time
    from PostgreSQL. A write that another relay began before a whole user was erased, and that arrives afterwards, stays deleted.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._insert, self._find_newest, self._find_writes, self._delete_user, self._delete_event = (
            session.prepare(one) for one in (INSERT, FIND_NEWEST_WRITE, FIND_WRITES, DELETE_USER, DELETE_EVENT)
        )

    def write(self, events: Sequence[StoredEvent], at: int) -> list[tuple[StoredEvent, Exception]]:
        """Write events, all at once. Writing one again changes nothing.

        Args:
            at: the time of the write, in microseconds.

        Returns:
            Those that Cassandra didn't acknowledge, and the error of each. They may be written all the same.
        """
        rows = [(*_make_row(event), at) for event in events]
        results = execute_concurrent_with_args(
            self._session, self._insert, rows, concurrency=max(1, len(rows)), raise_on_first_error=False
        )
        return [
            (event, result.result_or_exc) for event, result in zip(events, results, strict=True) if not result.success
        ]

    def delete_user(self, user_id: str, at: int) -> None:
        """Delete all events of a user that were written until `at`, and those that are seen although they were written later."""
        newest: int | None = at
        while newest is not None:
            self._session.execute(self._delete_user, (max(at, newest), user_id))
            newest = self._session.execute(self._find_newest, (user_id,)).one().newest

    def delete_events(self, user_id: str, sources: Sequence[str], at: int) -> None:
        """Delete a user's events of some sources, as far as they are seen now. An event that arrives later isn't deleted."""
        for row in self._session.execute(self._find_writes, (user_id,)):
            if row.source in sources:
                key = (user_id, row.event_micros // 1000, row.event_micros, row.event_id)
                self._session.execute(self._delete_event, (max(at, row.written), *key))


def _make_row(event: StoredEvent) -> tuple[Any, ...]:
    row = event.row
    micros = count_micros(row.timestamp)
    return (
        row.user_id,
        micros // 1000,
        micros,
        UUID(bytes=row.event_id),
        row.event_type,
        UNSET_VALUE if row.session_id is None else row.session_id,  # None would write a tombstone
        row.source,
        row.properties.decode(),
        count_micros(event.received_at),
    )
