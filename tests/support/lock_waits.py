"""Who waits for a lock of PostgreSQL."""

import psycopg

from event_tracker.core.postgres.named_sql import load_queries

_SNAPSHOT = load_queries("event_tracker.columns.loading", "snapshot.sql")
_VALIDITY = load_queries("event_tracker.columns", "validity.sql")

COLUMNS = [
    statement.split("%")[0][:60]
    for statement in (_SNAPSHOT["begin"], _SNAPSHOT["count_blocks"], _VALIDITY["valid_blocks"])
]
"""How the statements begin that look up where events are in columns. Questions of columns run them, and so does each query service in
the background, every now and then and whatever it is asked: both wait for `events` and `event_counts`."""

WAITING = """
select count(*)
from pg_stat_activity
where
  datname = current_database()
  and wait_event_type = 'Lock'
  and not exists (select from unnest(%s::text[]) as ignored where starts_with(query, ignored))
"""


def waiting_for_locks(owner: psycopg.Connection, *, columns: bool = True) -> int:
    """The number of the database's sessions that wait for a lock.

    Args:
        columns: whether to count what looks up columns. A test that holds `events` or `event_counts` and expects an exact number of
            other sessions says False, for a service's look in the background may come at any time.
    """
    # Within a transaction the activity stays as it was when it was first read.
    owner.execute("select pg_stat_clear_snapshot()")
    ((count,),) = owner.execute(WAITING, [[] if columns else COLUMNS]).fetchall()
    return int(count)
