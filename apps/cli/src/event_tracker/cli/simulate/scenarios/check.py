"""What a file of truth is made of, and how an answer is held against it."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

TOLERANCE = 1e-6
"""Relative and absolute: shares and seconds are rounded somewhere on the way."""


class Request(msgspec.Struct, omit_defaults=True):
    """What to ask the query service: by POST if there is a body. A list among the parameters repeats one."""

    method: str
    path: str
    params: dict[str, Any] = {}  # msgspec copies it for each instance
    body: dict[str, Any] | None = None


class Check(msgspec.Struct):
    """A question, and what must be in its answer. Members that `answer` doesn't name may be anything."""

    name: str
    request: Request
    answer: dict[str, Any]


class Truth(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """A run of a scenario, whatever is known of it (`facts`), and what can be asked about it.

    Attributes:
        start, end: RFC 3339; it has happened in [start, end).
    """

    scenario: str
    seed: int
    start: str
    end: str
    tz: str
    facts: dict[str, Any]
    checks: list[Check]


def differences(expected: Any, got: Any, where: str = "") -> Iterator[str]:
    """One line for each place where the answer isn't as it must be."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name, value in expected.items():
            place = f"{where}.{name}" if where else name
            if name in got:
                yield from differences(value, got[name], place)
            else:
                yield f"{place}: expected {_shown(value)}, got nothing"
    elif isinstance(expected, list) and isinstance(got, list):
        for number, (one, other) in enumerate(zip(expected, got, strict=False)):
            yield from differences(one, other, f"{where}[{number}]")
        if len(expected) != len(got):
            yield f"{where}: expected {len(expected)} entries, got {len(got)}"
    elif not _same(expected, got):
        yield f"{where}: expected {_shown(expected)}, got {_shown(got)}"


def _same(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return math.isclose(expected, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(expected, str) and isinstance(got, str):
        return expected == got or _same_moment(expected, got)
    return bool(expected == got)


def _same_moment(expected: str, got: str) -> bool:
    """Whether two texts are one time at one offset: a Z and +00:00 are the same."""
    try:
        one, other = msgspec.convert(expected, datetime), msgspec.convert(got, datetime)
    except msgspec.ValidationError:
        return False
    return one.tzinfo is not None and one.isoformat() == other.isoformat()


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
