"""Writes the rows of a statement as JSON or CSV: each type of DuckDB as a value that is right in JSON.

booleans, whole numbers      as they are, with all digits
FLOAT, DOUBLE                numbers; what JSON has no number for is "NaN", "Infinity" or "-Infinity"
DECIMAL                      numbers with all digits
JSON, and all nested types   objects and arrays
TIMESTAMP WITH TIME ZONE     RFC 3339
all others                   texts as DuckDB writes them: dates, times, intervals, UUIDs, enums, bits; bytes as \\xNN
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from event_tracker.query.sql.sandbox.messages import Column

NUMBERS = re.compile("BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE")
NESTED = re.compile(r"(STRUCT|MAP|UNION)\(.*|VARIANT|.*\]", re.DOTALL)
ZONED = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(:\d\d)?(?::\d\d)?")

encode = msgspec.json.Encoder().encode


def select_value(name: str, kind: str) -> str:
    """The expression that reads a column of this type."""
    if NUMBERS.fullmatch(kind):
        return name
    return f"to_json({name})::varchar" if NESTED.fullmatch(kind) else f"{name}::varchar"


def make_readers(columns: list[Column]) -> list[Callable[[Any], Any]]:
    """For each column, the function that makes JSON's value of what `select_value` reads, null aside."""
    return [_reader(column.type) for column in columns]


def _reader(kind: str) -> Callable[[Any], Any]:
    if kind in ("FLOAT", "DOUBLE"):
        return _finite
    if kind.startswith("DECIMAL"):
        return lambda text: msgspec.Raw(text.encode())
    if NUMBERS.fullmatch(kind):
        return _whole
    if kind == "JSON" or NESTED.fullmatch(kind):
        return _document
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _moment
    return lambda text: text


def _whole(value: Any) -> Any:
    # msgspec writes no whole numbers beyond 64 bits.
    return value if isinstance(value, bool) or -(2**63) <= value < 2**64 else msgspec.Raw(str(value).encode())


def _finite(value: float) -> Any:
    return value if math.isfinite(value) else _name_constant(repr(value))


def _name_constant(text: str) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text)


def _document(text: str) -> Any:
    """DuckDB reads and writes JSON that isn't quite such: NaN, a comma at an end. It is read, and written again."""
    try:
        document = json.loads(text, parse_constant=_name_constant, parse_float=_number)
        written = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return msgspec.Raw(written.encode())
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> Any:
    return _finite(float(text))


def _moment(text: str) -> str:
    found = ZONED.fullmatch(text)
    if not found:  # infinity, and years before 1 or after 9999
        return text
    day, time, hours, minutes = found.groups()
    offset = f"{hours}{minutes or ':00'}"
    return f"{day}T{time}{'Z' if offset == '+00:00' else offset}"
