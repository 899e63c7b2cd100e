"""Erasing a user: one transaction over everything that is stored of them, or nothing of it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from core.pool import ConnectionPool
from core.problems import Problem
from core.queries import load_queries
from query.access.people import QUERIES as ACCESS_QUERIES
from query.access.principal import Principal
from query.access.signing import Signer
from query.shared import Turns
from query.subjects.receipts import Receipt, write_receipt

QUERIES = load_queries("query.subjects")

LOCK_SECONDS = 20
"""How long an erasure waits for others: another one, or a step of `tracker maintain`."""

TRIES = 3
"""Locks are taken in an order that rules deadlocks out; if PostgreSQL finds one all the same, it is tried again."""

BUSY = "Another erasure, or the database's upkeep, is at it. Nothing was erased: ask again."
TOO_SLOW = "The database took longer than ERASE_SECONDS over one statement. Nothing was erased."


class Erasure(NamedTuple):
    """What was done, and the receipt for it.

    Attributes:
        counts: rows that were deleted or, of counters, lessened, by table.
    """

    id: UUID
    at: datetime
    mode: str
    counts: dict[str, int]
    receipt: Receipt


class Eraser:
    """Erases users, one at a time: the other connections of this pool are for whoever signs in."""

    def __init__(self, control: ConnectionPool[psycopg.Connection], signer: Signer, seconds: float) -> None:
        self._control = control
        self._signer = signer
        self._seconds = seconds
        self._turns = Turns(1)

    def erase(self, user_id: str, principal: Principal) -> Erasure:
        """Delete everything that is stored of a user, as far as the principal may see it; what isn't there counts 0.

        Raises:
            Problem: 503 if others are at it for too long, 504 if it takes too long.
            psycopg.Error: if the database is away. If the connection broke at the very end, it may have been done: to ask
                again is safe.
        """
        with self._turns.take(LOCK_SECONDS):
            return self._try(lambda connection: self._erase(connection, user_id, principal))

    def _try(self, work: Callable[[psycopg.Connection], Erasure]) -> Erasure:
        for attempt in range(1, TRIES + 1):
            try:
                with self._control.connection() as connection, connection.transaction():
                    return work(connection)
            except psycopg.errors.DeadlockDetected:
                if attempt == TRIES:
                    raise Problem(503, "busy", BUSY) from None
            except psycopg.errors.LockNotAvailable:
                raise Problem(503, "busy", BUSY) from None
            except psycopg.errors.QueryCanceled:
                raise Problem(504, "statement_timeout", TOO_SLOW) from None
        raise AssertionError("unreachable")

    def _erase(self, connection: psycopg.Connection, user_id: str, principal: Principal) -> Erasure:
        sources = None if principal.sources is None else sorted(principal.sources)
        at = self._begin(connection)
        gone = _Asking(connection, user_id=user_id, sources=sources)
        counters = gone.rows("erase_events")
        days = sorted({hour.replace(hour=0) for hour, *_ in counters})
        visits = len(gone.rows("erase_visits", days=None if sources is None else days))
        if sources is not None:
            gone.rows("sum_up_visits", days=days)
        counts = {"events": sum(events for _, _, _, events, _ in counters)}
        users = len(gone.rows("erase_user"))
        counts["event_counts"] = _lessen(gone, counters)
        counts["property_counts"] = counters[0][4] if counters else 0
        if sources is None:
            # Under a restriction these would tell whether there are events of other sources.
            counts |= {"visits": visits, "users": users}
        return self._sign(connection, "erase", at, user_id, principal, counts)

    def _begin(self, connection: psycopg.Connection) -> datetime:
        """Wait for the turn; the time of the transaction."""
        limits = {"statement_ms": str(int(self._seconds * 1000)), "lock_ms": str(LOCK_SECONDS * 1000)}
        at: datetime = connection.execute(QUERIES["begin"], limits, binary=True).fetchall()[0][4]
        connection.execute(QUERIES["take_turn"])
        return at

    def _sign(
        self,
        connection: psycopg.Connection,
        mode: str,
        at: datetime,
        user_id: str,
        principal: Principal,
        counts: dict[str, int],
    ) -> Erasure:
        """Write down that it was done, without saying to whom."""
        number = uuid4()
        receipt = write_receipt(self._signer, erasure_id=number, at=at, mode=mode, user_id=user_id, counts=counts)
        row = {"id": number, "at": at, "mode": mode, "counts": Jsonb(counts), "receipt": receipt.signed}
        connection.execute(QUERIES["write_erasure"], row, binary=True)
        sources = None if principal.sources is None else sorted(principal.sources)
        audit = {
            "actor": principal.name,
            "action": f"{mode}_user",
            "target": str(number),
            "source": None,
            "detail": Jsonb({"counts": counts, "sources": sources}),
        }
        connection.execute(ACCESS_QUERIES["write_audit"], audit, binary=True)
        return Erasure(number, at, mode, counts, receipt)


class _Asking:
    """Statements about one user, as far as some sources go."""

    def __init__(self, connection: psycopg.Connection, **parameters: Any) -> None:
        self._connection = connection
        self._parameters = parameters

    def rows(self, statement: str, **more: Any) -> list[Any]:
        return self._connection.execute(QUERIES[statement], {**self._parameters, **more}, binary=True).fetchall()


def _lessen(asking: _Asking, counters: Sequence[Any]) -> int:
    """Take the events out of their counters; how many counters that were."""
    if not counters:
        return 0
    hours, event_types, event_sources, counts, _ = (list(column) for column in zip(*counters, strict=True))
    ((lessened,),) = asking.rows(
        "lessen_counts", hours=hours, event_types=event_types, event_sources=event_sources, counts=counts
    )
    return int(lessened)
