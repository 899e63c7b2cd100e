"""Deletion of old events: whole partitions or single rows, with their users and the blocks of their days. Counts stay.

Each source may have its own retention time (`sources.keep`, in days). The others have that of `tracker maintain --keep`. A
monthly partition is dropped if all its events are too old. Otherwise the rows that are too old are deleted, day by day.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from event_tracker.cli.database.partitions import (
    DEFAULT_PARTITION,
    Month,
    lock_out_erasures,
    lock_out_everybody,
    wait_for_inserts,
)
from event_tracker.cli.database.retention.archive_first import ArchiveFirst, NotArchivedError, check_deleted
from event_tracker.cli.database.retention.parts import Expired, Limits, Part
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.database.retention", "retention.sql")
USERS = load_queries("event_tracker.cli.database.retention", "users.sql")

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


def find_expired(connection: psycopg.Connection, keep: str | None, *, is_archive_first: bool = False) -> Expired | None:
    """Find the events that are too old.

    Args:
        keep: the retention time of sources without their own, such as `13 months`; None keeps their events.
        is_archive_first: whether limits are at the beginning of a day, since the lake has whole days.

    Returns:
        None if there is no limit at all.
    """
    limits = _limits(connection, keep, is_archive_first)
    if not (limits.own or limits.others):
        return None
    return Expired(limits, list(_parts(connection, limits)))


def delete_expired(
    connection: psycopg.Connection,
    expired: Expired,
    say: Callable[[Part], None] = lambda _: None,
    archive: ArchiveFirst | None = None,
) -> Expired:
    """Delete expired events and the blocks of their days. Correct their users, and delete users without events.

    Blocks of the remaining events of these days aren't built here (`event_tracker.cli.database.blocks` does it). Until then
    queries read the events.

    Args:
        say: is called with each part once it is deleted.
        archive: only what the lake has is deleted; why the rest stays is in its `problems`.

    Returns:
        What was deleted.
    """
    _set_marks(connection, expired.limits)
    done = []
    for found in expired.parts:
        part = archive.check(found) if archive else found
        if part and _delete(connection, part, expired.limits, archive):
            say(part)
            done.append(part)
    _correct_all_users(connection, expired.limits)
    return expired._replace(parts=done)


def _set_marks(connection: psycopg.Connection, limits: Limits) -> None:
    """Set the retention marks: the time before which a source's events are deleted. Once this returns, every insert respects them.

    Collectors store nothing older. Otherwise an event that is sent again would be stored and counted again. Inserts that can't see the
    new marks are waited for. While they run, no event is deleted yet, so they recognise duplicates.
    """
    with connection.transaction():
        lock_out_erasures(connection)
        if connection.execute(QUERIES["set_marks"], limits.parameters(monthly=False)).rowcount:
            wait_for_inserts(connection)


def _limits(connection: psycopg.Connection, keep: str | None, is_archive_first: bool) -> Limits:
    own: dict[str, str] = dict(connection.execute(QUERIES["source_limits"]).fetchall())
    if keep is None:
        return Limits(own, None, None)
    ((others, others_monthly),) = connection.execute(
        QUERIES["retention_limit"], {"keep": keep, "whole_days": is_archive_first}
    ).fetchall()
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


def _delete(connection: psycopg.Connection, part: Part, limits: Limits, archive: ArchiveFirst | None) -> bool:
    try:
        if part.days is None:
            return _drop(connection, part, limits, archive)
        for days in _steps(part.days):
            while not _delete_some(connection, part, limits, days, archive):
                pass
    except NotArchivedError as error:
        assert archive is not None
        archive.problems.append(str(error))
        return False
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


def _delete_some(
    connection: psycopg.Connection, part: Part, limits: Limits, days: list[datetime], archive: ArchiveFirst | None
) -> bool:
    """Delete some rows of these days, with their blocks (by trigger), and correct the users, in one transaction. With an archive all
    of them are deleted at once.

    Returns:
        True if no such rows are left.
    """
    within = {"start": days[0], "end": days[-1] + DAY, "days": days, "most": None if archive else BATCH_ROWS}
    with connection.transaction():
        lock_out_erasures(connection)
        recorded = archive.record(part, days) if archive else None
        parameters = {**_parameters(part.name, limits), **within}
        ((deleted, users),) = connection.execute(_of(part.name, "delete_expired_rows"), parameters).fetchall()
        if recorded is not None:
            check_deleted(days[0], deleted, recorded)
        _correct_users(connection, users)
    return bool(archive or deleted < BATCH_ROWS)


def _drop(connection: psycopg.Connection, part: Part, limits: Limits, archive: ArchiveFirst | None) -> bool:
    """Drop a partition. Don't if a source that keeps its events longer has just sent one for it; then return False."""
    partition, month = part.name, Month.of(part.name)
    with connection.transaction() as transaction:
        lock_out_erasures(connection)
        lock_out_everybody(connection, partition)
        parameters = {**limits.parameters(monthly=False), "name": partition}
        is_old_whole = [row[2:] for row in connection.execute(QUERIES["old_partitions"], parameters)] == [(True,)]
        if not is_old_whole:
            raise psycopg.Rollback(transaction)
        if archive:
            check_deleted(month.start, part.rows, archive.record(part))
        connection.execute(QUERIES["count_dropped"], {"start": month.start, "end": month.plus(1).start})
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(partition)))
    return is_old_whole


def _correct_all_users(connection: psycopg.Connection, limits: Limits) -> None:
    """Correct the users that are still outdated: users with their newest events in a dropped partition, or who were skipped.

    Those who stay because of other ids of their person are found by every run, and nothing is locked or written for them. Nor is it for
    those without events who stay because of archived days.
    """
    for _ in range(ROUNDS):
        skipped = 0
        with connection.cursor("outdated", withhold=True) as found:
            found.execute(USERS["outdated_users"], limits.parameters(monthly=False))
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
    locked = [user_id for (user_id,) in connection.execute(USERS["lock_users"], {"user_ids": user_ids}).fetchall()]
    connection.execute(USERS["correct_users"], {"user_ids": locked})
    forgotten, _ = _find_forgotten(connection, locked)
    connection.execute(USERS["delete_users"], {"user_ids": forgotten})
    return len(locked)


def _find_forgotten(connection: psycopg.Connection, user_ids: list[str]) -> tuple[list[str], set[str]]:
    """Of these users those without an event of any id of theirs; and those without an event who stay because of another id.

    Each person is looked for once, since one may have very many ids.
    """
    found = connection.execute(USERS["forgotten_users"], {"user_ids": user_ids}).fetchall()
    forgotten = [user_id for user_id, is_linked in found if not is_linked]
    linked = {user_id for user_id, is_linked in found if is_linked}
    kept: set[str] = set()
    while linked:
        asked = {"user_id": next(iter(linked))}
        ((ids, has_event),) = connection.execute(USERS["find_person"], asked).fetchall()
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
