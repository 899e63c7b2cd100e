"""The contents of a truth file, and the comparison of an answer with it."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

TOLERANCE = 1e-6
"""The relative and absolute tolerance: shares and seconds are rounded."""


class Request(msgspec.Struct, omit_defaults=True):
    """A request to the query service. A parameter with a list of values is repeated."""

    method: str
    path: str
    params: dict[str, Any] = {}  # msgspec copies it for each instance
    body: dict[str, Any] | None = None


class Check(msgspec.Struct):
    """A request and its expected answer. Members of the answer that `answer` doesn't have aren't compared."""

    name: str
    request: Request
    answer: dict[str, Any]


class Truth(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """A run of a scenario, with known facts about it, and the checks of answers about it.

    Attributes:
        start, end: the range of its events, [start, end), in RFC 3339.
    """

    scenario: str
    seed: int
    start: str
    end: str
    tz: str
    facts: dict[str, Any]
    checks: list[Check]


def differences(expected: Any, got: Any, where: str = "") -> Iterator[str]:
    """Describe each difference from the expected answer in one line."""
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
    """Whether two texts are the same time with the same offset: Z and +00:00 are equal."""
    try:
        one, other = msgspec.convert(expected, datetime), msgspec.convert(got, datetime)
    except msgspec.ValidationError:
        return False
    return one.tzinfo is not None and one.isoformat() == other.isoformat()


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
