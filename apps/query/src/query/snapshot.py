"""How recent an answer is."""

from datetime import datetime

import psycopg

from core.queries import load_queries

AS_OF = load_queries("query")["as_of"]


def read_as_of(connection: psycopg.Connection) -> datetime:
    """The time up to which everything committed is visible; on a standby, that of what it has replayed.

    Ask before the snapshot is taken that the answer is read in: a standby replays on meanwhile.
    """
    ((as_of,),) = connection.execute(AS_OF, binary=True).fetchall()
    return as_of  # type: ignore[no-any-return]
