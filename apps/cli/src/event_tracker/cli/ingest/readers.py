"""Reads a file of any supported format, compressed or not, as numbered lines, each with the JSON of one event."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

import click
import msgspec

from event_tracker.cli.ingest import access_log
from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.parquet import read_rows

MAX_LINE_BYTES = 5 * 1024 * 1024
"""The most bytes of a request. A longer line is skipped without being read into memory."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FIELDS = ("user_id", "event_type", "timestamp", "event_id", "session_id")
REQUIRED = {"user_id", "event_type"}
SET_BY_COLLECTOR = ("received_at", "source")
"""Fields of an exported event that the collector sets. They are left out when an export is sent, and set again."""

EXPORTED = {*FIELDS, "properties", *SET_BY_COLLECTOR}
"""The fields of an exported record. In other files no field is left out."""

JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for invalid or too deeply nested JSON."""

SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".log": "combined",
}

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading a file raises if it is unreadable or incomplete."""


class Line(NamedTuple):
    """One event of a file.

    Attributes:
        number: its line number, from 1; the first one if the event spans several lines.
        event: the JSON to send.
        original: the content of the line, from which an identity is made.
    """

    number: int
    event: bytes
    original: bytes


class Reason(NamedTuple):
    """Why a line is refused here, in the form of the collector's errors."""

    pointer: str
    code: str
    detail: str


class Unreadable(NamedTuple):
    """A line that can't be sent."""

    number: int
    original: bytes
    reason: Reason


_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Entry = Line | Unreadable
Stream = io.BufferedIOBase
Reader = Callable[[Stream], Iterator[Entry]]
LogReader = Callable[[Stream, EventMaker], Iterator[Entry]]


def format_of(name: str) -> str:
    """The format of a file, by its name.

    Raises:
        UsageError: if the name has no known suffix.
    """
    path = PurePath(name)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SUFFIXES:
        raise click.UsageError(f"The name {path.name} doesn't tell its format: add --format {'|'.join(FORMATS)}.")
    return SUFFIXES[suffix]


def decompressed(stream: io.BufferedReader) -> Stream:
    """The stream, decompressed if its first two bytes are those of gzip, whatever the file's name."""
    return gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == b"\x1f\x8b" else stream


def _lines(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that aren't blank, stripped, with their numbers. A line that is too long is cut after 1 byte too many."""
    number = 0
    while piece := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        line = piece.removeprefix(BYTE_ORDER_MARK) if number == 1 else piece
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE_BYTES + 1)
        if line := line.strip() if len(line) <= MAX_LINE_BYTES else line:
            yield number, line


def _too_long(number: int, line: bytes) -> Unreadable:
    return Unreadable(
        number, line[:1000], Reason("", "event_too_large", f"The line is longer than {MAX_LINE_BYTES} bytes.")
    )


def read_ndjson(stream: Stream) -> Iterator[Entry]:
    """Read one JSON object a line."""
    for index, (number, line) in enumerate(_lines(stream)):
        if index == 0 and line.startswith(b"["):
            raise click.UsageError(
                "This is one JSON array; send reads one object a line: jq -c '.[]' FILE | tracker send -"
            )
        yield Line(number, _sendable(line), line) if len(line) <= MAX_LINE_BYTES else _too_long(number, line)


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


def read_combined(stream: Stream, maker: EventMaker) -> Iterator[Entry]:
    """Read a web server's access log, in the combined or the common format."""
    for number, line in _lines(stream):
        if len(line) > MAX_LINE_BYTES:
            yield _too_long(number, line)
        elif (request := access_log.parse(line)) is None:
            yield Unreadable(
                number, line, Reason("", "invalid_log_line", "Isn't a line of a combined or common access log.")
            )
        elif event := maker.make(request):
            yield Line(number, event, line)


def read_parquet(stream: Stream) -> Iterator[Entry]:
    """Read an export in Parquet. The line numbers are those of rows, from 1."""
    for number, row in enumerate(read_rows(stream, EXPORTED), 1):
        event: dict[str, object] = {name: row[name] for name in FIELDS if row[name] is not None}
        try:
            event["properties"] = msgspec.Raw(_compact(str(row["properties"]).encode()))
        except JSON_ERRORS:
            original = repr(row).encode()
            yield Unreadable(number, original, Reason("/properties", "invalid_json", "The properties aren't JSON."))
        else:
            line = msgspec.json.encode(event)
            yield Line(number, line, line)


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
            yield Unreadable(number, b"", Reason("", "invalid_csv_row", f"Isn't CSV: {error}."))
        else:
            if row:
                yield _csv_line(number, header, row)


def _csv_line(number: int, header: list[str], row: list[str]) -> Entry:
    original = ",".join(row).encode(errors="surrogateescape")
    try:
        event = msgspec.json.encode(_row_event(header, row))
    except UnicodeError:
        return Unreadable(number, original, Reason("", "invalid_csv_row", "Isn't UTF-8."))
    except ValueError as error:
        return Unreadable(number, original, Reason("", "invalid_csv_row", str(error)))
    return Line(number, event, event)


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


READERS: dict[str, Reader] = {
    "ndjson": read_ndjson,
    "csv": read_csv,
    "parquet": read_parquet,
}
"""Formats of events."""

LOG_READERS: dict[str, LogReader] = {"combined": read_combined}
"""Formats of web servers' logs: their lines are requests, of which an `EventMaker` makes events."""

FORMATS = [*READERS, *LOG_READERS]
