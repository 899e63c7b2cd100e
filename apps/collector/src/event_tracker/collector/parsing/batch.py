"""Splits a batch into its events, which aren't decoded here.

msgspec splits most arrays. Our own code splits what it doesn't: the lines of NDJSON, and arrays that aren't valid JSON, or have very
many commas. It takes time linear in the text, lets other requests run, and holds no more events than a request may have.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import msgspec

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.unstorable import replace_unstorable
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import EventError

Raw = bytes | msgspec.Raw

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

MAX_COMMAS = 100_000
"""An array with more commas is split by `split_array`, which holds only one element more than a request may have."""

_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
"""A string; one that isn't closed goes to the end of the text, so that no part is scanned twice."""

STRINGS_PER_PASS = 4096
"""Strings, and text between them, that are scanned before the clock is checked."""

_to_bracket, _to_bracket_or_comma = (
    re.compile(rb"(?:[^\"%b]++|%b){0,%d}+" % (marks, _STRING, STRINGS_PER_PASS), re.DOTALL).match
    for marks in (rb"\[\]{}", rb"\[\]{},")
)
"""Match the text before the next mark, or a part of it."""

_lines = re.compile(rb"\S[^\n]*").finditer

_to_value = re.compile(rb"(%b)[ \t\n\r]*:[ \t\n\r]*" % _STRING, re.DOTALL).match

WHITESPACE = b" \t\n\r"
"""JSON's whitespace; Python's has more characters."""

MARKS = b"[]{},"

CLOCK_INTERVAL = 16
"""Marks that are read before the clock is checked."""

MAX_LEVELS = 1000
"""Levels of nesting; JSON decoders accept about as many."""


class Batch(NamedTuple):
    """The events of a request, not decoded yet.

    Attributes:
        events: as JSON, not checked yet.
        is_batch: False if the body is one event, not an array or NDJSON.
        is_array: whether the body is valid JSON only if each event is.
        may_hold_nul: False if no text contains U+0000, which JSON can write only as an escape.
    """

    events: Sequence[Raw]
    is_batch: bool = True
    is_array: bool = False
    may_hold_nul: bool = True


def split_batch(body: bytes, most: int, *, ndjson: bool = False) -> Batch:
    """Split an array, or the lines of NDJSON, into the events.

    An array with a NaN, a lone surrogate or the like is split, too: the events that contain them are refused or repaired, and
    the others stored.

    Raises:
        Problem: 400 if it should be an array and isn't one, 413 if there are more than `most` events.
    """
    may_hold_nul = b"\\u0000" in body
    if ndjson:
        return Batch(_checked(split_lines(body, most), most), may_hold_nul=may_hold_nul)
    if body.count(b",") <= MAX_COMMAS:
        try:
            read = _read_list(body)
        except UNREADABLE:
            pass
        else:
            return Batch(_checked(read, most), may_hold_nul=may_hold_nul)
    try:
        body.decode()
        elements = split_array(body, most)
    except (UnicodeDecodeError, NotJsonError) as error:
        raise not_json(str(error)) from None
    return Batch(_checked(elements, most), is_array=True, may_hold_nul=may_hold_nul)


def not_json(reason: str) -> Problem:
    """The problem for a body that isn't JSON."""
    return Problem(400, "invalid_json", f"The body isn't JSON: {reason}.")


def require_readable(batch: Batch, errors: Sequence[EventError]) -> None:
    """Return if errors of events aren't errors of the whole body.

    Raises:
        Problem: 400 if the body isn't JSON, 413 if it is one event that is too large.
    """
    for error in errors if batch.is_array or not batch.is_batch else ():
        if error.code == "invalid_json":
            place = f"at {error.pointer}: " if batch.is_array else ""
            raise not_json(place + error.detail.removesuffix("."))
        if error.code == "event_too_large" and not batch.is_batch:
            raise Problem(413, "event_too_large", error.detail)


def _checked(events: Sequence[Raw], most: int) -> Sequence[Raw]:
    if len(events) > most:
        raise Problem(413, "too_many_events", f"A request may hold {most} events; this one holds more.")
    return events


class NotJsonError(Exception):
    """The text isn't a JSON array, or the object that it should be."""


def split_lines(text: bytes, most: int) -> list[bytes]:
    """The lines that aren't blank, but no more than `most` + 1 of them: the rest isn't read."""
    if text.count(b"\n") <= most:
        return [line for line in text.split(b"\n") if line.strip()]
    return [line[0] for line in islice(_lines(text), most + 1)]


def split_array(text: bytes, most: int) -> list[bytes]:
    """The elements of an array, but no more than `most` + 1 of them: the rest isn't read.

    An element has as many closing as opening brackets and isn't blank; nothing else is checked.

    Raises:
        NotJsonError: if the text isn't an array of such elements, and nothing else.
    """
    return _split(text, most, b"[]")


def split_object(text: bytes, most: int) -> dict[str, bytes]:
    """The members of an object, each as it stands there; the last one of equal names. It checks no more than `split_array` does.

    Raises:
        NotJsonError: if the text isn't an object of such members, and nothing else, or has more than `most`.
    """
    if text.lstrip(WHITESPACE)[:1] != b"{":
        raise NotJsonError("it isn't an object")
    elements = _split(text, most, b"{}")
    if len(elements) > most:
        raise NotJsonError(f"it has more than {most} members")
    members: dict[str, bytes] = {}
    for number, member in enumerate(elements):
        if not (name := _to_value(member)):
            raise NotJsonError(f"member {number} has no name")
        try:
            members[str(json.loads(replace_unstorable(name[1]), strict=False))] = member[name.end() :]
        except ValueError:
            raise NotJsonError(f"the name of member {number} isn't a string") from None
    return members


def _split(text: bytes, most: int, brackets: bytes) -> list[bytes]:
    """The parts between these brackets and the outermost commas."""
    elements: list[bytes] = []
    start = at = 0
    for at, mark in _outer_marks(text, brackets[1:]):
        if mark == brackets[:1]:
            start = at + 1
            continue
        element = text[start:at].strip(WHITESPACE)
        start = at + 1
        if element:
            elements.append(element)
            if len(elements) > most:
                return elements
        elif mark == b"," or elements:
            raise NotJsonError(f"an element is missing at byte {at}")
    if text[at + 1 :].strip(WHITESPACE):
        raise NotJsonError(f"something stands behind it at byte {at + 1}")
    return elements


def _outer_marks(text: bytes, closing: bytes) -> Iterator[tuple[int, bytes]]:
    """The positions of the outermost brackets and commas."""
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
                raise NotJsonError(f"it is nested beyond {MAX_LEVELS} levels")
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if mark != closing:
                    raise NotJsonError(f"the wrong bracket closes it at byte {at}")
                yield at, mark
                return
        elif depth == 1:
            yield at, mark
        at += 1
        if number % CLOCK_INTERVAL == 0:
            time_slice.yield_when_over()


def _next_mark(text: bytes, at: int, depth: int, time_slice: TimeSlice) -> int:
    """The position of the next bracket, or of the next comma of the outermost array.

    Raises:
        NotJsonError: if there is none.
    """
    pass_over = _to_bracket if depth > 1 else _to_bracket_or_comma
    while passed := pass_over(text, at):
        at = passed.end()
        if at == len(text):
            break
        if text[at] in MARKS:
            return at
        time_slice.yield_when_over()
    raise NotJsonError("it isn't closed")
