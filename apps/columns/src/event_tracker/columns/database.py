"""Opens DuckDB with every limit set: without them it takes all cores, most of the machine's memory, and any file."""

from pathlib import Path

import duckdb


def open_database(folder: Path, *, memory_bytes: int, spill_bytes: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that reads and writes files in `folder` alone. Each question gets a cursor of it.

    Args:
        folder: exists already. `spill` in it takes what doesn't fit into memory.
        memory_bytes: the most memory of all questions together.
        spill_bytes: the most that is written to `spill`.
        threads: the most threads of all questions together.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{memory_bytes}B",
            "temp_directory": str(folder / "spill"),
            "max_temp_directory_size": f"{spill_bytes}B",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
            # The files' pages are in the system's memory already.
            "enable_external_file_cache": False,
        },
    )
    connection.execute("set global TimeZone = 'UTC'")
    # Files never change.
    connection.execute("set global parquet_metadata_cache = true")
    connection.execute("set allowed_directories = [$folder]", {"folder": str(folder)})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def measure(database: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """The bytes that a database has in memory, and those that it has spilled."""
    with database.cursor() as cursor:
        ((memory, spilled),) = cursor.execute(
            "select sum(memory_usage_bytes)::bigint, sum(temporary_storage_bytes)::bigint from duckdb_memory()"
        ).fetchall()
    return memory, spilled
