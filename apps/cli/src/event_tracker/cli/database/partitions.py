"""The partitions of `events`: one a month, `events_YYYY_MM`, made ahead of time, and a default one for odd dates.

Whatever makes or drops one takes its locks in this order: `erasures`, `events`, the partition. Statements lock `events`
before its partitions too, so nobody waits in a circle. And it has `events` to itself while its list of partitions changes:

- A statement is planned with the partitions that there are, and takes its snapshot after its locks. If it could be planned,
  wait, and go on with a later snapshot, then what had moved meanwhile would be in no partition of its plan.
- A transaction with one snapshot (`repeatable read`) plans its later statements with the newest partitions, but doesn't see
  rows that were moved there after its snapshot. So whoever reads events in one locks `events` before its first statement:
  `lock table only events in access share mode`. (Erasures and the steps of `tracker maintain` have the lock of `erasures`.)
  The same holds on a standby: it replays the lock, waits for its readers as long as `max_standby_streaming_delay` says, and
  then ends their statement (SQLSTATE 40001).
- An INSERT that was routed to the default partition is refused if its month leaves while it waits.

The other way, to leave rows where they are and make partitions only for months without any, isn't one: history that is
imported, and a month whose partition was late by one event, would stay in the default partition for ever, which retention can
only empty row by row.
"""

import time
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple, Self, TypeVar

import click
import psycopg
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.database")

DEFAULT_PARTITION = "events_default"

AHEAD = 3
"""Months ahead that have a partition. One run a month would do; three give its failure time to be noticed."""

MANY_ROWS = 10_000
"""From here a month in the default partition gets its own. Fewer stay: or whoever sends odd dates could have a
partition made for each of the 120,000 months that there are."""

MOST_ROWS = 100_000
"""Moved in one run unasked: while rows leave the default partition, some 8 s for a million on a busy machine, nobody reads
or writes events. Whoever may send events of any date could otherwise have everybody wait for as long as they like."""

LOCK_TIMEOUT = "2s"
"""While one of these changes waits for a table, everything that comes after it waits behind it. It is longer than
PostgreSQL's `deadlock_timeout` (1 s), after which an autovacuum that is in the way is cancelled."""

ATTEMPTS = 10
PAUSE_SECONDS = 1

Answer = TypeVar("Answer")


class Month(NamedTuple):
    """A month, and the partition that holds it."""

    year: int
    month: int

    @property
    def partition(self) -> str:
        return f"events_{self.year:04}_{self.month:02}"

    @property
    def start(self) -> str:
        return f"{self.year:04}-{self.month:02}-01 00:00:00+00"

    @classmethod
    def of(cls, partition: str) -> Self:
        """The month that a partition holds."""
        _, year, month = partition.split("_")
        return cls(int(year), int(month))

    def days(self) -> list[datetime]:
        """The first moment of each of its days, UTC."""
        _, number = monthrange(self.year, self.month)
        return [datetime(self.year, self.month, day, tzinfo=UTC) for day in range(1, number + 1)]

    def plus(self, months: int) -> Self:
        years, month = divmod(self.month - 1 + months, 12)
        return self._replace(year=self.year + years, month=month + 1)


def missing_partitions(connection: psycopg.Connection, ahead: int) -> list[Month]:
    """This month and the next ones, as far as they have no partition and aren't among `busy_months`."""
    ((year, month),) = connection.execute(QUERIES["this_month"]).fetchall()
    there = {name for (name,) in connection.execute(QUERIES["partition_names"])}
    wanted = [Month(year, month).plus(distance) for distance in range(ahead + 1)]
    missing = [month for month in wanted if month.partition not in there]
    busy = {month for month, _ in busy_months(connection)} if missing else set()
    return [month for month in missing if month not in busy]


