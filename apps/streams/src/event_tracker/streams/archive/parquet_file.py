"""Makes Parquet, with DuckDB, as the lake does."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec

from event_tracker.streams.archive.lines import Line, encode_bytes

MEMORY_BYTES = 256 * 2**20

MAX_LINE_BYTES = 2**31 - 1
MIN_LINE_BYTES = 2**16

COPY = """
copy (
  select
    partition, "offset", "timestamp"::timestamptz as "timestamp", key, from_base64(raw_key) as raw_key, headers, value,
    from_base64(raw_value) as raw_value
  from read_json(
    $lines, format = 'newline_delimited', maximum_object_size = $longest, columns = {
      partition: 'integer', "offset": 'bigint', "timestamp": 'varchar', key: 'varchar', raw_key: 'varchar', headers: 'varchar',
      value: 'varchar', raw_value: 'varchar'
    }
  )
) to $parquet (format parquet, compression $codec)
"""

CODECS = {"none": "uncompressed", "gzip": "gzip", "zstd": "zstd"}


def encode_parquet(lines: Sequence[Line], compression: str) -> bytes:
    """A Parquet file, in the order of the lines. Headers and values are texts of JSON, raw bytes are binary."""
    with TemporaryDirectory(prefix="archive-") as name:
        folder = Path(name)
        file, parquet = folder / "lines.json", folder / "file.parquet"
        longest = 0
        with file.open("wb") as out:
            for line in lines:
                raw = {"raw_key": encode_bytes(line.raw_key), "raw_value": encode_bytes(line.raw_value)}
                longest = max(longest, out.write(msgspec.json.encode({**line._asdict(), **raw}) + b"\n"))
        with _open(folder) as database:
            # Its buffers have room for two lines of the longest size.
            most = min(MAX_LINE_BYTES, max(longest + 1, MIN_LINE_BYTES))
            given = {"lines": str(file), "parquet": str(parquet), "longest": most, "codec": CODECS[compression]}
            database.execute(COPY, given)
        return parquet.read_bytes()


def _open(folder: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB over the files of a folder, in one thread, so that the same lines make the same file."""
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{MEMORY_BYTES}B",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    database.execute("set TimeZone = 'UTC'")
    database.execute("set allowed_directories = [$folder]", {"folder": str(folder)})
    database.execute("set enable_external_access = false")
    return database
