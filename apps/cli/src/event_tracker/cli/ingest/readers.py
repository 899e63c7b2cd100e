"""Reads a file of events (NDJSON, CSV, an export in Parquet) as numbered lines, each with the JSON of one event."""

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import click
import msgspec

from event_tracker.cli.ingest.entries import (
    JSON_ERRORS,
    MAX_LINE_BYTES,
    Entry,
    EventLine,
    Reason,
    RefusedLine,
    Stream,
    numbered_lines,
    too_long,
)
from event_tracker.cli.ingest.logs.read import LogReader, explain, has_log_columns
from event_tracker.cli.ingest.parquet import read_rows

FIELDS = ("user_id", "event_type", "timestamp", "event_id", "session_id")
REQUIRED = {"user_id", "event_type"}
SET_BY_COLLECTOR = ("received_at", "source")
"""Fields of an exported event that the collector sets. They are left out when an export is sent, and set again."""

EXPORTED = {*FIELDS, "properties", *SET_BY_COLLECTOR}
"""The fields of an exported record. In other files no field is left out."""

_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Reader = Callable[[Stream], Iterator[Entry]]


def read_ndjson(stream: Stream) -> Iterator[Entry]:
    """Read one JSON object a line."""
    for index, (number, line) in enumerate(numbered_lines(stream)):
        if index == 0 and line.startswith(b"["):
            raise click.UsageError(
                "This is one JSON array; send reads one object a line: jq -c '.[]' FILE | tracker send -"
            )
        if len(line) > MAX_LINE_BYTES:
            yield too_long(number, line)
        elif b'"event_type"' not in line and (why := explain("Isn't an event.", line)) != "Isn't an event.":
            yield RefusedLine(number, line, Reason("", "not_an_event", why))
        else:
            yield EventLine(number, _sendable(line), line)


def _sendable(line: bytes) -> bytes:
    """The line, without the fields that the collector sets if it is from an export."""
    if b'"received_at"' not in line:
        return line
    try:
        members = _read_members(line)
    except JSON_ERRORS:
        return line
    if members.keys() != EXPORTED:
        return line
    return _compact(
        msgspec.json.encode({name: value for name, value in members.items() if name not in SET_BY_COLLECTOR})
    )


def _compact(json: bytes) -> bytes:
    """Remove the spaces that PostgreSQL writes. With them an event could exceed the size limit, though it didn't originally.

    Numbers stay as they are written.
    """
    return msgspec.json.format(json, indent=-1)


def read_parquet(stream: Stream, logs: LogReader) -> Iterator[Entry]:
    """Read an export in Parquet, or CloudFront's log. The line numbers are those of rows, from 1."""
    rows = read_rows(stream, lambda names: names == EXPORTED or has_log_columns(names))
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    yield from _exported_rows(rows) if first.keys() == EXPORTED else logs.read_rows(rows)


def _exported_rows(rows: Iterator[dict[str, Any]]) -> Iterator[Entry]:
    for number, row in enumerate(rows, 1):
        event: dict[str, object] = {name: row[name] for name in FIELDS if row[name] is not None}
        try:
            event["properties"] = msgspec.Raw(_compact(str(row["properties"]).encode()))
        except JSON_ERRORS:
            original = repr(row).encode()
            yield RefusedLine(number, original, Reason("/properties", "invalid_json", "The properties aren't JSON."))
        else:
            line = msgspec.json.encode(event)
            yield EventLine(number, line, line)


def read_csv(stream: Stream) -> Iterator[Entry]:
    """Read CSV with a header. Columns that aren't fields of events become properties. Empty cells are left out."""
    lines = iter(lambda: stream.readline(MAX_LINE_BYTES), b"")
    rows = csv.reader(line.decode(errors="surrogateescape").removeprefix("\ufeff") for line in lines)
    header = [name.strip() for name in next(rows, [])]
    if missing := REQUIRED - set(header):
        raise click.UsageError(
            f"The CSV header lacks {', '.join(sorted(missing))}; it has {', '.join(header)[:200] or 'nothing'}."
        )
    if len(set(header)) < len(header):
        raise click.UsageError("The CSV header names a column twice.")
    while True:
        number = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield RefusedLine(number, b"", Reason("", "invalid_csv_row", f"Isn't CSV: {error}."))
        else:
            if row:
                yield _csv_line(number, header, row)


def _csv_line(number: int, header: list[str], row: list[str]) -> Entry:
    original = ",".join(row).encode(errors="surrogateescape")
    try:
        event = msgspec.json.encode(_row_event(header, row))
    except UnicodeError:
        return RefusedLine(number, original, Reason("", "invalid_csv_row", "Isn't UTF-8."))
    except ValueError as error:
        return RefusedLine(number, original, Reason("", "invalid_csv_row", str(error)))
    return EventLine(number, event, event)


def _row_event(header: list[str], row: list[str]) -> dict[str, object]:
    """Convert a row to an event.

    Raises:
        ValueError: if it isn't valid. The message says why.
    """
    if len(row) != len(header):
        raise ValueError(f"Has {len(row)} cells where the header names {len(header)}.")
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell}
    if set(header) == EXPORTED:
        for name in SET_BY_COLLECTOR:
            cells.pop(name, None)
        with suppress(*JSON_ERRORS):
            cells["properties"] = _compact(cells.get("properties", "{}").encode()).decode()
    event: dict[str, object] = {name: cells.pop(name) for name in FIELDS if name in cells}
    if "properties" in cells:
        try:
            event["properties"] = _read_members(cells.pop("properties")) | cells
        except JSON_ERRORS:
            raise ValueError("The column properties must hold a JSON object.") from None
    elif cells:
        event["properties"] = cells
    return event


EVENT_READERS: dict[str, Reader] = {"ndjson": read_ndjson, "csv": read_csv}
"""By the name that `--format` takes. Parquet may be a log, so its reader takes a LogReader, too."""
