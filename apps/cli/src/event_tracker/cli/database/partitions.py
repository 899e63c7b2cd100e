"""The partitions of `events`: one for each month, `events_YYYY_MM`, made in advance, and a default one for all other dates.

Code that makes or drops a partition takes its locks in this order: `erasures`, `events`, the partition. Statements lock
`events` before its partitions too, so there is no deadlock. The code locks `events` exclusively while the list of partitions
changes, for these reasons:

- A statement is planned with the current partitions, and takes its snapshot after its locks. If it could be planned, wait,
  and go on with a later snapshot, it would miss rows that were moved meanwhile to a partition which isn't in its plan.
- A transaction with one snapshot (`repeatable read`) plans its later statements with the newest partitions, but doesn't see
  rows that were moved there after its snapshot. So a transaction that reads events this way locks `events` before its first
  statement: `lock table only events in access share mode`. (Erasures and the steps of `tracker maintain` have the lock of
  `erasures`.) The same holds on a standby: it replays the lock, waits for its readers as long as
  `max_standby_streaming_delay` says, and then ends their statement (SQLSTATE 40001).
- An INSERT that was routed to the default partition fails if the rows of its month are moved while it waits.

The alternative is to leave rows where they are, and make partitions only for months without rows. But then imported history,
and a month whose partition was made one event too late, would stay in the default partition for ever. Retention can empty
that only row by row.
"""

import time
from collections.abc import Callable
from typing import LiteralString, NamedTuple, Self, TypeVar

import click
import psycopg
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.database", "partitions.sql")

DEFAULT_PARTITION = "events_default"

AHEAD = 3
"""Months in advance that get a partition. One would be enough; three leave time to notice that the runs fail."""

MANY_ROWS = 10_000
"""From this many rows on, a month in the default partition gets a partition of its own. Otherwise a client that sends
unusual dates could cause a partition for each of the 120,000 possible months."""

MAX_ROWS = 100_000
"""Rows that a run moves without `--move`. While rows leave the default partition, nobody can read or write events: some 8 s
for a million rows on a busy machine. Without this limit, a client that sends many events of one old month could make
everybody wait for long."""

LOCK_TIMEOUT = "2s"
"""How long such a change waits for a table: all later statements wait behind it. It is longer than PostgreSQL's
`deadlock_timeout` (1 s), after which an autovacuum that holds the lock is cancelled."""

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

    def plus(self, months: int) -> Self:
        years, month = divmod(self.month - 1 + months, 12)
        return self._replace(year=self.year + years, month=month + 1)


def missing_partitions(connection: psycopg.Connection, ahead: int) -> list[Month]:
    """This month and the next `ahead` ones, without those that have a partition or are among `busy_months`."""
    ((year, month),) = connection.execute(QUERIES["this_month"]).fetchall()
    there = {name for (name,) in connection.execute(QUERIES["partition_names"])}
    wanted = [Month(year, month).plus(distance) for distance in range(ahead + 1)]
    missing = [month for month in wanted if month.partition not in there]
    busy = {month for month, _ in busy_months(connection)} if missing else set()
    return [month for month in missing if month not in busy]


def ensure_partitions(connection: psycopg.Connection, ahead: int) -> list[str]:
    """Make the missing partitions of this month and the next `ahead`. Return their names.

    A month with many rows in the default partition is left out: to move them takes time, see `plan_moves`.
    """
    missing = missing_partitions(connection, ahead)
    for month in missing:
        make_partition(connection, month)
    return [month.partition for month in missing]


def busy_months(connection: psycopg.Connection) -> list[tuple[Month, int]]:
    """The months with many rows in the default partition, and how many rows each has there."""
    rows = connection.execute(QUERIES["busy_months"], {"many": MANY_ROWS})
    return [(Month(year, month), count) for year, month, count in rows]


class Moves(NamedTuple):
    """The months with many rows in the default partition, each with its number of rows, by when they are moved.

    Attributes:
        now: this run moves them.
        later: the next runs move them; this one moves enough already.
        refused: they are moved only with `--move`: each has too many rows.
    """

    now: list[tuple[Month, int]]
    later: list[tuple[Month, int]]
    refused: list[tuple[Month, int]]


def plan_moves(connection: psycopg.Connection, *, all_of_them: bool = False) -> Moves:
    """Decide which months a run moves: all of them, or as many as have MAX_ROWS together."""
    moves = Moves([], [], [])
    total = 0
    for month, rows in busy_months(connection):
        if all_of_them or total + rows <= MAX_ROWS:
            moves.now.append((month, rows))
            total += rows
        else:
            (moves.later if rows <= MAX_ROWS else moves.refused).append((month, rows))
    return moves


def make_partition(connection: psycopg.Connection, month: Month) -> int:
    """Make a month's partition and move the month's rows from the default partition there. Return their number.

    Most rows are copied while others read and write. Then, under an exclusive lock, the rows that arrived meanwhile are copied,
    and all of them are deleted from the default partition.
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
    """Let no erasure run until the end of this transaction. Wait for one that is under way.

    An erasure deletes the same rows from events, counts and blocks. So code that moves, folds, builds or deletes them must not
    run at the same time. Each takes this lock first, and nothing else uses it.
    """
    connection.execute("lock table erasures in exclusive mode")


def lock_out_everybody(connection: psycopg.Connection, partition: str) -> None:
    """Lock `events` and this partition exclusively until the end of this transaction, which has the lock of `erasures`.

    Wait for current readers and writers, but only briefly at a time, since all later statements wait behind this one.
    """
    both = sql.SQL("lock table only events, only {} in access exclusive mode").format(sql.Identifier(partition))

    def shut_out() -> None:
        with connection.transaction():
            connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute(both)

    retry_while_locked(shut_out)


def wait_for_inserts(connection: psycopg.Connection) -> None:
    """Wait for inserts that are under way, and make new ones wait until the end of this transaction.

    A statement takes its snapshot after its locks, so the new ones see what this transaction wrote.
    """

    def wait() -> None:
        with connection.transaction():
            connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute("lock table only events in share mode")

    retry_while_locked(wait)


def retry_while_locked(change: Callable[[], Answer]) -> Answer:
    """Make a change that needs an exclusive lock on a table. If others hold locks on it, let them go first and try again.

    Raises:
        ClickException: after ATTEMPTS attempts.
    """
    for _ in range(ATTEMPTS):
        try:
            return change()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(PAUSE_SECONDS)
    raise click.ClickException("the tables of the database are too busy for this: try again later")
