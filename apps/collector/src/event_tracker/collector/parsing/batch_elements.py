"""A batch as the bytes of its events, found without reading them: the elements of a JSON array, the lines of NDJSON.

Both take time linear in the text, give way to other requests, and hold no more events than a request may have.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import msgspec

from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice

Raw = bytes | msgspec.Raw

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

MOST_COMMAS = 100_000
"""An array with more is split by `split_array`, which holds one element more than a request may have."""

_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
"""A string, to the end of the text if it isn't closed: so that no part of it is looked at a second time."""

STRINGS_PER_PASS = 4096
"""Strings, and what stands between them, that are passed over between two looks at the clock."""

_to_bracket, _to_bracket_or_comma = (
    re.compile(rb"(?:[^\"%b]++|%b){0,%d}+" % (marks, _STRING, STRINGS_PER_PASS), re.DOTALL).match
    for marks in (rb"\[\]{}", rb"\[\]{},")
)
"""Pass over what stands before the next mark, or a part of it."""

_lines = re.compile(rb"\S[^\n]*").finditer

WHITESPACE = b" \t\n\r"
"""What JSON has between values; Python's own is more."""

MARKS = b"[]{},"

CLOCK_INTERVAL = 16
"""Marks between two looks at the clock."""

MAX_LEVELS = 1000
"""Levels; readers of JSON take about as many."""


class Batch(NamedTuple):
    """The events of a request, not read yet.

    Attributes:
        events: as JSON, as far as is known.
        is_batch: False if it is one event, and no array or NDJSON.
        is_array: whether the body is JSON only if each event is.
        may_hold_nul: whether a text in it could have the character U+0000, which JSON can only write as an escape.
    """

    events: Sequence[Raw]
    is_batch: bool = True
    is_array: bool = False
    may_hold_nul: bool = False


class NotAnArrayError(Exception):
    """The text isn't a JSON array."""


def split_body(body: bytes, most: int, *, ndjson: bool = False) -> Batch:
    """The events of a body.

    An array that holds a NaN, a lone surrogate or the like is split as well: the events that do are refused or mended, their
    neighbours stored.

    Raises:
        Problem: 400 if it begins like an array and isn't one, 413 if there are more than `most`.
    """
    may_hold_nul = b"\\u0000" in body
    if ndjson:
        return Batch(_checked(split_lines(body, most), most), may_hold_nul=may_hold_nul)
    if body.lstrip(WHITESPACE)[:1] != b"[":
        return Batch([body], False, False, may_hold_nul)  # by position: single events are most requests
    if body.count(b",") <= MOST_COMMAS:
        try:
            read = _read_list(body)
        except UNREADABLE:
            pass
        else:
            return Batch(_checked(read, most), may_hold_nul=may_hold_nul)
    try:
        body.decode()
        elements = split_array(body, most)
    except (UnicodeDecodeError, NotAnArrayError) as error:
        raise not_json(str(error)) from None
    return Batch(_checked(elements, most), is_array=True, may_hold_nul=may_hold_nul)


def not_json(reason: str) -> Problem:
    """What answers a body that isn't JSON."""
    return Problem(400, "invalid_json", f"The body isn't JSON: {reason}.")


def _checked(events: Sequence[Raw], most: int) -> Sequence[Raw]:
    if len(events) > most:
        raise Problem(413, "too_many_events", f"A request may hold {most} events; this one holds more.")
    return events


def split_lines(text: bytes, most: int) -> list[bytes]:
    """The lines that aren't blank, or one more than `most` of them: what stands behind isn't looked at."""
    if text.count(b"\n") <= most:
        return [line for line in text.split(b"\n") if line.strip()]
    return [line[0] for line in islice(_lines(text), most + 1)]


def split_array(text: bytes, most: int) -> list[bytes]:
    """The elements of an array, or one more than `most` of them: what stands behind isn't looked at.

    An element has as many closing brackets as opening ones and isn't blank; otherwise it may be anything.

    Raises:
        NoArrayError: if the text isn't an array of such elements, and nothing else.
    """
    elements: list[bytes] = []
    start = at = 0
    for at, mark in _outer_marks(text):
        if mark == b"[":
            start = at + 1
            continue
        element = text[start:at].strip(WHITESPACE)
        start = at + 1
        if element:
            elements.append(element)
            if len(elements) > most:
                return elements
        elif mark == b"," or elements:
            raise NotAnArrayError(f"an element is missing at byte {at}")
    if text[at + 1 :].strip(WHITESPACE):
        raise NotAnArrayError(f"something stands behind it at byte {at + 1}")
    return elements


def _outer_marks(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Where the outermost array begins, has commas, and ends."""
    depth = at = 0
    time_slice = TimeSlice()
    for number in count():
        at = _next_mark(text, at, depth, time_slice)
        mark = text[at : at + 1]
        if mark in b"[{":
            depth += 1
            if depth == 1:
                yield at, mark
            elif depth > MAX_LEVELS:
                raise NotAnArrayError(f"it is nested beyond {MAX_LEVELS} levels")
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if mark != b"]":
                    raise NotAnArrayError(f"the wrong bracket closes it at byte {at}")
                yield at, mark
                return
        elif depth == 1:
            yield at, mark
        at += 1
        if number % CLOCK_INTERVAL == 0:
            time_slice.yield_when_over()


def _next_mark(text: bytes, at: int, depth: int, time_slice: TimeSlice) -> int:
    """Where the next bracket is, or comma of the outermost array.

    Raises:
        NoArrayError: if there is none.
    """
    pass_over = _to_bracket if depth > 1 else _to_bracket_or_comma
    while passed := pass_over(text, at):
        at = passed.end()
        if at == len(text):
            break
        if text[at] in MARKS:
            return at
        time_slice.yield_when_over()
    raise NotAnArrayError("it isn't closed")
