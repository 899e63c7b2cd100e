"""The rows of a statement as they arrive, up to a number of bytes."""

from typing import Any

import psycopg
from psycopg import errors
from psycopg._preparing import Prepare
from psycopg.abc import Params, PQGen, Query
from psycopg.generators import execute, send
from psycopg.pq import ExecStatus

from event_tracker.core.postgres.pool import ConnectionPool, attempt

ROWS = 32
"""Rows received at once: with fewer it is slower; with more it takes more memory where rows are large."""

Row = tuple[Any, ...]


class PreparedStream(psycopg.Cursor[Row]):
    """A cursor whose `stream` prepares statements, as `execute` does: psycopg's own has PostgreSQL plan each statement again."""

    def _stream_send_gen(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int
    ) -> PQGen[None]:
        yield from self._start_query(query)
        converted = self._convert_query(query, params)
        prepared, name = self._get_prepared(converted, True)
        if prepared is Prepare.SHOULD:
            self._send_prepare(name, converted)
            (result,) = yield from execute(self._pgconn)
            if result.status == ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result)
            key = self._conn._prepared.maybe_add_to_cache(converted, prepared, name)
            if key is not None:
                self._conn._prepared.validate(key, prepared, name, [result])
        self._send_query_prepared(name, converted, binary=binary)
        self._pgconn.set_chunked_rows_mode(size)
        yield from send(self._pgconn)


def fetch_within(
    pool: ConnectionPool[psycopg.Connection],
    statement: bytes,
    parameters: dict[str, Any],
    *,
    most_bytes: int,
    sized: int,
    prepare: bool = True,
) -> tuple[list[Row], bool]:
    """Run one statement that may safely be run twice; values are sent in binary.

    Args:
        sized: the index of the column whose text or bytes are counted.
        prepare: whether the connection keeps the plan.

    Returns:
        The first rows, up to so many bytes but at least one if there is any; and whether these are all. If not, the statement
        is cancelled: PostgreSQL doesn't make the other rows, and none of them waits in memory.
    """

    def fetch(connection: psycopg.Connection) -> tuple[list[Row], bool]:
        rows: list[Row] = []
        left = most_bytes
        cursor = (PreparedStream if prepare else psycopg.Cursor[Row])(connection)
        arriving = cursor.stream(statement, parameters, binary=True, size=ROWS)
        try:
            for row in arriving:
                left -= len(row[sized])
                if left < 0 and rows:
                    return rows, False
                rows.append(row)
        finally:
            arriving.close()  # type: ignore[attr-defined]  # it is a generator, which ends the statement
        return rows, True

    return attempt(pool, fetch)
