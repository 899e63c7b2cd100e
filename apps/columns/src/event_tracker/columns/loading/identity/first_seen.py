"""Copies when users were first seen, by all sources."""

from functools import partial
from itertools import count
from typing import Any

import psycopg
from psycopg import sql

from event_tracker.columns.loading.cache import Cache
from event_tracker.columns.loading.conditions import Range
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.columns.loading.identity.shared_tables import OpenCursor, SharedTable, fill
from event_tracker.columns.loading.rows.reader import copy_csv
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.postgres.named_sql import load_queries

PART_IDS = 10_000
"""How many ids are looked up in PostgreSQL at once: whoever has a write key can link ids without end."""

QUERIES = load_queries("event_tracker.columns.loading.identity", "first_seen.sql")


def copy_first_seen(
    connection: psycopg.Connection,
    open_cursor: OpenCursor,
    cache: Cache,
    first_seen: Range,
    persons: Persons | None,
    deadline: Deadline,
) -> SharedTable:
    """Copy the users first seen in a range to a table (user_id, first_seen). A person was first seen with any of their ids."""
    start, end = first_seen
    statement = sql.SQL(QUERIES["copy_users"]).format(start=start, end=end)
    copied = sql.SQL(QUERIES["copied"]).format()
    table = SharedTable(open_cursor)
    csv = cache.temporary_path()
    with open_cursor() as cursor:

        def execute(name: str, given: dict[str, Any] | None = None, **slots: sql.Composable | SharedTable) -> list[Any]:
            work = partial(cursor.execute, fill(QUERIES[name], **slots), given or {})
            return run_in_thread(lambda: work().fetchall(), deadline, cursor)

        try:
            cache.retry_if_disk_full(lambda: copy_csv(connection, statement, csv, deadline))
            if persons is None:
                execute("keep_ids", {"csv": str(csv)}, copied=copied, table=table)
                return table
            execute("find_persons", {"csv": str(csv)}, copied=copied, persons=persons.table)
        finally:
            csv.unlink(missing_ok=True)
        execute("other_ids", persons=persons.table)
        for place in count(0, PART_IDS):
            ids = [user_id for (user_id,) in execute("part_of_others", {"start": place, "end": place + PART_IDS})]
            if not ids:
                break
            deadline.check()
            before = connection.execute(QUERIES["seen_before"], {"ids": ids, "start": start}, binary=True).fetchall()
            execute("keep_before", {"ids": [user_id for (user_id,) in before]})
        execute("keep_persons", table=table, persons=persons.table)
        return table
