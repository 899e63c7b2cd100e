"""Whom ids lead to: follows the links that count, over any chain of them."""

from collections.abc import Collection, Iterable
from itertools import count
from typing import NamedTuple
from uuid import UUID

import duckdb
from psycopg import sql

from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.shared_tables import OpenCursor, SharedTable, fill
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns.loading.identity", "persons.sql")


class Link(NamedTuple):
    """A link that counts; `micros` since 1970 is when its event happened."""

    alias: str
    person: str
    micros: int
    event_id: UUID
    source: str


class Persons:
    """The persons of all ids that have one, for a viewer of some sources.

    Attributes:
        table: (alias, person), with one row for each alias. No person is an alias.
    """

    def __init__(self, open_cursor: OpenCursor, table: SharedTable) -> None:
        self._open_cursor = open_cursor
        self.table = table

    def persons_of(self, ids: Iterable[str], deadline: Deadline) -> dict[str, str]:
        """The persons of those of these ids that are aliases."""
        return dict(self._look_up("persons_of", deadline, ids=list(ids)))

    def aliases_of(self, persons: Iterable[str], most: int, deadline: Deadline) -> list[tuple[str, str]]:
        """The aliases of these persons, each as (alias, person), but `most` at most."""
        return self._look_up("aliases_of", deadline, persons=list(persons), most=most)

    def _look_up(self, name: str, deadline: Deadline, **given: list[str] | int) -> list[tuple[str, str]]:
        statement = fill(QUERIES[name], table=self.table)
        with self._open_cursor() as cursor:
            return run_in_thread(lambda: cursor.execute(statement, given).fetchall(), deadline, cursor)


def resolve(
    cursor: duckdb.DuckDBPyConnection, links: SharedTable, sources: Collection[str], persons: SharedTable
) -> bool:
    """Fill the table `persons` from the links of some sources. Returns whether it has any row.

    Args:
        cursor: nothing else uses it. It is left with temporary tables.
    """
    cursor.execute(fill(QUERIES["counting"], links=links), {"sources": sorted(sources)})
    jump = _follow(cursor)
    cursor.execute(fill(QUERIES["keep"], table=persons, jump=jump))
    ((rows,),) = cursor.execute(fill("select count(*) from {table}", table=persons)).fetchall()
    return bool(rows)


def _follow(cursor: duckdb.DuckDBPyConnection) -> sql.Identifier:
    """Jump along the links until every id is at the end of its chain. Returns the table of the last jump."""
    ((links,),) = cursor.execute("select count(*) from counting").fetchall()
    cursor.execute(QUERIES["first_jump"])
    for step in count():
        jump = sql.Identifier(f"jump_{step}")
        ((unfinished,),) = cursor.execute(fill(QUERIES["count_unfinished"], jump=jump)).fetchall()
        if not unfinished:
            return jump
        if 2**step > links:
            _cut_circles(cursor, jump)
            for earlier in range(step + 1):
                cursor.execute(fill("drop table {jump}", jump=sql.Identifier(f"jump_{earlier}")))
            return _follow(cursor)
        cursor.execute(fill(QUERIES["jump"], jump=sql.Identifier(f"jump_{step + 1}"), before=jump))
    raise AssertionError


def _cut_circles(cursor: duckdb.DuckDBPyConnection, jump: sql.Identifier) -> None:
    rows = cursor.execute(fill(QUERIES["circles"], jump=jump)).fetchall()
    latest = find_latest_of_circles(Link(*row) for row in rows)
    cursor.execute(QUERIES["cut"], {"aliases": [link.alias for link in latest]})


def find_latest_of_circles(links: Iterable[Link]) -> list[Link]:
    """Of links that are all in circles, the latest of each circle."""
    left = {link.alias: link for link in links}
    found = []
    while left:
        _, link = left.popitem()
        circle = [link]
        while circle[-1].person in left:
            circle.append(left.pop(circle[-1].person))
        found.append(max(circle, key=lambda link: (link.micros, link.event_id, link.source, link.alias)))
    return found
