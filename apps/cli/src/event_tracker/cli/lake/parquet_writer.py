"""Makes Parquet files from rows that PostgreSQL wrote as CSV, and reads them back, with DuckDB."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import duckdb

from event_tracker.columns.database import open_database
from event_tracker.columns.loading.identity.persons import resolve
from event_tracker.columns.loading.identity.shared_tables import SharedTable, fill
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.lake", "parquet_writer.sql")

MEMORY_BYTES = 256 * 2**20
SPILL_BYTES = 2**40
"""What doesn't fit into memory is sorted on the disk, however much it is."""

READ_BYTES = 2**20


class ParquetWriter:
    """DuckDB over files in one folder.

    Args:
        folder: exists already.
    """

    def __init__(self, folder: Path) -> None:
        self._database = open_database(folder, memory_bytes=MEMORY_BYTES, spill_bytes=SPILL_BYTES, threads=2)

    def close(self) -> None:
        """Close DuckDB."""
        self._database.close()

    def write_events(self, csv: Sequence[Path], parquet: Path) -> int:
        """Write events as Parquet, in the order of user, time and id. Returns how many there are.

        Args:
            csv: files of at most some 64 MB, which are deleted.
        """
        pieces = []
        with self._database.cursor() as cursor:
            for file in csv:
                piece = file.with_suffix(".parquet")
                cursor.execute(QUERIES["read_events"], {"csv": str(file), "parquet": str(piece)})
                file.unlink()
                pieces.append(str(piece))
            given = {"pieces": pieces, "parquet": str(parquet)}
            ((written,),) = cursor.execute(QUERIES["write_events"], given).fetchall()
        return int(written)

    def write_links(self, csv: Sequence[Path], links: Path, persons: Path) -> tuple[int, int]:
        """Write the links, and to whom each id leads for who sees all sources. Returns the numbers of rows."""
        with self._database.cursor() as cursor:
            table, resolved = SharedTable(self._open_cursor), SharedTable(self._open_cursor)
            cursor.execute(fill(QUERIES["make_links"], links=table))
            for file in csv:
                cursor.execute(fill(QUERIES["read_links"], links=table), {"csv": str(file)})
            sources = [
                source for (source,) in cursor.execute(fill(QUERIES["sources_of_links"], links=table)).fetchall()
            ]
            resolve(cursor, table, sources, resolved)
            written = fill(QUERIES["write_links"], links=table)
            ((rows,),) = cursor.execute(written, {"parquet": str(links)}).fetchall()
            written = fill(QUERIES["write_persons"], persons=resolved)
            ((found,),) = cursor.execute(written, {"parquet": str(persons)}).fetchall()
        return int(rows), int(found)

    def count(self, parquet: Path) -> int:
        """How many rows a file has.

        Raises:
            duckdb.Error: if it isn't Parquet, or is torn.
        """
        ((rows,),) = self._database.execute(QUERIES["count_file"], {"parquet": str(parquet)}).fetchall()
        return int(rows)

    def digest(self, parquet: Path) -> tuple[int, str]:
        """How many events a file has, and the number that the table has for the same ones (EventDatabase.digest_day)."""
        ((rows, digest),) = self._database.execute(QUERIES["digest_of_file"], {"parquet": str(parquet)}).fetchall()
        return int(rows), digest

    def _open_cursor(self) -> duckdb.DuckDBPyConnection:
        return self._database.cursor()


def hash_file(file: Path) -> str:
    """Its SHA-256, in hexadecimal digits."""
    digest = sha256()
    with file.open("rb") as content:
        while data := content.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
