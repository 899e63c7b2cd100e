"""Makes files of columns from a file of the lake: the same as from rows of PostgreSQL.

The lake has properties as PostgreSQL writes them. What rows.sql makes of these there is made here of the same text: no number is read as
a number, so that all its digits stay.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import msgspec

from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.server.cooperation import TimeSlice

QUERIES = load_queries("event_tracker.columns.loading.archived", "converter.sql")

BATCH_ROWS = 2000
CSV_BYTES = 64 * 2**20
"""DuckDB has all that it has read of a CSV file in memory."""

decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
decode_text = msgspec.json.Decoder(str).decode
encode = msgspec.json.encode


def write_csv(
    cursor: duckdb.DuckDBPyConnection, file: Path, source: str, paths: Iterator[Path], deadline: Deadline
) -> Iterator[Path]:
    """Write one source's events of a file of the lake as CSV, with the columns of rows.sql.

    Args:
        cursor: nothing else uses it.
        paths: where to write: a file of at most some CSV_BYTES each.

    Returns:
        Each file once it is written; the next is written when it was used. There is none if the source has no events.
    """
    select = partial(cursor.execute, QUERIES["select_events"], {"file": str(file), "source": source})
    run_in_thread(select, deadline, cursor)
    time_slice = TimeSlice()
    while True:
        path = next(paths)
        with path.open("wb") as out:
            is_over = _write_piece(cursor, out, deadline, time_slice)
            written = out.tell()
        if written:
            yield path
        if is_over:
            return


def _write_piece(cursor: duckdb.DuckDBPyConnection, out: BinaryIO, deadline: Deadline, time_slice: TimeSlice) -> bool:
    """Write rows until the file is full. Returns whether there are no more."""
    written = 0
    while written < CSV_BYTES:
        deadline.check()
        rows = run_in_thread(partial(cursor.fetchmany, BATCH_ROWS), deadline, cursor)
        if not rows:
            return True
        for row in rows:
            written += out.write(_line(row))
            time_slice.yield_when_over()
    return False


def _line(row: Sequence[Any]) -> bytes:
    """An event as `copy … to stdout (format csv)` writes it: null is nothing, and an empty text is quoted."""
    micros, received_at, event_id, user_id, event_type, session_id, source, properties = row
    texts, nested = split_properties(properties)
    values = (event_id, user_id, event_type, session_id, source, texts, nested)
    return f"{micros},{received_at},{','.join(map(_quote, values))}\n".encode()


def _quote(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def split_properties(properties: str) -> tuple[str, str | None]:
    """The columns `properties` and `nested` of rows.sql, from the text that PostgreSQL writes for the same JSON."""
    texts: dict[str, str | None] = {}
    nested: list[str] = []
    for name, raw in decode_members(properties).items():
        text = bytes(raw).decode()
        if text[0] == '"':
            texts[name] = decode_text(raw)
        else:
            texts[name] = None if text == "null" else text
            if text[0] in "{[":
                nested.append(f"{encode(name).decode()}: {text}")
    return encode(texts).decode(), f"{{{', '.join(nested)}}}" if nested else None
