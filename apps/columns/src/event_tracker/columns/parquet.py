"""Makes Parquet files from rows that PostgreSQL wrote as CSV."""

from pathlib import Path

import duckdb

from event_tracker.columns.layout import COLUMNS, ORDER

READ_CSV = """
select
  user_id,
  make_timestamptz("timestamp") as "timestamp",
  make_timestamptz(received_at) as received_at,
  event_id, event_type, session_id, source, properties
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  columns = {columns}
)
"""


def write_parquet(connection: duckdb.DuckDBPyConnection, csv: Path, parquet: Path) -> None:
    """Write the events of a CSV file (rows.sql) to a Parquet file, in the order of layout.ORDER."""
    read = {name: "bigint" if kind == "timestamptz" else kind for name, kind in COLUMNS.items()}
    columns = "{" + ", ".join(f"{name}: '{kind}'" for name, kind in read.items()) + "}"
    rows = READ_CSV.format(columns=columns)
    connection.execute(
        f"copy ({rows} order by {ORDER}) to $parquet (format parquet, compression zstd)",
        {"csv": str(csv), "parquet": str(parquet)},
    )
