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
        },
    )
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute("set allowed_directories = [$folder]", {"folder": str(folder)})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection
