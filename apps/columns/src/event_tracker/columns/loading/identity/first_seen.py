"""When users were first seen, by all sources: copied from PostgreSQL, and kept as long as it can't have changed."""

from collections import OrderedDict
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.columns.loading.cache import Cache
from event_tracker.columns.loading.conditions import Range
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.columns.loading.identity.shared_tables import OpenCursor, SharedTable, fill
from event_tracker.columns.loading.rows.reader import copy_csv
from event_tracker.columns.loading.snapshot import Epochs, History
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.postgres.named_sql import load_queries

PART_IDS = 10_000
"""How many ids are looked up in PostgreSQL at once: whoever has a write key can link ids without end."""

MAX_KEPT = 8
"""Most tables of users that are kept. A question reads two at most: those first seen before today, and since."""

MAX_KEPT_USERS = 200_000
"""A table with more users isn't kept. So many take some 10 MB, with ids of 36 characters."""

QUERIES = load_queries("event_tracker.columns.loading.identity", "first_seen.sql")


class Key(NamedTuple):
    """What tells whether the users first seen in a range may have changed: while all of this is the same, so are they.

    Attributes:
        server: as Snapshot.server.
        events: the number of all events before the range's end.
        persons: the name of the table that leads ids to persons; None if each id is a user.
    """

    server: str
    first_seen: Range
    events: int
    epochs: Epochs
    persons: str | None


class FirstSeen:
    """The users of one database who were first seen in a range.

    They are copied once, and again when an event of before the range's end has arrived, when something was deleted, or when links have
    changed. No event of today changes who was first seen before; so a range is copied in two parts, of which that of today is small.

    Args:
        open_cursor: a connection to DuckDB that may write in the cache's folder.
    """

    def __init__(self, open_cursor: OpenCursor, cache: Cache) -> None:
        self._open_cursor = open_cursor
        self._cache = cache
        self._kept: OrderedDict[Key, SharedTable] = OrderedDict()

    def read(
        self,
        connection: psycopg.Connection,
        server: str,
        history: History,
        first_seen: Range,
        persons: Persons | None,
        deadline: Deadline,
    ) -> list[SharedTable]:
        """The users first seen in a range, in tables (user_id, first_seen). Each user is in one of them. A person was first seen when
        the first of their ids was.

        Args:
            connection: has a snapshot. `server` and `history` are of it.
        """
        start, end = first_seen
        today = min(max(start, history.today), end)
        name = persons.table.name.as_string() if persons else None
        tables = []
        parts = [((start, today), history.past_events), ((today, end), history.events)]
        for part, events in [part for part in parts if part[0][0] < part[0][1]] or parts[:1]:
            key = Key(server, part, events, history.epochs, name)
            tables.append(self._find(key) or self._copy_and_keep(connection, key, persons, deadline))
        return tables

    def forget_changed(self, server: str, epochs: Epochs, persons: set[str]) -> None:
        """Forget what isn't of these epochs, or of these tables of persons: somebody may have been erased."""
        for key in list(self._kept):
            if (key.server, key.epochs) != (server, epochs) or key.persons not in {None, *persons}:
                self._kept.pop(key, None)

    def forget_all(self) -> None:
        """Forget all, since DuckDB's database is gone."""
        self._kept.clear()

    def _find(self, key: Key) -> SharedTable | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _copy_and_keep(
        self, connection: psycopg.Connection, key: Key, persons: Persons | None, deadline: Deadline
    ) -> SharedTable:
        table = self._copy(connection, key.first_seen, persons, deadline)
        with self._open_cursor() as cursor:
            statement = fill("select count(*) from {table}", table=table)
            ((users,),) = run_in_thread(lambda: cursor.execute(statement).fetchall(), deadline, cursor)
        if users <= MAX_KEPT_USERS:
            self._kept[key] = table
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return table

    def _copy(
        self, connection: psycopg.Connection, first_seen: Range, persons: Persons | None, deadline: Deadline
    ) -> SharedTable:
        start, end = first_seen
        statement = sql.SQL(QUERIES["copy_users"]).format(start=start, end=end)
        copied = sql.SQL(QUERIES["copied"]).format()
        table = SharedTable(self._open_cursor)
        csv = self._cache.temporary_path()
        with self._open_cursor() as cursor:

            def execute(
                name: str, given: dict[str, Any] | None = None, **slots: sql.Composable | SharedTable
            ) -> list[Any]:
                work = partial(cursor.execute, fill(QUERIES[name], **slots), given or {})
                return run_in_thread(lambda: work().fetchall(), deadline, cursor)

            try:
                self._cache.retry_if_disk_full(lambda: copy_csv(connection, statement, csv, deadline))
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
                before = connection.execute(
                    QUERIES["seen_before"], {"ids": ids, "start": start}, binary=True
                ).fetchall()
                execute("keep_before", {"ids": [user_id for (user_id,) in before]})
            execute("keep_persons", table=table)
            return table
