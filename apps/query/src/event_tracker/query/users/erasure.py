"""Erases or anonymises a user. Everything that is stored of them changes in one transaction."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from secrets import token_bytes
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

import msgspec
import psycopg
from msgspec import Meta
from psycopg.types.json import Jsonb

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool
from event_tracker.core.secrets.hmac import commit, make_salt
from event_tracker.query.answers import Time
from event_tracker.query.auth.principal import Principal, quota_holder_of
from event_tracker.query.auth.signing import ISSUER, Signer
from event_tracker.query.auth.staff import QUERIES as ACCESS_QUERIES
from event_tracker.query.concurrency import take_turn
from event_tracker.query.identity import Identity
from event_tracker.query.users.copies import Copies, find_copies, note_for_copies, shut_out_storers
from event_tracker.query.users.user_erasure import QUERIES, Counts, NewIdsError, UserErasure, anonymise, erase
from event_tracker.query.users.user_ids import find_ids

LOCK_SECONDS = 20
"""How long an erasure waits for a lock: another erasure, a step of `tracker maintain` or a batch may hold it."""

TRIES = 3
"""The lock order rules deadlocks out. If PostgreSQL finds one all the same, the erasure is tried again."""

BUSY = "Another erasure, a step of `tracker maintain` or a storer's batch is in progress. Nothing was done: send the request again."
TOO_SLOW = "The database took longer than ERASE_SECONDS over one statement. Nothing was done."


class Mode(NamedTuple):
    """A way to erase a user: its description, and the function that does it."""

    description: str
    run: Callable[[UserErasure], Counts]


MODES = {
    "erase": Mode("everything is deleted", erase),
    "anonymise": Mode(
        "events keep type, time and source, and become those of a user whom nobody knows; the rest is deleted",
        anonymise,
    ),
}


class Erasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A completed erasure, and its receipt."""

    erasure_id: UUID
    at: Time
    mode: Annotated[str, Meta(extra_json_schema={"enum": list(MODES)})]
    counts: Annotated[Counts, Meta(description="Rows that are gone or, of counters, lessened, by table.")]
    receipt: Annotated[
        str,
        Meta(
            description="JWS over the counts, the time and a commitment to the user's id; see /.well-known/jwks.json."
        ),
    ]
    salt: Annotated[
        str,
        Meta(description="Ties the receipt to the user's id. It is stored nowhere: keep it with the receipt."),
    ]
    copies: Annotated[
        list[Copies], Meta(description="Where else there may be events of the user; the receipt says so, too.")
    ]


