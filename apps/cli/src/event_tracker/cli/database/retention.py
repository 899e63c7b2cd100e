"""Deletion of old events: whole partitions or single rows, with their users and the blocks of their days. Counts stay.

Each source may have its own retention time (`sources.keep`, in days). The others have that of `tracker maintain --keep`. A
monthly partition is dropped if all its events are too old. Otherwise the rows that are too old are deleted, day by day.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
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

DAY = timedelta(days=1)

BATCH_ROWS = 50_000
"""Rows deleted in one transaction. Erasures wait for it."""

BATCH_DAYS = 100
"""Days of which rows are deleted in one transaction. It deletes the blocks of each."""

BATCH_USERS = 10_000
"""Users corrected in one transaction. Collectors that store an event of one of them wait for it."""

ROUNDS = 10
"""How often the search for outdated users is repeated. It skips those with an event being stored."""

PAUSE_SECONDS = 0.1
"""The pause between these rounds."""


class Limits(NamedTuple):
    """The times before which events are too old, as text in PostgreSQL's form.

    Attributes:
        own: the limits of sources that have their own.
        others: the limit of all other sources; None if they keep their events.
        others_monthly: the start of the month of `others`.
    """

    own: dict[str, str]
    others: str | None
    others_monthly: str | None

    def __str__(self) -> str:
        said = [f"events before {self.others}"] if self.others else []
        return ", ".join(said + [f"events of {source} before {limit}" for source, limit in self.own.items()])

    def parameters(self, *, monthly: bool) -> dict[str, Any]:
        """The parameters of the statements. In a monthly partition, sources without their own limit lose whole months only."""
        others = self.others_monthly if monthly else self.others
        return {"own_sources": list(self.own), "own_limits": list(self.own.values()), "others": others}


class Part(NamedTuple):
    """The rows of one partition that are too old.

    Attributes:
        bytes: space freed on the disk if the partition is dropped, else space freed for new rows.
        days: the days of the rows, with the number of rows of each; None if the whole partition is dropped.
    """

    name: str
    rows: int
    bytes: int
    days: list[tuple[datetime, int]] | None


class Expired(NamedTuple):
    """All rows that are too old, by partition."""

    limits: Limits
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def find_expired(connection: psycopg.Connection, keep: str | None) -> Expired | None:
    """Find the events that are too old.

    Args:
        keep: the retention time of sources without their own, such as `13 months`; None keeps their events.

    Returns:
        None if there is no limit at all.
    """
    limits = _limits(connection, keep)
    if not (limits.own or limits.others):
        return None
    return Expired(limits, list(_parts(connection, limits)))


def delete_expired(
    connection: psycopg.Connection, expired: Expired, say: Callable[[Part], None] = lambda _: None
) -> Expired:
    """Delete expired events and the blocks of their days. Correct their users, and delete users without events.

    Blocks of the remaining events of these days aren't built here (`event_tracker.cli.database.blocks` does it). Until then
    queries read the events.

    Args:
        say: is called with each part once it is deleted.

    Returns:
        What was deleted.
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
    parameters = {**limits.parameters(monthly=False), "name": None}
    for name, size, is_old_whole in connection.execute(QUERIES["old_partitions"], parameters).fetchall():
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
    """Group days that are deleted together. Each group reads the default partition once, which may have thousands of days."""
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
    """Delete some rows of these days, with their blocks (by trigger), and correct the users, in one transaction.

    Returns:
        True if no such rows are left.
    """
    within = {"start": days[0], "end": days[-1] + DAY, "days": days, "most": BATCH_ROWS}
    with connection.transaction():
        lock_out_erasures(connection)
        parameters = {**_parameters(partition, limits), **within}
        ((deleted, users),) = connection.execute(_of(partition, "delete_expired_rows"), parameters).fetchall()
        _correct_users(connection, users)
    return bool(deleted < BATCH_ROWS)


def _drop(connection: psycopg.Connection, partition: str, limits: Limits) -> bool:
    """Drop a partition. Don't if a source that keeps its events longer has just sent one for it; then return False."""
    month = Month.of(partition)
    with connection.transaction() as transaction:
        lock_out_erasures(connection)
        lock_out_everybody(connection, partition)
        parameters = {**limits.parameters(monthly=False), "name": partition}
        is_old_whole = [row[2:] for row in connection.execute(QUERIES["old_partitions"], parameters)] == [(True,)]
        if not is_old_whole:
            raise psycopg.Rollback(transaction)
        connection.execute(QUERIES["count_dropped"], {"start": month.start, "end": month.plus(1).start})
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(partition)))
    return is_old_whole


def _correct_all_users(connection: psycopg.Connection, limits: Limits) -> None:
    """Correct the users that are still outdated: users with their newest events in a dropped partition, or who were skipped.

    Those who stay because of other ids of their person are found by every run. Nothing is locked or written for them.
    """
    for _ in range(ROUNDS):
        skipped = 0
        with connection.cursor("outdated", withhold=True) as found:
            found.execute(QUERIES["outdated_users"], limits.parameters(monthly=False))
            while some := [user_id for (user_id,) in found.fetchmany(BATCH_USERS)]:
                _, kept = _find_forgotten(connection, some)
                wrong = [user_id for user_id in some if user_id not in kept]
                if wrong:
                    with connection.transaction():
                        lock_out_erasures(connection)
                        skipped += len(wrong) - _correct_users(connection, wrong)
        if not skipped:
            return
        time.sleep(PAUSE_SECONDS)


def _correct_users(connection: psycopg.Connection, user_ids: list[str]) -> int:
    """Correct when these users were last seen, and delete those of persons without events.

    Returns:
        How many users were handled: those with an event being stored are skipped.
    """
    locked = [user_id for (user_id,) in connection.execute(QUERIES["lock_users"], {"user_ids": user_ids}).fetchall()]
    connection.execute(QUERIES["correct_users"], {"user_ids": locked})
    forgotten, _ = _find_forgotten(connection, locked)
    connection.execute(QUERIES["delete_users"], {"user_ids": forgotten})
    return len(locked)


def _find_forgotten(connection: psycopg.Connection, user_ids: list[str]) -> tuple[list[str], set[str]]:
    """Of these users those without an event of any id of theirs; and those without an event who stay because of another id.

    Each person is looked for once, since one may have very many ids.
    """
    found = connection.execute(QUERIES["forgotten_users"], {"user_ids": user_ids}).fetchall()
    forgotten = [user_id for user_id, is_linked in found if not is_linked]
    linked = {user_id for user_id, is_linked in found if is_linked}
    kept: set[str] = set()
    while linked:
        asked = {"user_id": next(iter(linked))}
        ((ids, has_event),) = connection.execute(QUERIES["find_person"], asked).fetchall()
        here = linked.intersection(ids)
        if has_event:
            kept |= here
        else:
            forgotten += here
        linked -= here
    return forgotten, kept


def _of(partition: str, statement: str) -> sql.Composed:
    return sql.SQL(QUERIES[statement]).format(partition=sql.Identifier(partition))


def _parameters(partition: str, limits: Limits) -> dict[str, Any]:
    return limits.parameters(monthly=partition != DEFAULT_PARTITION)
