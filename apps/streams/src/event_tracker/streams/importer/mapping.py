"""The mapping file: how a record becomes an event. docs/kafka-import.md describes it.

A mapping never refuses a record: what is missing is left out, and the collector says so, since it alone decides what an event is.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Message
from jmespath.exceptions import JMESPathError

from event_tracker.core.json_numbers import decode_json
from event_tracker.streams.importer.field_readers import (
    RECORD,
    UNITS,
    FieldReader,
    Read,
    convert_time,
    format_time,
    hash_id,
    make_place_id,
    read_constant,
    read_header,
    read_path,
)

TEXT_FIELDS = ("user_id", "event_type", "session_id")
"""Fields of an event that are texts. A whole number is made one."""

FIELDS = (*TEXT_FIELDS, "timestamp", "event_id")
REQUIRED = ("user_id", "event_type")
PROPERTIES = "properties"

MAX_SHOWN = 4096
"""Most characters of an unreadable record that are shown to the collector."""

_encode = msgspec.json.Encoder().encode


class InvalidMappingError(Exception):
    """The mapping file is wrong. The message has every mistake, one a line, with its place."""


class UnreadableError(Exception):
    """A record's value isn't a JSON object. The message says what is wrong."""


class EventMapping:
    """Makes events of records.

    Args:
        fields: where each field of an event comes from.
        properties: where each property comes from, or all of them.
    """

    def __init__(
        self, fields: Mapping[str, FieldReader], properties: Mapping[str, FieldReader] | FieldReader | None
    ) -> None:
        self._fields = fields
        self._properties = properties

    def make_event(self, record: Message) -> bytes:
        """The event of a record, as JSON for `POST /events`. The same record always makes the same event.

        Raises:
            UnreadableError: if the record's value isn't a JSON object.
        """
        read = Read(record, _read_object(record.value() or b""))
        event = {name: _as_field(name, reader(read)) for name, reader in self._fields.items()}
        if event.get("timestamp") is None:
            event["timestamp"] = format_time(record.timestamp()[1], "milliseconds")
        if event.get("event_id") is None:
            event["event_id"] = make_place_id(record)
        event[PROPERTIES] = self._make_properties(read)
        return _encode({name: value for name, value in event.items() if value is not None})

    def _make_properties(self, read: Read) -> Any:
        if self._properties is None or callable(self._properties):
            return self._properties and self._properties(read)
        found = {name: reader(read) for name, reader in self._properties.items()}
        return {name: value for name, value in found.items() if value is not None}


def describe_unreadable(record: Message, why: str) -> bytes:
    """What is sent in place of an event that a record isn't: the collector refuses it, and keeps it where refused events are seen."""
    value = (record.value() or b"")[:MAX_SHOWN].decode(errors="replace")
    place = {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}
    return _encode({"unreadable_record": {**place, "error": why, "value": value}})


def read_mapping(file: str) -> EventMapping:
    """Read a mapping file.

    Raises:
        InvalidMappingError: with every mistake.
    """
    try:
        with Path(file).open("rb") as opened:
            content = tomllib.load(opened)
    except OSError as error:
        raise InvalidMappingError(f"It can't be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:  # it names the line and the column
        raise InvalidMappingError(f"It isn't TOML: {error}.") from None
    return make_mapping(content)


def make_mapping(content: Mapping[str, Any]) -> EventMapping:
    """The mapping that a file's content is.

    Raises:
        InvalidMappingError: with every mistake.
    """
    mistakes = [f"{name}: Isn't a field of an event." for name in content if name not in (*FIELDS, PROPERTIES)]
    mistakes += [f"{name}: Is missing." for name in REQUIRED if name not in content]

    def attempt(path: str, make: Callable[[], FieldReader]) -> FieldReader:
        try:
            return make()
        except ValueError as error:
            mistakes.append(f"{path}: {error}")
            return read_constant(None)

    fields = {
        name: attempt(name, lambda name=name: _make_reader(content[name], name))  # type: ignore[misc]
        for name in FIELDS
        if name in content
    }
    given = content.get(PROPERTIES)
    properties: Mapping[str, FieldReader] | FieldReader | None = None
    if isinstance(given, Mapping):
        properties = {
            name: attempt(f"{PROPERTIES}.{name}", lambda value=value: _make_reader(value))  # type: ignore[misc]
            for name, value in given.items()
        }
    elif given is not None:
        properties = attempt(PROPERTIES, lambda: _make_properties_reader(given))
    if mistakes:
        raise InvalidMappingError("\n".join(mistakes))
    return EventMapping(fields, properties)


def _make_properties_reader(given: Any) -> FieldReader:
    if not isinstance(given, str):
        raise ValueError("It must be a table of properties, or the path of an object.")  # noqa: TRY004
    return _make_reader(given)


def _make_reader(given: Any, field: str = "") -> FieldReader:
    """The reader that a value of the file is.

    Raises:
        ValueError: with a sentence.
    """
    if isinstance(given, str):
        return _compile(given)
    if not isinstance(given, Mapping):
        raise ValueError("It must be a path, or a table such as {constant = 1}.")  # noqa: TRY004
    kinds = {"path": _compile, "constant": read_constant, "header": _header, "record": _record}
    options = {"timestamp": ("unit",), "event_id": ("hash",)}.get(field, ())
    if unknown := given.keys() - kinds.keys() - set(options):
        raise ValueError(f"{', '.join(sorted(unknown))} isn't known here; {', '.join([*kinds, *options])} are.")
    chosen = [name for name in kinds if name in given]
    if len(chosen) != 1:
        raise ValueError(f"It must have exactly one of {', '.join(kinds)}.")
    reader = kinds[chosen[0]](given[chosen[0]])
    if (unit := given.get("unit")) is not None:
        if unit not in list(UNITS):  # it may be anything
            raise ValueError(f"The unit must be one of {', '.join(UNITS)}.")
        reader = convert_time(reader, unit)
    if (is_hashed := given.get("hash", False)) not in (True, False):
        raise ValueError("hash must be true or false.")
    return hash_id(reader) if is_hashed else reader


def _compile(expression: Any) -> FieldReader:
    try:
        return read_path(str(expression))
    except JMESPathError as error:
        raise ValueError(f"It isn't a JMESPath expression: {str(error).splitlines()[0]}") from None


def _header(name: Any) -> FieldReader:
    if not isinstance(name, str):
        raise ValueError("The name of a header must be a text.")  # noqa: TRY004
    return read_header(name)


def _record(name: Any) -> FieldReader:
    if name not in list(RECORD):
        raise ValueError(f"A record has {', '.join(RECORD)}.")
    return RECORD[name]


def _as_field(name: str, value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and name in TEXT_FIELDS else value


def _read_object(value: bytes) -> Any:
    try:
        read = decode_json(value)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UnreadableError(f"The record's value isn't JSON: {error}.") from None
    if not isinstance(read, dict):
        raise UnreadableError("The record's value isn't a JSON object.")
    return read
