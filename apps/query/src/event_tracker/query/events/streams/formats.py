"""Encodes rows of events as NDJSON, CSV and Parquet, part by part.

A row is a tuple as `queries.sql` selects it: user_id, event_type, timestamp, event_id, session_id, properties as JSON text,
received_at, source.
"""

import csv
import io
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from event_tracker.query.events.event_pages import StoredEvent, make_stored_event

Rows = Sequence[tuple[Any, ...]]

COLUMNS = ("user_id", "event_type", "timestamp", "event_id", "session_id", "properties", "received_at", "source")
GROUP_ROWS = 20_000
GROUP_BYTES = 16 * 2**20
"""Limits of a row group of a Parquet file, in rows and bytes. It is held in memory until it is complete."""

GZIP_LEVEL = 1
GZIP = zlib.MAX_WBITS | 16


class Encoder(Protocol):
    """Turns rows into the bytes of one format."""

    def head(self) -> bytes:
        """The bytes before the rows."""

    def rows(self, rows: Rows) -> bytes:
        """Rows as bytes; empty if they are buffered."""

    def tail(self) -> bytes:
        """The buffered rows, and the bytes after the rows."""


class Ndjson:
    """One JSON object per line, as in GET /events."""

    content_type = "application/x-ndjson"

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode_lines

    def head(self) -> bytes:
        return b""

    def rows(self, rows: Rows) -> bytes:
        events: list[StoredEvent] = [make_stored_event(*row) for row in rows]
        return self._encode(events)

    def tail(self) -> bytes:
        return b""


class Csv:
    """RFC 4180, with a header. Values are written as they were sent: one that begins with = isn't escaped against spreadsheets."""

    content_type = "text/csv; charset=utf-8; header=present"

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)

    def head(self) -> bytes:
        self._writer.writerow(COLUMNS)
        return self._take_written()

    def rows(self, rows: Rows) -> bytes:
        # Times and ids become the texts that they are in JSON.
        self._writer.writerows(msgspec.to_builtins(rows))
        return self._take_written()

    def tail(self) -> bytes:
        return b""

    def _take_written(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


class Parquet:
    """Apache Parquet: times in UTC to the microsecond, ids and properties (JSON) as strings, compressed with zstd."""

    content_type = "application/vnd.apache.parquet"

    def __init__(self) -> None:
        import pyarrow  # 50 MB that only this format needs
        from pyarrow import parquet

        self._arrow = pyarrow
        moment = pyarrow.timestamp("us", tz="UTC")
        kinds = {"timestamp": moment, "received_at": moment}
        self._schema = pyarrow.schema(
            [pyarrow.field(name, kinds.get(name, pyarrow.string()), nullable=name == "session_id") for name in COLUMNS]
        )
        self._written = io.BytesIO()
        self._writer = parquet.ParquetWriter(_Sink(self._written), self._schema, compression="zstd")
        self._held: list[pyarrow.RecordBatch] = []
        self._held_rows = self._held_bytes = 0

    def head(self) -> bytes:
        return self._take_written()

    def rows(self, rows: Rows) -> bytes:
        if not rows:
            return b""
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns[3] = [str(event_id) for event_id in columns[3]]
        batch = self._arrow.record_batch(columns, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_rows >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._write_group()
        return self._take_written()

    def tail(self) -> bytes:
        self._write_group()
        self._writer.close()
        return self._take_written()

    def _write_group(self) -> None:
        if self._held:
            self._writer.write_table(self._arrow.Table.from_batches(self._held), row_group_size=self._held_rows)
        self._held.clear()
        self._held_rows = self._held_bytes = 0

    def _take_written(self) -> bytes:
        written = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return written


class _Sink(io.RawIOBase):
    """An append-only file whose beginning is removed once it is sent. It reports its total length to the Parquet writer."""

    def __init__(self, written: io.BytesIO) -> None:
        self._buffer = written
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Any) -> int:
        count = self._buffer.write(data)
        self._length += count
        return count


FORMATS: dict[str, type[Ndjson] | type[Csv] | type[Parquet]] = {"ndjson": Ndjson, "csv": Csv, "parquet": Parquet}
GZIPPED = ("ndjson", "csv")
"""Formats that gzip is offered for. Parquet is compressed already."""


class Gzip:
    """Compresses a stream. `flush` returns all data so far, so that a slow stream doesn't look stalled."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP)

    def compress(self, part: bytes) -> bytes:
        return self._compressor.compress(part)

    def flush(self) -> bytes:
        return self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush(zlib.Z_FINISH)
