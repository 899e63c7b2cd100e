"""One user's events from Cassandra. Needs the extra `cassandra`, and so it is imported only where it is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice, takewhile

import click
import msgspec
from cassandra.cluster import Session

from event_tracker.cli.ask.user_events import StoredEvent
from event_tracker.core.cassandra.connection import (
    ERRORS,
    CassandraRefusedError,
    CassandraUnreachableError,
    describe_error,
    open_session,
)
from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.model.cassandra.user_events import UserEvent, read_user


class CassandraEvents:
    """The events of one user, all of them or of some types and sources. They are selected here: the table is ordered by time only."""

    def __init__(self, session: Session, user_id: str, types: Sequence[str], sources: Sequence[str]) -> None:
        self._session = session
        self._user_id = user_id
        self._types = set(types)
        self._sources = set(sources)

    def newest(self, limit: int) -> Iterator[StoredEvent]:
        """Fetch up to `limit` events, newest first."""
        return islice(self._read(), limit)

    def since(self, start: datetime | None) -> list[StoredEvent]:
        """Fetch all events from a time on, or all events if it is None."""
        return list(takewhile(lambda event: start is None or event.timestamp >= start, self._read()))

    def _read(self) -> Iterator[StoredEvent]:
        for event in read_user(self._session, self._user_id):
            is_of_type = not self._types or event.event_type in self._types
            if is_of_type and (not self._sources or event.source in self._sources):
                yield _make_event(event)


@contextmanager
def open_events(
    settings: CassandraSettings, user_id: str, types: Sequence[str], sources: Sequence[str]
) -> Iterator[CassandraEvents]:
    """The events of one user, for a while.

    Raises:
        ClickException: with the cause, if Cassandra refuses or doesn't answer, also when they are read.
    """
    try:
        session = open_session(settings)
    except (CassandraRefusedError, CassandraUnreachableError) as error:
        raise click.ClickException(f"Cassandra: {error}") from None
    try:
        yield CassandraEvents(session, user_id, types, sources)
    except ERRORS as error:
        raise click.ClickException(f"Cassandra: {describe_error(error)}") from None
    finally:
        session.cluster.shutdown()


def _make_event(event: UserEvent) -> StoredEvent:
    """The event, with the JSON that the query service answers."""
    answered = {
        "user_id": event.user_id,
        "event_type": event.event_type,
        "timestamp": event.timestamp,
        "event_id": event.event_id,
        "session_id": event.session_id,
        "properties": msgspec.Raw(event.properties.encode()),
        "received_at": event.received_at,
        "source": event.source,
    }
    json = msgspec.json.encode(answered)
    return msgspec.structs.replace(msgspec.json.decode(json, type=StoredEvent), json=json)
