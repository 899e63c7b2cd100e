"""Readers of an event's fields: from a place in the record's JSON, from the record itself, or a constant."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import jmespath
from confluent_kafka import Message
from jmespath.exceptions import JMESPathError

from event_tracker.core.kafka.record_time import EPOCH
from event_tracker.model.storing.record import read_headers

PLACES = UUID("c137848f-697e-46b4-82bd-f2ea25ce0cfe")
"""The namespace of ids that are made of a record's place. It must never change: a record that is read again is the same event."""

IDS = UUID("167d8f2c-a7c5-41b1-8858-466a430392ef")
"""The namespace of ids that are made of the record's own ones. The same holds."""

UNITS = {"seconds": 1_000_000, "milliseconds": 1000, "microseconds": 1}
"""Of a number that is a time since 1970: microseconds in it."""


class Read(NamedTuple):
    """A record, and the JSON that its value is."""

    record: Message
    value: Any


FieldReader = Callable[[Read], Any]
"""Finds a field's value; None if there is none."""


def read_path(expression: str) -> FieldReader:
    """What a JMESPath expression finds in the value.

    Raises:
        JMESPathError: if it isn't one.
    """
    search = jmespath.compile(expression).search

    def find(read: Read) -> Any:
        try:
            return search(read.value)
        except JMESPathError:  # such as a function of a value that isn't of its type
            return None

    return find


def read_constant(value: Any) -> FieldReader:
    """Always the same."""
    return lambda _: value


def read_header(name: str) -> FieldReader:
    """The last header of that name."""

    def find(read: Read) -> str | None:
        found = [value for one, value in read_headers(read.record) if one == name]
        return _decode(found[-1]) if found else None

    return find


RECORD: dict[str, FieldReader] = {
    "key": lambda read: _decode(read.record.key()),
    "topic": lambda read: read.record.topic(),
    "partition": lambda read: read.record.partition(),
    "offset": lambda read: read.record.offset(),
    "timestamp": lambda read: format_time(read.record.timestamp()[1], "milliseconds"),
}
"""What the record itself has."""


def convert_time(reader: FieldReader, unit: str) -> FieldReader:
    """A number of such units since 1970 as a time. What is no number stays."""

    def find(read: Read) -> Any:
        value = reader(read)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return format_time(value, unit) or value

    return find


def hash_id(reader: FieldReader) -> FieldReader:
    """A UUID that is made of the topic and a text or a number. What is neither stays."""

    def find(read: Read) -> Any:
        value = reader(read)
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return value
        return str(uuid5(IDS, f"{read.record.topic()}\n{_storable(str(value))}"))

    return find


def make_place_id(record: Message) -> str:
    """The id of an event whose record has none."""
    return str(uuid5(PLACES, f"{record.topic()}\n{record.partition()}\n{record.offset()}"))


def format_time(number: float, unit: str) -> str | None:
    """A time since 1970 as RFC 3339; None if there is none, or no clock can show it."""
    try:
        time = EPOCH + timedelta(microseconds=round(number * UNITS[unit]))
    except (OverflowError, ValueError):
        return None
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z") if number >= 0 else None


def _decode(text: bytes | str | None) -> str | None:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _storable(text: str) -> str:
    """Without half surrogate pairs, which UTF-8 doesn't have."""
    return text.encode(errors="replace").decode()
