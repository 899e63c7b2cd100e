"""A relay's place among the stored events: reads what comes next, and keeps how far it has come.

Its owner reads a batch, passes it on, and then saves the batch's end. So events are passed on at least once: whatever ends in between,
the same events are read again. The order is that of `received_at`, which one user's events have in the order of their receipt.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import psycopg
import structlog

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, fetch_within
from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.stored_event import StoredEvent, read_event

log = structlog.get_logger("model.relay")

QUERIES = load_queries("event_tracker.model.relaying", "relays.sql")
READ_EVENTS = QUERIES["read_events"].encode()

MIN_RANGE, FIRST_RANGE, MAX_RANGE = timedelta(milliseconds=1), timedelta(minutes=1), timedelta(hours=1)
"""Of the times that one statement reads: half as much if a batch is full, twice as much if it isn't."""

SAVE_AFTER = timedelta(seconds=10)
"""While nothing is stored, the position is kept this often: a kept one that is older costs a look at a few more pages."""

PROPERTIES = 0
"""The column whose bytes are bounded."""


class Place(NamedTuple):
    """Behind all events that were received before `received_at`, and behind one of those that were received just then.

    Attributes:
        user_id: of that event; empty if there is none.
    """

    received_at: datetime
    user_id: str = ""
    timestamp: datetime = datetime.min.replace(tzinfo=UTC)
    event_id: UUID = UUID(int=0)


class Batch(NamedTuple):
    """The next events, and the place behind them.

    Attributes:
        is_last: whether no more could be read at that moment.
    """

    events: list[StoredEvent]
    end: Place
    is_last: bool


class ErasedUser(NamedTuple):
    """A user whose events were erased or anonymised.

    Attributes:
        sources: of these sources only; None is all.
    """

    id: int
    user_id: str
    sources: list[str] | None


