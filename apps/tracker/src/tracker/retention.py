"""Deleting events by age: whole partitions, rows of the default partition, and who did them. Counts stay."""

from typing import NamedTuple

import psycopg
from psycopg import sql

from tracker.partitions import QUERIES, patiently, set_lock_timeout, shut_out_erasures

DEFAULT_PARTITION = "events_default"


class Part(NamedTuple):
    """What one partition holds that is too old."""

    name: str
    rows: int
    bytes: int


class Expired(NamedTuple):
    """Everything that is too old."""

    limit: str
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def find_expired(connection: psycopg.Connection, keep: str) -> Expired:
    """Look for events older than `keep`. Bytes of the default partition: free for new rows then, not for the disk."""
    ((limit,),) = connection.execute(QUERIES["retention_limit"], {"keep": keep}).fetchall()
    parts = []
    for name, size in connection.execute(QUERIES["expired_partitions"], {"limit": limit}).fetchall():
        count = sql.SQL("select count(*) from {}").format(sql.Identifier(name))
        ((rows,),) = connection.execute(count).fetchall()
        parts.append(Part(name, rows, size))
    ((rows, size),) = connection.execute(QUERIES["expired_strays"], {"limit": limit}).fetchall()
    if rows:
        parts.append(Part(DEFAULT_PARTITION, rows, size))
    return Expired(limit, parts)


def delete_expired(connection: psycopg.Connection, expired: Expired) -> None:
    """Drop the partitions, delete the strays, and forget users and visits of whom no event is left."""
    for part in expired.parts:
        if part.name == DEFAULT_PARTITION:
            with connection.transaction():
                shut_out_erasures(connection)
                connection.execute(QUERIES["delete_strays"], {"limit": expired.limit})
        else:
            _drop(connection, part.name)
    with connection.transaction():
        shut_out_erasures(connection)
        connection.execute(QUERIES["delete_forgotten_users"], {"limit": expired.limit})
        connection.execute(QUERIES["delete_forgotten_visits"], {"limit": expired.limit})


def _drop(connection: psycopg.Connection, partition: str) -> None:
    def drop() -> None:
        with connection.transaction():
            set_lock_timeout(connection)
            shut_out_erasures(connection)
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(partition)))

    patiently(drop)
