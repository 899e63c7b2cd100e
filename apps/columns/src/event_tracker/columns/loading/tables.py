"""Tables of a statement's rows: for one question, or in a file of their own."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, LiteralString, NamedTuple
from uuid import uuid4

import duckdb
from psycopg import sql

from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.relations import Relations
from event_tracker.columns.loading.threads import run_in_thread

CREATE = "create table {name} as {statement}"
CREATE_TEMPORARY = "create temp table {name} as {statement}"
ATTACH = "attach {file} as {name}"
DETACH = "detach database if exists {name}"


class Table(NamedTuple):
    """A table of a statement's rows."""

    name: str
    statement: str
    parameters: dict[str, Any]


class CopyTooLargeError(Exception):
    """Copied tables take more bytes than they may."""


def create_temporary(table: Table) -> str:
    """The statement that makes a table for one question."""
    return _fill(CREATE_TEMPORARY, name=sql.Identifier(table.name), statement=sql.SQL(table.statement))


def copy_tables(
    cursor: duckdb.DuckDBPyConnection,
    relations: Relations,
    tables: Sequence[Table],
    folder: Path,
    deadline: Deadline,
    most_bytes: int,
) -> Path:
    """Copy tables into a file of DuckDB in `folder`. Their statements read the relations.

    Raises:
        Problem: 504 after the deadline.
        CopyTooLargeError: if the file has more than `most_bytes`. Until it is deleted it may have what is written in
            CHECK_SECONDS beyond that.
    """
    # All cursors of the process see what is attached, so its name is like no other.
    name = f"copy_{uuid4().hex}"
    file = folder / f"{name}.duckdb"
    check_size = partial(_check_size, file, most_bytes)
    try:
        run_in_thread(partial(_copy, cursor, relations, tables, name, file), deadline, cursor, check_size)
        check_size()
    except BaseException:
        # An interrupt may have left it attached.
        run_in_thread(partial(_detach, cursor, name))
        file.unlink(missing_ok=True)
        raise
    return file


def _check_size(file: Path, most_bytes: int) -> None:
    # Its log is a part of it until it is detached.
    paths = (file, file.with_name(f"{file.name}.wal"))
    if sum(path.stat().st_size for path in paths if path.exists()) > most_bytes:
        raise CopyTooLargeError


def _copy(
    cursor: duckdb.DuckDBPyConnection, relations: Relations, tables: Sequence[Table], name: str, file: Path
) -> None:
    relations.create()
    cursor.execute(_fill(ATTACH, file=sql.Literal(str(file)), name=sql.Identifier(name)))
    for table in tables:
        place = sql.Identifier(name, "main", table.name)
        cursor.execute(_fill(CREATE, name=place, statement=sql.SQL(table.statement)), table.parameters)
    _detach(cursor, name)


def _detach(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """Detach the file, which writes all of it."""
    cursor.execute(_fill(DETACH, name=sql.Identifier(name)))


def _fill(template: LiteralString, **slots: sql.Composable) -> str:
    return sql.SQL(template).format(**slots).as_string()
