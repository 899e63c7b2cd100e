"""The table `user_events` in Cassandra: all events of a user in one partition, newest first (docs/cassandra.md)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from cassandra.cluster import Session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

PAGE = 1000
"""Rows that are read at once."""

CREATE = """
create table if not exists user_events (
  user_id         text,
  event_time      timestamp,
  event_micros    bigint,
  event_id        uuid,
  event_type      text,
  session_id      text,
  source          text,
  properties      text,
  received_micros bigint,
  primary key ((user_id), event_time, event_micros, event_id)
) with clustering order by (event_time desc, event_micros desc, event_id desc)
  and comment = 'Events of Event Tracker, written by its relay. Times in micros are microseconds since 1970, UTC; properties is JSON.'
"""
"""Cassandra's times have milliseconds: with `event_micros` the key is an event's identity, and the order that of the times."""

FIND = "select table_name from system_schema.tables where keyspace_name = %s and table_name = 'user_events'"

SELECT = """
select event_micros, event_id, event_type, session_id, source, properties, received_micros from user_events where user_id = ?
"""


class UserEvent(NamedTuple):
    """An event as it is in the table. `properties` is their JSON."""

    user_id: str
    timestamp: datetime
    event_id: UUID
    event_type: str
    session_id: str | None
    source: str
    properties: str
    received_at: datetime


def make_table(session: Session) -> None:
    """Make the table in the session's keyspace, unless it is there.

    Raises:
        cassandra's errors: as `event_tracker.core.cassandra.connection.ERRORS` says; so do all of this module.
    """
    # Not only `if not exists`: that needs the right to create, which is needed once only.
    if session.execute(FIND, [session.keyspace]).one() is None:
        session.execute(CREATE)


def read_user(session: Session, user_id: str) -> Iterator[UserEvent]:
    """The events of a user, in the order of the query service: newest first, and those of the same time in the order of arrival."""
    select = session.prepare(SELECT)
    select.fetch_size = PAGE
    rows = session.execute(select, (user_id,))
    # The table orders those of the same time by id.
    for _, same_time in groupby(rows, key=lambda row: row.event_micros):
        for row in sorted(same_time, key=lambda row: (row.received_micros, row.event_id.bytes), reverse=True):
            yield UserEvent(
                user_id,
                _read_micros(row.event_micros),
                row.event_id,
                row.event_type,
                row.session_id,
                row.source,
                row.properties,
                _read_micros(row.received_micros),
            )


def count_micros(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - EPOCH) // MICROSECOND


def _read_micros(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND
