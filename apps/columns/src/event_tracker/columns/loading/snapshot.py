"""One snapshot of PostgreSQL: where the events of a selection are in it, in valid blocks or in rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from psycopg_pool import ConnectionPool

from event_tracker.columns.layout import LAYOUT
from event_tracker.columns.loading.archived.archived_days import ArchivedDays, read_archived_days
from event_tracker.columns.loading.conditions import Range
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.spans import Sample, Span, take_sample
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import attempt
from event_tracker.core.postgres.replication import read_as_of

QUERIES = load_queries("event_tracker.columns.loading", "snapshot.sql")
VALID_BLOCKS = load_queries("event_tracker.columns", "validity.sql")["valid_blocks"]

EARLIEST = "0001-01-01 00:00:00+00"
"""Before any event."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The events that a question is about: those in [start, end), of these sources (None is all).

    Attributes:
        first_seen: the question also reads the relation `first_seen`, of those first seen in this range, which ends at `end` or before.
        wider: a range around this one, for a question that also reads the relation `all_events`.
        linked: whether users are persons, with all ids that links lead to them; otherwise they are ids.
        maps_users: of a linked selection, whether the statement leads ids to persons itself, by the relation `persons` (alias, person):
            `events` has the ids that events were sent with.
        sample: None is all events. Otherwise the question reads no more than that of them, and the relation `own_names`, too.
    """

    start: datetime
    end: datetime
    sources: Sequence[str] | None
    first_seen: Range | None = None
    wider: Range | None = None
    linked: bool = False
    maps_users: bool = False
    sample: Sample | None = None

    @property
    def needs_history(self) -> bool:
        """Whether first seen is by some sources: then it is the earliest of all their events."""
        return self.first_seen is not None and self.sources is not None


Epochs = tuple[int, int | None]
"""How often events, and users, were deleted or changed."""


class History(NamedTuple):
    """What tells whether the users first seen by all sources may have changed: while it is the same, so are they.

    Attributes:
        today: when the day of the snapshot began.
        past_events: the number of all events before today: while it and `epochs` are the same, so are the users first seen before today.
        events: the number of all events before the range's end.
        epochs: how often events, and users, were deleted or changed.
    """

    today: datetime
    past_events: int
    events: int
    epochs: Epochs


class Snapshot(NamedTuple):
    """What a snapshot says of a selection.

    Attributes:
        as_of: everything that was committed by then is in it.
        server: names this state of the server's files: spans read from another aren't comparable.
        oldest: the oldest transaction that may have been running.
        spans: in the order of source and start; with `Selection.needs_history`, of all time before the range, too.
        left_out: those that aren't in the selection's sample.
        history: of the users first seen by all sources; None if the question isn't about them.
        archived: of events that only the lake has; None if the engine has no lake.
    """

    as_of: datetime
    server: str
    oldest: int
    spans: list[Span]
    left_out: list[Span]
    history: History | None = None
    archived: ArchivedDays | None = None

    def fingerprint_with(self, links: str) -> bytes:
        """Of all that a question reads, with the links of this fingerprint: what has the same has the same events in the selection. A
        block that is built changes it, too, though no event has changed."""
        spans = (*self.spans, *self.left_out)
        read = [(span.source, span.start, span.end, span.events, span.epoch) for span in spans]
        history = self.history and (self.history.events, self.history.epochs)
        archived = [self.archived] if self.archived and self.archived.days else []
        said = (self.server, read, history, links, *archived)
        return blake2b(msgspec.json.encode(said), digest_size=16).digest()


def in_snapshot(
    pool: ConnectionPool[psycopg.Connection],
    selection: Selection,
    deadline: Deadline,
    work: Callable[[psycopg.Connection, Snapshot], Answer],
    *,
    reads_lake: bool = False,
) -> Answer:
    """Take a snapshot and call `work` with it, while it can still be read from the connection.

    Args:
        reads_lake: whether the snapshot says what only the lake has.

    Raises:
        Problem: 504 after the deadline.
    """

    def begin(connection: psycopg.Connection) -> Answer:
        deadline.check()
        # Before the snapshot: a standby goes on replaying meanwhile.
        as_of = read_as_of(connection)
        with connection.transaction():
            connection.execute(QUERIES["begin"], prepare=False)
            server, oldest = read_server(connection, deadline)
            spans, left_out = take_sample(_read_spans(connection, selection), selection.sample)
            history = _read_history(connection, selection, as_of)
            # A sample is of the newest events.
            archived = _read_archived(connection, selection) if reads_lake and selection.sample is None else None
            return work(connection, Snapshot(as_of, server, oldest, spans, left_out, history, archived))

    try:
        return attempt(pool, begin)
    except psycopg.errors.QueryCanceled:
        raise deadline.problem() from None


def read_server(connection: psycopg.Connection, deadline: Deadline) -> tuple[str, int]:
    """`server` and `oldest` of the snapshot of a connection. Its statements may take until the deadline."""
    given = {"milliseconds": max(1, int(deadline.remaining * 1000))}
    ((server, oldest, _),) = connection.execute(QUERIES["server"], given, binary=True).fetchall()
    return server, int(oldest)


def _read_spans(connection: psycopg.Connection, selection: Selection) -> list[Span]:
    given = {**_given(selection), "layout": LAYOUT}
    return [
        Span(*row)._replace(keys=tuple(row[4] or ()))
        for row in connection.execute(VALID_BLOCKS, given, binary=True).fetchall()
    ]


def _read_archived(connection: psycopg.Connection, selection: Selection) -> ArchivedDays:
    return read_archived_days(connection, _given(selection), selection.start, selection.end)


def _given(selection: Selection) -> dict[str, Any]:
    """The range and the sources that are read."""
    start, end = selection.wider or (selection.start, selection.end)
    return {
        "start": EARLIEST if selection.needs_history else start,
        "end": end,
        "sources": None if selection.sources is None else list(selection.sources),
    }


def read_history_epochs(connection: psycopg.Connection) -> Epochs:
    ((of_events, of_users),) = connection.execute(QUERIES["history_epochs"], binary=True).fetchall()
    return of_events, of_users


def day_of(moment: datetime) -> datetime:
    """When the day began, in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _read_history(connection: psycopg.Connection, selection: Selection, as_of: datetime) -> History | None:
    if selection.first_seen is None or selection.sources is not None:
        return None  # with some sources, the spans are of all time
    today = day_of(as_of)
    given = {"today": today, "end": selection.first_seen[1]}
    ((past_events, events),) = connection.execute(QUERIES["history"], given, binary=True).fetchall()
    return History(today, past_events, events, read_history_epochs(connection))
