"""Makes Parquet files from rows that PostgreSQL wrote as CSV, and reads them back, with DuckDB."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from event_tracker.columns.database import open_database
from event_tracker.columns.loading.identity.persons import resolve
from event_tracker.columns.loading.identity.shared_tables import SharedTable, fill
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.lake", "parquet_writer.sql")

MEMORY_BYTES = 256 * 2**20
SPILL_BYTES = 2**40
"""What doesn't fit into memory is sorted on the disk, however much it is."""


class ErasedId(NamedTuple):
    """An id whose archived events are to be erased.

    Attributes:
        sources: of these alone; None is all.
    """

    user_id: str
    sources: list[str] | None


class EventsDigest(NamedTuple):
    """A number of events, and a number that is another one if any value of any of them is."""

    events: int
    digest: str


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

    def write_events(self, csv: Sequence[Path], parquet: Path, archived: Sequence[Path] = ()) -> int:
        """Write events as Parquet, in the order of user, time and id. Returns how many there are.

        Args:
            csv: files of at most some 64 MB, which are deleted.
            archived: Parquet files whose events are written, too.
        """
        pieces = [str(file) for file in archived]
        with self._database.cursor() as cursor:
            for file in csv:
                piece = file.with_suffix(".parquet")
                cursor.execute(QUERIES["read_events"], {"csv": str(file), "parquet": str(piece)})
                file.unlink()
                pieces.append(str(piece))
            given = {"pieces": pieces, "parquet": str(parquet)}
            ((written,),) = cursor.execute(QUERIES["write_events"], given).fetchall()
        return int(written)

    def keep_archived(self, former: Path, sources: Sequence[str], parquet: Path) -> None:
        """Write the events that a file of the lake has of some sources."""
        given = {"former": str(former), "sources": list(sources), "parquet": str(parquet)}
        self._database.execute(QUERIES["keep_archived"], given)

    def count_erased(self, parquet: Path, sources: Sequence[str], erased: Sequence[ErasedId]) -> dict[str, int]:
        """How many events of erased people a file has of some sources, by source."""
        self._database.execute(QUERIES["make_erased"], _pairs(erased))
        given = {"parquet": str(parquet), "sources": list(sources)}
        return dict(self._database.execute(QUERIES["count_erased"], given).fetchall())

    def write_without_erased(self, former: Path, sources: Sequence[str], parquet: Path) -> int:
        """Write a file again without those that `count_erased` has counted last. Returns how many events are left."""
        given = {"former": str(former), "sources": list(sources), "parquet": str(parquet)}
        ((written,),) = self._database.execute(QUERIES["write_without_erased"], given).fetchall()
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

    def digest(self, parquet: Path, archived: Sequence[str] = ()) -> dict[str, EventsDigest]:
        """Digests of a file's events by source, without archived sources. The table has the same ones for the same events
        (EventDatabase.digest_day).

        Raises:
            duckdb.Error: if it isn't Parquet of events.
        """
        given = {"parquet": str(parquet), "without": list(archived)}
        rows = self._database.execute(QUERIES["digest_of_file"], given).fetchall()
        return {source: EventsDigest(*row) for source, *row in rows}

    def _open_cursor(self) -> duckdb.DuckDBPyConnection:
        return self._database.cursor()


def _pairs(erased: Sequence[ErasedId]) -> dict[str, list[str | None]]:
    pairs = [(one.user_id, source) for one in erased for source in ([None] if one.sources is None else one.sources)]
    return {"user_ids": [user_id for user_id, _ in pairs], "of_sources": [source for _, source in pairs]}
