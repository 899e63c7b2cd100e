"""A batch as the bytes of its events, found without reading them: the elements of a JSON array, the lines of NDJSON.

Both take time linear in the text, give way to other requests, and hold no more events than a request may have.
"""

import re
from collections.abc import Iterator

from core.turns import Turn

_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
"""A string, to the end of the text if it isn't closed: so that no part of it is looked at a second time."""

_tokens = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL).finditer
_lines = re.compile(rb"\S[^\n]*").finditer

LOOKED_AT = 4096
"""Tokens between two looks at the clock."""

DEEPEST = 1000
"""Levels; readers of JSON take about as many."""


class NoArrayError(Exception):
    """The text isn't a JSON array."""


def split_lines(text: bytes, most: int) -> tuple[list[bytes], int]:
    """The first `most` lines that aren't blank, and how many there are."""
    if text.count(b"\n") <= most:
        lines = [line for line in text.split(b"\n") if line.strip()]
        return lines[:most], len(lines)
    lines = []
    count = 0
    turn = Turn()
    for count, line in enumerate(_lines(text), 1):
        if count <= most:
            lines.append(line[0])
        elif count % LOOKED_AT == 0:
            turn.give_way()
    return lines, count


def split_array(text: bytes, most: int) -> tuple[list[bytes], int]:
    """The first `most` elements of an array, and how many it has.

    An element has as many closing brackets as opening ones and isn't blank; otherwise it may be anything.

    Raises:
        NoArrayError: if the text isn't an array of such elements, and nothing else.
    """
    elements: list[bytes] = []
    count = start = at = 0
    for at, mark in _outer_marks(text):
        if mark == b"[":
            start = at + 1
            continue
        element = text[start:at].strip()
        start = at + 1
        if element:
            count += 1
            if count <= most:
                elements.append(element)
        elif mark == b"," or count:
            raise NoArrayError(f"an element is missing at byte {at}")
    if text[at + 1 :].strip():
        raise NoArrayError(f"something stands behind it at byte {at + 1}")
    return elements, count


def _outer_marks(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Where the outermost array begins, has commas, and ends."""
    depth = 0
    turn = Turn()
    for number, token in enumerate(_tokens(text)):
        at = token.start()
        mark = text[at : at + 1]
        if mark in b"[{":
            depth += 1
            if depth == 1:
                yield at, mark
            elif depth > DEEPEST:
                raise NoArrayError(f"it is nested beyond {DEEPEST} levels")
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if mark != b"]":
                    raise NoArrayError(f"the wrong bracket closes it at byte {at}")
                yield at, mark
                return
        elif depth == 1 and mark == b",":
            yield at, mark
        if number % LOOKED_AT == 0:
            turn.give_way()
    raise NoArrayError("it isn't closed")