class Eraser:
    """Erases users, one at a time. The other connections of the pool are for sign-ins."""

    def __init__(
        self, control: ConnectionPool[psycopg.Connection], signer: Signer, seconds: float, topic_archive_days: int = 0
    ) -> None:
        self._control = control
        self._signer = signer
        self._seconds = seconds
        self._topic_archive_days = topic_archive_days
        self._concurrency_limit = ConcurrencyLimit()

    def run(self, mode: str, user_id: str, identity: Identity, principal: Principal) -> Erasure:
        """Erase or anonymise everything that is stored of a person, or of one id, and that the principal may see.

        If nothing is stored, all counts are 0.

        Raises:
            Problem: 503 if another erasure or the upkeep holds the locks too long, 504 if a statement takes too long, 429 if the
                principal has too many waiting, 422 if the person has too many ids.
            psycopg.Error: if the database is unavailable. If the connection broke during the commit, the erasure may have been
                done. Repeating it is safe.
        """

        sources = None if principal.sources is None else sorted(principal.sources)

        def work(connection: psycopg.Connection) -> Erasure:
            with connection.transaction():
                user_ids = find_ids(connection, user_id, identity, sources)
                self._announce(connection, user_ids, sources)
            with connection.transaction():
                return change(connection, user_ids)

        def change(connection: psycopg.Connection, user_ids: list[str]) -> Erasure:
            at = self._begin(connection)
            connection.execute(QUERIES["take_turn"])
            shut_out_storers(connection)
            find = partial(find_ids, connection, user_id, identity, sources)
            try:
                with connection.transaction():  # a savepoint
                    counts = MODES[mode].run(UserErasure(connection, user_ids, sources, find))
            except NewIdsError:
                # Nothing is locked by now, so whoever waits for events that were deleted goes on, and ends before links are locked.
                connection.execute(QUERIES["shut_out_links"])
                user_ids = self._announce_others(user_ids, find(), sources)
                counts = MODES[mode].run(UserErasure(connection, user_ids, sources, None))
            note_for_copies(connection, user_ids, sources)
            linked = [one for one in user_ids if one != user_id]
            return self._record(connection, mode, at, user_id, linked, principal, counts)

        with take_turn(self._concurrency_limit, quota_holder_of(principal), LOCK_SECONDS):
            return self._try(work)

    def _try(self, work: Callable[[psycopg.Connection], Erasure]) -> Erasure:
        for attempt in range(1, TRIES + 1):
            try:
                with self._control.connection() as connection:
                    return work(connection)
            except psycopg.errors.DeadlockDetected:
                if attempt == TRIES:
                    raise Problem(503, "busy", BUSY) from None
            except psycopg.errors.LockNotAvailable:
                raise Problem(503, "busy", BUSY) from None
            except psycopg.errors.QueryCanceled:
                raise Problem(504, "statement_timeout", TOO_SLOW) from None
        raise AssertionError("unreachable")

    def _begin(self, connection: psycopg.Connection) -> datetime:
        """Set the timeouts of the transaction. Returns its time."""
        limits = {"statement_ms": str(int(self._seconds * 1000)), "lock_ms": str(LOCK_SECONDS * 1000)}
        at: datetime = connection.execute(QUERIES["begin"], limits, binary=True).fetchall()[0][4]
        return at

    def _announce(self, connection: psycopg.Connection, user_ids: list[str], sources: list[str] | None) -> None:
        """Tell collectors not to write refused events of these ids that they still hold in memory.

        This is committed before the erasure begins, so that its lock is held for a moment, not for the minutes that an erasure
        may take. If the erasure then fails, refused events of about a second are lost. They are stored on a best-effort basis.
        """
        self._begin(connection)
        connection.execute(QUERIES["announce_turn"])
        row = {"salt": token_bytes(16), "user_ids": user_ids, "sources": sources}
        connection.execute(QUERIES["announce"], row, binary=True)

    def _announce_others(self, announced: list[str], found: list[str], sources: list[str] | None) -> list[str]:
        """Announce the ids of a person that weren't announced yet, on another connection. Returns all ids."""
        others = sorted(set(found) - set(announced))
        with self._control.connection() as connection, connection.transaction():
            self._announce(connection, others, sources)
        return [*announced, *others]

    def _record(
        self,
        connection: psycopg.Connection,
        mode: str,
        at: datetime,
        user_id: str,
        linked: list[str],
        principal: Principal,
        counts: Counts,
    ) -> Erasure:
        """Record the erasure and sign its receipt.

        Neither names the user. The receipt has a commitment to each of their ids, and its salt is stored nowhere: so the receipt alone
        doesn't reveal them, not even by guessing.
        """
        number = uuid4()
        salt = make_salt()
        copies = find_copies(connection, at, self._topic_archive_days)
        claims = {
            "iss": ISSUER,
            "jti": str(number),
            "iat": int(at.timestamp()),
            "mode": mode,
            "counts": counts,
            "copies": copies,
            "user_hmac_sha256": commit(salt, user_id),
            "linked_hmac_sha256": sorted(commit(salt, one) for one in linked),
        }
        receipt = self._signer.sign(msgspec.json.encode(claims))
        row = {"id": number, "at": at, "mode": mode, "counts": Jsonb(counts), "receipt": receipt}
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
        return Erasure(number, at, mode, counts, receipt, salt, copies)
