"""Runs a person's statement, with what must stand around it. No other module puts a person's text into a statement.

DuckDB's parser has found one SELECT in the text by itself (`check`), so it ends nothing that is around it. A line feed ends its last
comment.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

DESCRIBE = "describe from (\n"


def attach(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Open a file for reading. ATTACH takes no parameters; the service chose the path."""
    quoted = path.replace("'", "''")
    connection.execute(f"attach '{quoted}' as data (read_only)")
    connection.execute("use data")


def explain(connection: duckdb.DuckDBPyConnection, how: str, text: str) -> None:
    """Have the statement explained. `how` is `explain` or `explain analyze`."""
    connection.execute(f"{how} {text}")


def describe(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[Any, ...]]:
    """The names and types of the statement's columns."""
    return connection.execute(f"{DESCRIBE}{text}\n)").fetchall()


def head_of(values: Sequence[str]) -> str:
    """What stands before the statement in `select`."""
    return f"select {', '.join(values)} from (\n"  # noqa: S608


def select(
    connection: duckdb.DuckDBPyConnection, values: Sequence[str], text: str, names: Sequence[str], limit: int
) -> None:
    """Select expressions over the statement's columns, which have these names."""
    connection.execute(f"{head_of(values)}{text}\n) as answer({', '.join(names)}) limit {limit}")
