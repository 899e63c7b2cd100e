"""Values in OTLP's JSON. Numbers are read from their text: integers of 64 bits are strings or numbers, doubles may be names."""

import base64
import binascii
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from event_tracker.collector.protocols.otlp.records import write_double

NULL = b"null"
ABSENT = msgspec.Raw(NULL)

INTEGER = re.compile(r"-?[0-9]{1,20}")
DOUBLE = re.compile(r"-?[0-9][0-9.eE+-]{0,99}")
NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})

URL_SAFE = str.maketrans("-_", "+/")


class IntegerType(NamedTuple):
    """Integers of so many bits."""

    bits: int
    least: int
    most: int


INT32, INT64 = (IntegerType(bits, -(1 << bits - 1), (1 << bits - 1) - 1) for bits in (32, 64))
UINT32, UINT64 = (IntegerType(bits, 0, (1 << bits) - 1) for bits in (32, 64))


class AnyValue(msgspec.Struct, gc=False):
    """A value: one of these is there, or none."""

    stringValue: str | None = None  # noqa: N815
    boolValue: bool | None = None  # noqa: N815
    intValue: msgspec.Raw = ABSENT  # noqa: N815
    doubleValue: msgspec.Raw = ABSENT  # noqa: N815
    arrayValue: "ArrayValue | None" = None  # noqa: N815
    kvlistValue: "KeyValueList | None" = None  # noqa: N815
    bytesValue: str | None = None  # noqa: N815


class ArrayValue(msgspec.Struct, gc=False):
    """Values in their order."""

    values: list[AnyValue | None] | None = None


class KeyValue(msgspec.Struct, gc=False):
    """A name and its value."""

    key: str = ""
    value: AnyValue | None = None


class KeyValueList(msgspec.Struct, gc=False):
    """An object."""

    values: list[KeyValue] | None = None


def read_attributes(pairs: Iterable[KeyValue] | None) -> dict[str, Any]:
    """Attributes as an object; the last one of equal names."""
    return {pair.key: read_value(pair.value) for pair in pairs or ()}


def read_value(value: AnyValue | None) -> Any:
    """A value as JSON has it: bytes as Base64, and doubles that aren't finite as their names."""
    if value is None:
        return None
    if value.arrayValue is not None:
        return [read_value(one) for one in value.arrayValue.values or ()]
    if value.kvlistValue is not None:
        return read_attributes(value.kvlistValue.values)
    if value.bytesValue is not None:
        return _normalize_base64(value.bytesValue)
    if value.intValue is not ABSENT and bytes(value.intValue) != NULL:
        return read_integer(value.intValue, INT64)
    if value.doubleValue is not ABSENT and bytes(value.doubleValue) != NULL:
        return _read_double(value.doubleValue)
    return value.boolValue if value.stringValue is None else value.stringValue


def read_integer(sent: msgspec.Raw, kind: IntegerType) -> int:
    """An integer, as a number or a string; 0 if there is none.

    Raises:
        ValueError: if it isn't one, or has more bits.
    """
    if sent is ABSENT:
        return 0
    text = _unquote(sent)
    if INTEGER.fullmatch(text) and kind.least <= (number := int(text)) <= kind.most:
        return number
    if text == "null":
        return 0
    raise ValueError(f"must be an integer of {kind.bits} bits, not {text[:40]}")


def _read_double(sent: msgspec.Raw) -> msgspec.Raw | str:
    text = _unquote(sent)
    if text in NOT_FINITE:
        return text
    number = float(text) if DOUBLE.fullmatch(text) else math.inf
    if math.isinf(number):
        raise ValueError(f"must be a double, not {text[:40]}")
    return write_double(number)


def _normalize_base64(text: str) -> str:
    """Base64 of either alphabet, padded or not, as the usual one. It is made again, since bits that mean nothing may be set."""
    try:
        plain = text.translate(URL_SAFE).rstrip("=")
        return base64.b64encode(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)).decode()
    except binascii.Error:
        raise ValueError("bytesValue must be Base64") from None


def _unquote(sent: msgspec.Raw) -> str:
    return bytes(sent).decode().strip('"')
