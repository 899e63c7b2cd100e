"""Rows of a Parquet file. pyarrow reads it, which is large: only who sends such files needs it (`event-tracker-cli[parquet]`)."""

from collections.abc import Collection, Iterator
from io import BufferedIOBase
from typing import Any

import click

BATCH_ROWS = 1000
"""Made to Python's objects at once. A row group, which is read as a whole, may be larger."""


def read_rows(stream: BufferedIOBase, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    """The rows, with their values by column, times in UTC.

    Raises:
        UsageError: if pyarrow isn't there, or this isn't a Parquet file of just these columns.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise click.UsageError(
            "Parquet files are read with pyarrow, which isn't installed: pip install pyarrow."
        ) from None
    if not stream.seekable():
        raise click.UsageError("A Parquet file has its table of contents at its end: name a file, not a pipe.")
    try:
        file = parquet.ParquetFile(stream)
        names = set(file.schema_arrow.names)
        if names != set(columns):
            raise click.UsageError(
                f"This Parquet file is no export of events: it has the columns {', '.join(sorted(names))[:200]}."
            )
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise click.UsageError(f"This Parquet file can't be read: {error}") from None
