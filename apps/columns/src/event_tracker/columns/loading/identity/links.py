"""Keeps the links between ids in memory, as tables of DuckDB, and follows what changes in them.

Each question reads what a snapshot says that it also reads events in. Usually one look tells that nothing has changed. What is known is
never changed, so a question goes on with what it found.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import duckdb
import psycopg
from psycopg import sql

from event_tracker.columns.loading.cache import Cache
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.persons import Persons, resolve
from event_tracker.columns.loading.identity.shared_tables import OpenCursor, SharedTable, fill
from event_tracker.columns.loading.rows.reader import copy_csv
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns.loading.identity", "links.sql")

MAX_KNOWN = 2
"""Concurrent questions may have snapshots of slightly different times."""

MAX_VIEWS = 4
"""Of one state of the links: the persons for so many sets of sources are kept."""


class State(NamedTuple):
    """Links of different states aren't compared.

    Attributes:
        server: as Snapshot.server.
        epoch: how often links were deleted.
        file: PostgreSQL's; truncating moves it.
    """

    server: str
    epoch: int | None
    file: int


class SourceView(NamedTuple):
    """What a viewer of some sources sees.

    Attributes:
        persons: None where nobody has two ids.
        fingerprint: changes whenever one of these sources' links does, and says nothing of the others.
    """

    persons: Persons | None
    fingerprint: str


class KnownLinks:
    """All links, as a snapshot has seen them.

    Attributes:
        oldest: of that snapshot (Snapshot.oldest). Links that were changed before are as they are here, until they change again.
        newest: the latest transaction that changed one of them.
        views: for the sets of sources that were asked about, the latest last.
    """

    def __init__(self, state: State, oldest: int, table: SharedTable, newest: int, sources: frozenset[str]) -> None:
        self.state = state
        self.oldest = oldest
        self.table = table
        self.newest = newest
        self.sources = sources
        self.views: OrderedDict[frozenset[str], SourceView] = OrderedDict()


class Links:
    """The links of one database.

    Args:
        open_cursor: a connection to DuckDB that may write in the cache's folder.
    """

    def __init__(self, open_cursor: OpenCursor, cache: Cache) -> None:
        self._open_cursor = open_cursor
        self._cache = cache
        self._known: list[KnownLinks] = []
        self._lock = Lock()

    def read(
        self,
        connection: psycopg.Connection,
        server: str,
        oldest: int,
        sources: Collection[str] | None,
        deadline: Deadline,
    ) -> SourceView:
        """The persons for a viewer of some sources (None is all), in the snapshot of a connection.

        Args:
            server, oldest: of the snapshot, as Snapshot has them.
        """
        known = self._find_unchanged(connection, server, oldest)
        if known is None:
            with self._alone(deadline):
                known = self._renew(connection, server, oldest, deadline)
        visible = known.sources if sources is None else known.sources.intersection(sources)
        if not visible:
            return SourceView(None, "")
        with self._alone(deadline):
            return self._resolve(known, visible, deadline)

    def forget_deleted(self, connection: psycopg.Connection, server: str) -> None:
        """Forget links of a state that isn't PostgreSQL's any more: somebody may have been erased."""
        state, _ = _read_state(connection, server, 0)
        self._known = [known for known in self._known if known.state == state]

    def tables_of_persons(self) -> set[str]:
        """The names of the tables of those persons that are known."""
        views = [view for known in self._known for view in known.views.values()]
        return {view.persons.table.name.as_string() for view in views if view.persons}

    def forget_all(self) -> None:
        """Forget all, since DuckDB's database is gone."""
        self._known = []

    @contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.remaining):
            raise deadline.problem()
        try:
            yield
        finally:
            self._lock.release()

    def _find_unchanged(self, connection: psycopg.Connection, server: str, oldest: int) -> KnownLinks | None:
        """The newest links known, if it can be told at once that it is what the snapshot sees."""
        newest = self._known[-1] if self._known else None
        # A snapshot of an earlier time may not see the newest changes.
        if newest is None or newest.newest >= min(newest.oldest, oldest):
            return None
        state, has_changed = _read_state(connection, server, newest.oldest)
        return newest if state == newest.state and not has_changed else None

    def _renew(self, connection: psycopg.Connection, server: str, oldest: int, deadline: Deadline) -> KnownLinks:
        """What the snapshot sees: links that are known, or these with what has changed since, or all of them read again."""
        state, _ = _read_state(connection, server, 0)
        with self._open_cursor() as cursor:
            for known in reversed(self._known):
                if known.state == state:
                    # What both snapshots see for certain isn't compared.
                    since = min(known.oldest, oldest)
                    self._copy(connection, since, cursor, deadline)
                    lost, fresh = self._compare(known, since, cursor, deadline)
                    if not lost and not fresh:
                        known.oldest = max(known.oldest, oldest)
                        return known
                    if not lost:
                        return self._keep("keep_both", cursor, state, oldest, deadline, known=known.table)
            self._copy(connection, 0, cursor, deadline)
            return self._keep("keep_copied", cursor, state, oldest, deadline)

    def _copy(
        self, connection: psycopg.Connection, since: int, cursor: duckdb.DuckDBPyConnection, deadline: Deadline
    ) -> None:
        """Copy the links that were changed by this transaction or a later one to the table `copied`."""
        statement = sql.SQL(QUERIES["copy_links"]).format(since=sql.Literal(str(since)))
        csv = self._cache.temporary_path()
        try:
            self._cache.retry_if_disk_full(lambda: copy_csv(connection, statement, csv, deadline))
            run_in_thread(lambda: cursor.execute(QUERIES["read_copied"], {"csv": str(csv)}), deadline, cursor)
        finally:
            csv.unlink(missing_ok=True)

    def _compare(
        self, known: KnownLinks, since: int, cursor: duckdb.DuckDBPyConnection, deadline: Deadline
    ) -> tuple[int, int]:
        statement, given = fill(QUERIES["compare"], known=known.table), {"since": since}
        ((lost, fresh),) = run_in_thread(lambda: cursor.execute(statement, given).fetchall(), deadline, cursor)
        return lost, fresh

    def _keep(
        self,
        name: str,
        cursor: duckdb.DuckDBPyConnection,
        state: State,
        oldest: int,
        deadline: Deadline,
        **slots: SharedTable,
    ) -> KnownLinks:
        """Keep the copied links."""
        table = SharedTable(self._open_cursor)

        def work() -> tuple[int, list[str]]:
            cursor.execute(fill(QUERIES[name], table=table, **slots))
            ((newest, sources),) = cursor.execute(fill(QUERIES["describe"], table=table)).fetchall()
            return newest or 0, sources or []

        newest, sources = run_in_thread(work, deadline, cursor)
        known_links = KnownLinks(state, oldest, table, newest, frozenset(sources))
        self._known = [*self._known, known_links][-MAX_KNOWN:]
        return known_links

    def _resolve(self, known: KnownLinks, visible: frozenset[str], deadline: Deadline) -> SourceView:
        if visible in known.views:
            known.views.move_to_end(visible)
            return known.views[visible]
        with self._open_cursor() as cursor:
            table = SharedTable(self._open_cursor)

            def work() -> tuple[bool, int]:
                statement, given = fill(QUERIES["sum_up"], table=known.table), {"sources": sorted(visible)}
                ((total,),) = cursor.execute(statement, given).fetchall()
                return resolve(cursor, known.table, visible, table), total

            found, total = run_in_thread(work, deadline, cursor)
        known.views[visible] = SourceView(Persons(self._open_cursor, table) if found else None, str(total))
        while len(known.views) > MAX_VIEWS:
            known.views.popitem(last=False)
        return known.views[visible]


def _read_state(connection: psycopg.Connection, server: str, since: int) -> tuple[State, bool]:
    """The state of links, and whether any was changed by this transaction or a later one."""
    ((epoch, file, has_changed),) = connection.execute(QUERIES["state"], {"since": str(since)}, binary=True)
    return State(server, epoch, file), has_changed
