"""Loads visits of 13 months: DuckDB invents them, COPY stores them.

The key of `events` is made once they are there, which takes a fraction of the time that its growth takes. Its index is the denser for
that; no question of analytics reads it.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg

from bench import BENCH
from bench.postgres import Postgres

SQL = BENCH / "sql"

DAYS = 400
"""The visits are of 395 days."""

COPY = (
    'copy events (user_id, "timestamp", event_id, event_type, session_id, source, properties) from stdin (format csv)'
)
WITHOUT_KEY = "alter table events drop constraint events_pkey"
WITH_KEY = 'alter table events add constraint events_pkey primary key (user_id, "timestamp", event_id)'

PART_BYTES = 2**20


def copy_visits(postgres: Postgres, database: str, events: int, *, three_sources: bool) -> None:
    """Store visits in a database whose tables are empty, with all that the insert keeps beside them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection,
    ):
        csv = Path(folder) / "visits.csv"
        _write_visits(csv, events, three_sources=three_sources)
        connection.execute(WITHOUT_KEY)
        with csv.open("rb") as file, connection.cursor().copy(COPY) as copy:
            while part := file.read(PART_BYTES):
                copy.write(part)
        connection.execute(WITH_KEY)
        connection.execute((SQL / "load_visits.sql").read_bytes())


def _write_visits(csv: Path, events: int, *, three_sources: bool) -> None:
    given = {"events": events, "three": three_sources, "csv": str(csv), "today": f"{datetime.now(UTC):%Y-%m-%d}"}
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(csv.parent / "spill")}) as connection:
        connection.execute((SQL / "visits.sql").read_text(), given)