def ensure_partitions(connection: psycopg.Connection, ahead: int) -> list[str]:
    """Make the partitions of this month and the next `ahead`; return the names of those that were missing.

    A month that fills the default partition already is none of them: to move it takes time, see `plan_moves`.
    """
    missing = missing_partitions(connection, ahead)
    for month in missing:
        make_partition(connection, month)
    return [month.partition for month in missing]


def busy_months(connection: psycopg.Connection) -> list[tuple[Month, int]]:
    """The months of which the default partition holds many rows, and how many."""
    rows = connection.execute(QUERIES["busy_months"], {"many": MANY_ROWS})
    return [(Month(year, month), count) for year, month, count in rows]


class Moves(NamedTuple):
    """Months of which the default partition holds many rows, and how many: what is done about them.

    Attributes:
        now: those that this run moves.
        later: those that the next runs move; this one moves enough.
        asked: those that are moved only if somebody asks for it: for themselves they are too many.
    """

    now: list[tuple[Month, int]]
    later: list[tuple[Month, int]]
    asked: list[tuple[Month, int]]


def plan_moves(connection: psycopg.Connection, *, all_of_them: bool = False) -> Moves:
    """Which months a run moves: all of them, or as many as have MOST_ROWS together."""
    moves = Moves([], [], [])
    total = 0
    for month, rows in busy_months(connection):
        if all_of_them or total + rows <= MOST_ROWS:
            moves.now.append((month, rows))
            total += rows
        else:
            (moves.later if rows <= MOST_ROWS else moves.asked).append((month, rows))
    return moves


def make_partition(connection: psycopg.Connection, month: Month) -> int:
    """Make a month's partition and move there what the default partition holds of it; return how many rows that is.

    The rows are copied while others read and write. Those that came meanwhile are moved, and the others deleted from the
    default partition, while nobody does.
    """
    names = {"partition": sql.Identifier(month.partition)}
    bounds = {"start": sql.Literal(month.start), "end": sql.Literal(month.plus(1).start)}

    def execute(statement: LiteralString) -> int:
        return connection.execute(sql.SQL(statement).format(**names, **bounds)).rowcount

    with connection.transaction():
        lock_out_erasures(connection)
        execute("create table {partition} (like events including all)")
        execute(QUERIES["copy_rows"])
        lock_out_everybody(connection, DEFAULT_PARTITION)
        execute(QUERIES["copy_rows"])
        moved = execute(QUERIES["remove_copied_rows"])
        execute("alter table events attach partition {partition} for values from ({start}) to ({end})")
    return moved


def lock_out_erasures(connection: psycopg.Connection) -> None:
    """Until the end of this transaction; waits for one that is under way. Nobody else uses that lock.

    An erasure takes the same rows out of events, counts and summaries, so what moves, folds, sums up or deletes them mustn't
    be at it meanwhile. It is the first lock that each of them takes.
    """
    connection.execute("lock table erasures in exclusive mode")


def lock_out_everybody(connection: psycopg.Connection, partition: str) -> None:
    """From `events` and this partition of it, until the end of this transaction, which holds the lock of `erasures` already.

    It waits for whoever reads or writes; a moment at a time, since all others wait behind it.
    """
    both = sql.SQL("lock table only events, only {} in access exclusive mode").format(sql.Identifier(partition))

    def shut_out() -> None:
        with connection.transaction():
            connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute(both)

    retry_while_locked(shut_out)


def wait_for_inserts(connection: psycopg.Connection) -> None:
    """Until those that are under way have ended, and hold up new ones until the end of this transaction.

    A statement takes its snapshot after its locks: what comes next sees what this transaction wrote.
    """

    def wait() -> None:
        with connection.transaction():
            connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute("lock table only events in share mode")

    retry_while_locked(wait)


def retry_while_locked(change: Callable[[], Answer]) -> Answer:
    """Make a change that needs a table to itself; if others hold it, let them pass and try again."""
    for _ in range(ATTEMPTS):
        try:
            return change()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(PAUSE_SECONDS)
    raise click.ClickException("the tables of the database are too busy for this: try again later")
