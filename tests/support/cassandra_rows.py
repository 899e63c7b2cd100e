"""What is in the table of events in Cassandra, read as the superuser."""

from typing import Any

import psycopg
from cassandra_node import CassandraNode
from waiting import wait_until

STORED = """
select user_id, "timestamp", event_id, event_type, session_id, source, properties::text, received_at from events
order by user_id, "timestamp", event_id
"""


def read_rows(node: CassandraNode, keyspace: str, user_id: str | None = None) -> list[Any]:
    """The rows of the table, or those of a user. None before the relay has made it."""
    if node.session.execute(
        "select table_name from system_schema.tables where keyspace_name = %s", [keyspace]
    ).one() is None:  # fmt: skip
        return []
    rows = node.session.execute(f"select * from {keyspace}.user_events")
    return [row for row in rows if user_id in (None, row.user_id)]


def keys(rows: list[Any]) -> list[tuple[str, int, Any]]:
    """The identities of these events, sorted."""
    return sorted((row.user_id, row.event_micros, row.event_id) for row in rows)


def stored_keys(owner: psycopg.Connection, user_id: str | None = None) -> list[tuple[str, int, Any]]:
    """The identities of the events that PostgreSQL has, or of those of a user, sorted."""
    statement = 'select user_id, (extract(epoch from "timestamp") * 1000000)::bigint, event_id from events'
    return sorted(row for row in owner.execute(statement) if user_id in (None, row[0]))


def wait_relayed(owner: psycopg.Connection, node: CassandraNode, keyspace: str) -> list[Any]:
    """Wait until all stored events are there, and nothing else."""
    wait_until(
        lambda: keys(read_rows(node, keyspace)) == stored_keys(owner), "what is stored, and nothing else, is there", 180
    )
    return read_rows(node, keyspace)