class Relay:
    """Reads the stored events for one relay.

    All but `take_turn` and `has_turn` raise psycopg.OperationalError if the session that has the turn is lost.

    Args:
        pool: of one connection that stays the same, in the role `relay`: the turn is its session's.
        name: of the relay, in `relays`.
        destination: where it writes to, as receipts of erasures name it.
        from_earliest: whether a relay that isn't known yet begins with the oldest event, or with those that are received from now on.
        wants_erasures: whether erasures are noted for it.
        max_events: of a batch.
        max_bytes: of the properties of a batch's events; a larger one is read alone.

    Attributes:
        mark: the last one that was read; None before.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        name: str,
        *,
        destination: str,
        from_earliest: bool,
        wants_erasures: bool,
        max_events: int,
        max_bytes: int,
    ) -> None:
        self.mark: Mark | None = None
        self._pool = pool
        self._name = name
        self._destination = destination
        self._from_earliest = from_earliest
        self._wants_erasures = wants_erasures
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._session: psycopg.Connection | None = None
        self._place: Place | None = None
        self._saved: datetime | None = None
        self._range = FIRST_RANGE

    def take_turn(self) -> bool:
        """Whether it is this process's turn: no other one has this relay. Call it before each batch, since a session may be lost.

        Raises:
            psycopg.Error: if the database is unavailable.
        """
        with self._pool.connection() as connection:
            if connection is self._session:
                return True
            self._session = self._place = self._saved = None
            ((is_ours,),) = connection.execute(QUERIES["take_turn"], {"relay": self._name}, binary=True).fetchall()
            if is_ours:
                self._place = Place(self._register(connection))
                self._session = connection
            return bool(is_ours)

    def has_turn(self) -> bool:
        """Whether it is still this process's turn, as the server answers now. False if it doesn't."""
        try:
            with self._session_of_turn() as connection:
                connection.execute("select")
        except UNAVAILABLE:
            return False
        return True

    def read_mark(self) -> Mark:
        """Up to where it may read now.

        Raises:
            psycopg.Error: if the database is unavailable.
        """
        with self._session_of_turn() as connection:
            (row,) = connection.execute(QUERIES["read_mark"], binary=True).fetchall()
        self.mark = Mark(*row)
        return self.mark

    def read(self, until: Mark | None = None) -> Batch:
        """The next events, in the order of their receipt: all of which nobody can still store one in between.

        Args:
            until: the mark up to which it reads; None: the one of now.

        Raises:
            psycopg.Error: if the database is unavailable, or cancels the statement.
        """
        place = self._place
        assert place is not None, "it must be its turn"
        until = until or self.read_mark()
        mark = until.mark
        if mark is None or mark <= place.received_at:
            return Batch([], self._follow_clock(place, until), is_last=True)
        before = min(mark, place.received_at + self._range)
        parameters = {**place._asdict(), "before": before, "most": self._max_events}
        try:
            rows, is_whole = fetch_within(
                self._pool, READ_EVENTS, parameters, most_bytes=self._max_bytes, sized=PROPERTIES
            )
        except psycopg.errors.QueryCanceled:
            self._range = max(MIN_RANGE, self._range / 2)
            raise
        with self._session_of_turn():
            pass  # `fetch_within` may have read in a new session, which hasn't got the turn
        is_full = not is_whole or len(rows) == self._max_events
        self._range = max(MIN_RANGE, self._range / 2) if is_full else min(MAX_RANGE, self._range * 2)
        events = [read_event(*row) for row in rows]
        end = _place_behind(events[-1]) if is_full else Place(before)
        return Batch(events, end, is_last=not is_full and before == mark)

    def save(self, batch: Batch) -> None:
        """Note that everything before the batch's end has been passed on.

        What is kept is a time, and no event's identity, which an erasure would have to find here. So after a restart the events that
        were received at just that time are passed on again.

        Raises:
            psycopg.Error: if the database is unavailable.
        """
        position = batch.end.received_at
        if batch.events or self._saved is None or abs(position - self._saved) >= SAVE_AFTER:
            parameters = {"relay": self._name, "position": position}
            with self._session_of_turn() as connection:
                saved = connection.execute(QUERIES["save_position"], parameters, binary=True).fetchall()
            if not saved:
                # Nobody notes erasures for it any more. The next turn registers it again.
                log.warning("was removed from relays: it begins as at its first start", relay=self._name)
                self._session = None
            self._saved = position
        self._place = batch.end

    def measure_lag(self) -> float:
        """How far the place is behind where it could be, in seconds, as of the last mark that was read."""
        if self.mark is None or self._place is None:
            return 0.0
        return max(0.0, (self.mark.latest - self._place.received_at).total_seconds())

    def read_erasures(self, most: int) -> list[ErasedUser]:
        """Erased users, whose erasures must be passed on before the next events.

        Call it when everything that was read before has been passed on, and before reading up to a mark that was read before this. Then
        what others have of these users was erased. Up to the mark all is committed, so it has no event that is newer than an
        erasure that isn't among these, and none that was erased.

        Args:
            most: how many users at most.

        Raises:
            psycopg.Error: if the database is unavailable, or the turn was lost.
        """
        with self._session_of_turn() as connection:
            parameters = {"relay": self._name, "most": most}
            rows = connection.execute(QUERIES["read_erasures"], parameters, binary=True).fetchall()
        return [ErasedUser(*row) for row in rows]

    def delete_erasures(self, erased: Sequence[ErasedUser]) -> None:
        """Forget users whose erasures have been passed on.

        Raises:
            psycopg.Error: if the database is unavailable, or the turn was lost.
        """
        with self._session_of_turn() as connection:
            parameters = {"relay": self._name, "ids": [one.id for one in erased]}
            connection.execute(QUERIES["delete_erasures"], parameters, binary=True)

    @contextmanager
    def _session_of_turn(self) -> Iterator[psycopg.Connection]:
        """The session that has the turn. Without it, another process may have the turn."""
        with self._pool.connection() as connection:
            if connection is not self._session:
                raise psycopg.OperationalError("the session that has the turn was lost")
            yield connection

    def _register(self, connection: psycopg.Connection) -> datetime:
        """The position that is kept; if there is none, that of the start, which is kept from now on."""
        known = connection.execute(QUERIES["load_position"], {"relay": self._name}, binary=True).fetchall()
        position = known[0][0] if known else None
        if position is None:
            # Without the lock below: it may take long.
            start = {"from_earliest": self._from_earliest}
            with connection.transaction():
                connection.execute(QUERIES["without_limit"])
                ((position,),) = connection.execute(QUERIES["find_start"], start, binary=True).fetchall()
        parameters = {
            "relay": self._name,
            "position": position,
            "erasures": self._wants_erasures,
            "place": self._destination,
        }
        with connection.transaction():
            connection.execute(QUERIES["shut_out_erasures"])
            ((position,),) = connection.execute(QUERIES["register"], parameters, binary=True).fetchall()
        log.info("goes on", relay=self._name, position=position.isoformat())
        return position  # type: ignore[no-any-return]

    def _follow_clock(self, place: Place, mark: Mark) -> Place:
        """The same place, unless the server's clock has been set back, or another server with another clock has become the primary.

        Then events are received at times that were read already. So what was received in between is passed on again.
        """
        if mark.latest >= place.received_at:
            return place
        log.warning("the server's clock went back", position=place.received_at.isoformat(), now=mark.latest.isoformat())
        return Place(mark.latest if mark.mark is None else mark.mark)


def _place_behind(event: StoredEvent) -> Place:
    row = event.row
    return Place(event.received_at, row.user_id, row.timestamp, UUID(bytes=row.event_id))
