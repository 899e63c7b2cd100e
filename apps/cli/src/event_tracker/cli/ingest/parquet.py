"""Reads the rows of a Parquet file with pyarrow. It is large, so it is an extra: `event-tracker-cli[parquet]`."""

from collections.abc import Callable, Iterator
from io import BufferedIOBase
from typing import Any

import click

BATCH_ROWS = 1000
"""Rows converted to Python objects at once. pyarrow reads a whole row group, which may be larger."""


def read_rows(stream: BufferedIOBase, is_known: Callable[[set[str]], bool]) -> Iterator[dict[str, Any]]:
    """Yield the rows: values by column, times in UTC.

    Args:
        is_known: tells by the names of the columns whether the file can be sent.

    Raises:
        UsageError: if pyarrow isn't installed, or this isn't a Parquet file with known columns.
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
        if not is_known(names):
            raise click.UsageError(
                "This Parquet file is neither an export of events nor a log of CloudFront: "
                f"it has the columns {', '.join(sorted(names))[:200]}."
            )
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise click.UsageError(f"This Parquet file can't be read: {error}") from None
