"""The entries of a file that is sent: lines with an event, lines that can't be sent, and requests that are left out."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

MAX_LINE_BYTES = 5 * 1024 * 1024
"""The most bytes of a request. A longer line is skipped without being read into memory."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for invalid or too deeply nested JSON."""


class EventLine(NamedTuple):
    """One event of a file.

    Attributes:
        number: its line number, from 1; the first one if the event spans several lines.
        event: the JSON to send.
        original: the content of the line, from which an event_id is made.
    """

    number: int
    event: bytes
    original: bytes


class Reason(NamedTuple):
    """Why a line is refused here, in the form of the collector's errors."""

    pointer: str
    code: str
    detail: str


class RefusedLine(NamedTuple):
    """A line that is refused here, and not sent."""

    number: int
    original: bytes
    reason: Reason


class LeftOutLine(NamedTuple):
    """A line of a log that is read, but makes no event.

    Attributes:
        kind: of its request; `no_request` if it is of none.
    """

    number: int
    kind: str


Entry = EventLine | RefusedLine | LeftOutLine
Stream = io.BufferedIOBase


def numbered_lines(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that aren't blank, stripped, with their numbers. A line that is too long is cut after 1 byte too many."""
    number = 0
    while piece := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        line = piece.removeprefix(BYTE_ORDER_MARK) if number == 1 else piece
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE_BYTES + 1)
        if line := line.strip() if len(line) <= MAX_LINE_BYTES else line:
            yield number, line


def too_long(number: int, line: bytes) -> RefusedLine:
    """The entry for a line that is too long."""
    return RefusedLine(
        number, line[:1000], Reason("", "event_too_large", f"The line is longer than {MAX_LINE_BYTES} bytes.")
    )
