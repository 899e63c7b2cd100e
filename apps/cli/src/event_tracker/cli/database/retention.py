"""Deleting events by age: whole partitions, or rows of them, who did them, and what their days were summed up to. Counts stay.

Each source may have a time of its own (`sources.keep`, in days); the others have that of `tracker maintain --keep`. A monthly
partition is dropped if everything in it is too old; otherwise the rows that are go, a day at a time.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.cli.database.partitions import (
    DEFAULT_PARTITION,
    QUERIES,
    Month,
    lock_out_erasures,
    lock_out_everybody,
)
from event_tracker.cli.database.retention_marks import set_marks
from event_tracker.cli.database.summaries import DAY

BATCH_ROWS = 50_000
"""Rows deleted in one transaction: erasures wait no longer than that takes."""

BATCH_DAYS = 100
"""Days of which rows are deleted in one transaction: each loses its summary in it."""

BATCH_USERS = 10_000
"""Users corrected in one transaction: collectors that store an event of one of them wait no longer than that takes."""

ROUNDS = 10
"""How often users are looked for again of whom an event was being stored."""

PAUSE_SECONDS = 0.1
"""Between these."""


class Limits(NamedTuple):
    """What is older than these is too old: times as PostgreSQL writes them.

    Attributes:
        own: those of sources that have one of their own.
        others: that of all others; None keeps them.
        others_monthly: the first of its month.
    """

    own: dict[str, str]
    others: str | None
    others_monthly: str | None

    def __str__(self) -> str:
        said = [f"events before {self.others}"] if self.others else []
        return ", ".join(said + [f"events of {source} before {limit}" for source, limit in self.own.items()])

    def parameters(self, *, monthly: bool) -> dict[str, Any]:
        """For the statements. Of a monthly partition, sources without a limit of their own lose whole months."""
        others = self.others_monthly if monthly else self.others
        return {"own_sources": list(self.own), "own_limits": list(self.own.values()), "others": others}


class Part(NamedTuple):
    """What one partition holds that is too old.

    Attributes:
        bytes: room on the disk if all of it goes, else room for new rows.
        days: those that the rows are of, and how many rows of each; None if the whole partition goes.
    """

    name: str
    rows: int
    bytes: int
    days: list[tuple[datetime, int]] | None


class Expired(NamedTuple):
    """Everything that is too old."""

    limits: Limits
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def find_expired(connection: psycopg.Connection, keep: str | None) -> Expired | None:
    """Look for events that are too old; None if nothing says what that is.

    Args:
        keep: of sources that don't say it themselves; None keeps theirs.
    """
    limits = _limits(connection, keep)
    if not (limits.own or limits.others):
        return None
    return Expired(limits, list(_parts(connection, limits)))


def delete_expired(
    connection: psycopg.Connection, expired: Expired, say: Callable[[Part], None] = lambda _: None
) -> Expired:
    """Delete it and its days' summaries, correct what is known of its users, and forget those of whom no event is left.

    What is left of the days isn't summed up again (`event_tracker.cli.database.summaries` does it), but read until then.

    Returns:
        What was deleted, which `say` hears as it goes.
    """
    set_marks(connection, expired.limits.parameters(monthly=False))
    done = []
    for part in expired.parts:
        if _delete(connection, part, expired.limits):
            say(part)
            done.append(part)
    _correct_all_users(connection, expired.limits)
    return expired._replace(parts=done)


def _limits(connection: psycopg.Connection, keep: str | None) -> Limits:
    own: dict[str, str] = dict(connection.execute(QUERIES["source_limits"]).fetchall())
    if keep is None:
        return Limits(own, None, None)
    ((others, others_monthly),) = connection.execute(QUERIES["retention_limit"], {"keep": keep}).fetchall()
    return Limits(own, others, others_monthly)


def _parts(connection: psycopg.Connection, limits: Limits) -> Iterator[Part]:
    asked = {**limits.parameters(monthly=False), "name": None}
    for name, size, is_old_whole in connection.execute(QUERIES["old_partitions"], asked).fetchall():
        if is_old_whole:
            count = sql.SQL("select count(*) from {}").format(sql.Identifier(name))
            ((rows,),) = connection.execute(count).fetchall()
            yield Part(name, rows, size, None)
        else:
            yield from _rows(connection, name, limits)
    yield from _rows(connection, DEFAULT_PARTITION, limits)


def _rows(connection: psycopg.Connection, partition: str, limits: Limits) -> Iterator[Part]:
    found = connection.execute(_of(partition, "expired_rows"), _parameters(partition, limits)).fetchall()
    if found:
        days, rows, sizes = zip(*found, strict=True)
        yield Part(partition, sum(rows), sum(sizes), list(zip(days, rows, strict=True)))


def _delete(connection: psycopg.Connection, part: Part, limits: Limits) -> bool:
    if part.days is None:
        return _drop(connection, part.name, limits)
    for days in _steps(part.days):
        while not _delete_some(connection, part.name, limits, days):
            pass
    return True


def _steps(days: list[tuple[datetime, int]]) -> Iterator[list[datetime]]:
    """Days that are deleted together: a step for each of thousands of odd days would read the default partition as often."""
    step: list[datetime] = []
    total = 0
    for day, rows in days:
        if step and (total + rows > BATCH_ROWS or len(step) == BATCH_DAYS):
            yield step
            step, total = [], 0
        step.append(day)
        total += rows
    if step:
        yield step


def _delete_some(connection: psycopg.Connection, partition: str, limits: Limits, days: list[datetime]) -> bool:
    """Delete rows of these days; True if those were the last. Users and answers stand by what is left, from that moment on."""
    within = {"start": days[0], "end": days[-1] + DAY, "days": days, "most": BATCH_ROWS}
    with connection.transaction():
        lock_out_erasures(connection)
        asked = {**_parameters(partition, limits), **within}
        ((deleted, users),) = connection.execute(_of(partition, "delete_expired_rows"), asked).fetchall()
        _forget_summaries(connection, days)
        _correct_users(connection, users)
    return bool(deleted < BATCH_ROWS)


def _drop(connection: psycopg.Connection, partition: str, limits: Limits) -> bool:
    """Drop a partition, unless a source that keeps its events longer has just sent one that belongs there."""
    month = Month.of(partition)
    with connection.transaction() as transaction:
        lock_out_erasures(connection)
        # Before everybody is shut out: a month may have many visits.
        _forget_summaries(connection, month.days())
        lock_out_everybody(connection, partition)
        asked = {**limits.parameters(monthly=False), "name": partition}
        is_old_whole = [row[2:] for row in connection.execute(QUERIES["old_partitions"], asked)] == [(True,)]
        if not is_old_whole:
            raise psycopg.Rollback(transaction)
        connection.execute(QUERIES["count_dropped"], {"start": month.start, "end": month.plus(1).start})
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(partition)))
    return is_old_whole


def _forget_summaries(connection: psycopg.Connection, days: list[datetime]) -> None:
    """Values of properties as well: they may name people, whom nobody could erase there when their events are gone."""
    for statement in ("forget_days", "forget_values", "forget_visits"):
        connection.execute(QUERIES[statement], {"days": days})


def _correct_all_users(connection: psycopg.Connection, limits: Limits) -> None:
    """Correct users whose newest events went with a month, which nobody could read or write meanwhile, or who were skipped."""
    for _ in range(ROUNDS):
        skipped = 0
        with connection.cursor("outdated", withhold=True) as found:
            found.execute(QUERIES["outdated_users"], limits.parameters(monthly=False))
            while some := [user_id for (user_id,) in found.fetchmany(BATCH_USERS)]:
                with connection.transaction():
                    lock_out_erasures(connection)
                    skipped += len(some) - _correct_users(connection, some)
        if not skipped:
            return
        time.sleep(PAUSE_SECONDS)


def _correct_users(connection: psycopg.Connection, user_ids: list[str]) -> int:
    """Correct when these were last seen, and forget those of whom no event is left.

    Returns:
        How many that was done for: those of whom an event is being stored are skipped.
    """
    locked = [user_id for (user_id,) in connection.execute(QUERIES["lock_users"], {"user_ids": user_ids}).fetchall()]
    for statement in ("correct_users", "delete_forgotten_users"):
        connection.execute(QUERIES[statement], {"user_ids": locked})
    return len(locked)


def _of(partition: str, statement: str) -> sql.Composed:
    return sql.SQL(QUERIES[statement]).format(partition=sql.Identifier(partition))


def _parameters(partition: str, limits: Limits) -> dict[str, Any]:
    return limits.parameters(monthly=partition != DEFAULT_PARTITION)
