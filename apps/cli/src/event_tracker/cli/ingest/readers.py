"""A file as numbered lines, each the JSON of one event; compressed or not, in any of the formats."""

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
from event_tracker.cli.ingest.parquet import read_rows

MAX_LINE_BYTES = 5 * 1024 * 1024
"""What a request may hold; a longer line is skipped without being read into memory."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FIELDS = ("user_id", "event_type", "timestamp", "event_id", "session_id")
REQUIRED = {"user_id", "event_type"}
SET_BY_COLLECTOR = ("received_at", "source")
"""What an export has of each event beside its own fields. Whoever sends one wants its events; these are told anew."""

EXPORTED = {*FIELDS, "properties", *SET_BY_COLLECTOR}
"""All that a record of an export has; of other files nothing is left out."""

JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises that isn't any, or is nested too deep."""

SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".log": "combined",
}

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading a file raises when it is unreadable or breaks off."""


class Line(NamedTuple):
    """One event of a file.

    Attributes:
        number: its line, from 1; the first of several if it spans them.
        event: the JSON to send.
        original: what stood there; an identity is made of it.
    """

    number: int
    event: bytes
    original: bytes


class Reason(NamedTuple):
    """Why a line is refused here, in the collector's terms."""

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


def format_of(name: str) -> str:
    """The format that a file's name tells.

    Raises:
        UsageError: if it tells none.
    """
    path = PurePath(name)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SUFFIXES:
        raise click.UsageError(f"The name {path.name} doesn't tell its format: add --format {'|'.join(READERS)}.")
    return SUFFIXES[suffix]


def decompressed(stream: io.BufferedReader) -> Stream:
    """The stream, or what is in it if it is gzip: its first two bytes tell, not its name."""
    return gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == b"\x1f\x8b" else stream


def _lines(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that aren't blank, stripped. Of one that is too long only the beginning: 1 byte more than is allowed."""
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
    """One JSON object a line."""
    for index, (number, line) in enumerate(_lines(stream)):
        if index == 0 and line.startswith(b"["):
            raise click.UsageError(
                "This is one JSON array; send reads one object a line: jq -c '.[]' FILE | tracker send -"
            )
        yield Line(number, _sendable(line), line) if len(line) <= MAX_LINE_BYTES else _too_long(number, line)


def _sendable(line: bytes) -> bytes:
    """A line, or of an export's what belongs to the event."""
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
    """JSON without the spaces that PostgreSQL writes: with them, an event may be larger than it was, and than it may be.

    Numbers stay as they are written.
    """
    return msgspec.json.format(json, indent=-1)


def read_combined(stream: Stream) -> Iterator[Entry]:
    """A web server's access log, in the combined or the common format."""
    for number, line in _lines(stream):
        if len(line) > MAX_LINE_BYTES:
            yield _too_long(number, line)
        elif (event := access_log.parse(line)) is None:
            yield Unreadable(
                number, line, Reason("", "invalid_log_line", "Isn't a line of a combined or common access log.")
            )
        else:
            yield Line(number, msgspec.json.encode(event), line)


def read_parquet(stream: Stream) -> Iterator[Entry]:
    """An export in Parquet; a line is one of its rows, from 1."""
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
    """Comma-separated, with a header. Columns that events don't have become properties; empty cells are left out."""
    pieces = iter(lambda: stream.readline(MAX_LINE_BYTES), b"")
    rows = csv.reader(piece.decode(errors="surrogateescape").removeprefix("\ufeff") for piece in pieces)
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
    """A row as an event.

    Raises:
        ValueError: saying what is wrong with it.
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
    "combined": read_combined,
}
