"""Makes Parquet files from rows that PostgreSQL wrote as CSV (rows.sql)."""

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
from psycopg import sql

from event_tracker.columns.layout import LEAST_SHARE, MAX_KEYS, ORDER
from event_tracker.columns.properties import json_path, normal_form, own_column
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns", "parquet.sql")

NESTED = load_queries("event_tracker.columns", "nested.sql")["nested_texts"]

ROWS = sql.SQL(QUERIES["rows"]).format(nested=sql.SQL(NESTED))
"""A SELECT of the events of a CSV file, `$csv`."""


def common_keys(connection: duckdb.DuckDBPyConnection, csv: Path) -> list[str]:
    """The properties of a CSV file's events that get a column of their own: the most common, in the order of their names."""
    statement = sql.SQL(QUERIES["common_keys"]).format(rows=ROWS).as_string()
    parameters = {"csv": str(csv), "share": LEAST_SHARE, "most": MAX_KEYS}
    return [key for (key,) in connection.execute(statement, parameters).fetchall()]


def write_parquet(connection: duckdb.DuckDBPyConnection, csv: Path, parquet: Path, keys: Sequence[str] = ()) -> int:
    """Write the events of a CSV file to a Parquet file, in the order of layout.ORDER.

    Args:
        keys: the properties that get a column of their own.

    Returns:
        How many events there are.
    """
    parameters: dict[str, object] = {"csv": str(csv), "parquet": str(parquet)}
    events: sql.Composable = ROWS
    if keys:
        columns = [
            sql.SQL("{} as {}").format(normal_form(sql.SQL("own[{}]").format(place + 1)), own_column(place))
            for place in range(len(keys))
        ]
        events = sql.SQL(QUERIES["with_columns"]).format(rows=ROWS, columns=sql.SQL(", ").join(columns))
        parameters["paths"] = [json_path(key) for key in keys]
        parameters["taken"] = json.dumps(dict.fromkeys(keys))
    statement = sql.SQL(QUERIES["write"]).format(events=events, order=sql.SQL(ORDER)).as_string()
    ((written,),) = connection.execute(statement, parameters).fetchall()
    return int(written)
