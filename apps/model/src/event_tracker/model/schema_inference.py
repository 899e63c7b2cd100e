"""Infers a schema from what a source's events of a type have in common.

The schema accepts every event that it was made from, and the same events always give the same schema. Where events differ
too much, it says less: a person who knows what the events mean reviews it.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import jsonschema_rs
import psycopg

from event_tracker.core.json_numbers import decode_json
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.schema_rules import DIALECT, InvalidSchemaError, examine

QUERIES = load_queries("event_tracker.model", "schema_inference.sql")

DAYS = 90
SAMPLE = 5000
MAX_SAMPLE = 50_000

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of properties that are read, of however many events."""

ROWS = 32
"""Rows received at once."""

MAX_READ = 1_000_000
"""Events of all types that may be read to find those of one type. One hour is always read."""

_OF_USER_AGENT = {"$browser", "$os", "$device", "$device_type"}
_OF_ADDRESS = {"$country", "$region", "$city", "$latitude", "$longitude", "$network"}
ADDED = frozenset({*_OF_USER_AGENT, *_OF_ADDRESS, "$source", "$channel"})
"""Properties that collectors add (setting ENRICH). Events are checked without them."""

MAX_MEMBERS = 100
"""In an object with more names than this, the names are taken for data."""

MAX_VALUES = 10
"""At most so many different texts, each seen `EACH` times on average, become an `enum`."""
EACH = 10
LONGEST_VALUE = 50

DEPTHS = (8, 4, 2, 1, 0)
"""How deep a proposal describes properties; a smaller depth is tried if the schema is too large."""

FORMATS = {
    name: jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid
    for name in ("uuid", "date-time", "date", "email", "ipv4", "uri")
}
"""The checks of formats are those of events. Of several formats that match, the first is used."""


class Proposal(NamedTuple):
    """A schema, and how many events it was made from."""

    schema: dict[str, Any]
    events: int


def infer_schema(connection: psycopg.Connection, source: str, event_type: str, sample: int = SAMPLE) -> Proposal | None:
    """Infer a schema from a source's newest events of a type, of the last 90 days; None if there are none.

    Args:
        sample: most events that are read; fewer if their properties exceed MAX_BYTES.
    """
    return propose(_stream_newest(connection, {"source": source, "event_type": event_type}, sample))


def _stream_newest(connection: psycopg.Connection, key: dict[str, Any], sample: int) -> Iterator[dict[str, Any]]:
    """The events' properties as they arrive: together they may be too large for memory."""
    parameters = {**key, "sample": sample, "days": DAYS, "most_read": MAX_READ}
    left = MAX_BYTES
    for (hour,) in connection.execute(QUERIES["recent_hours"], parameters).fetchall():
        arriving = connection.cursor().stream(
            QUERIES["events_of_hour"], {**key, "hour": hour, "limit": sample}, size=ROWS
        )
        with closing(arriving):  # type: ignore[type-var]  # it is a generator, which ends the statement
            for (text,) in arriving:
                left -= len(text)
                if left < 0:
                    return
                sample -= 1
                properties: dict[str, Any] = decode_json(text)
                yield {name: value for name, value in properties.items() if name not in ADDED}
        if sample <= 0:
            return


def propose(properties: Iterable[dict[str, Any]]) -> Proposal | None:
    """The strictest schema that all of these properties fit; None if there are none. Lets other requests run meanwhile."""
    seen = _Observations()
    events = 0
    time_slice = TimeSlice()
    for one in properties:
        seen.add(one)
        events += 1
        time_slice.yield_when_over()
    return Proposal(_describe(seen), events) if events else None


def _describe(seen: "_Observations") -> dict[str, Any]:
    for depth in DEPTHS:
        schema = {"$schema": DIALECT, **seen.describe(depth)}
        try:
            return examine(schema).schema
        except InvalidSchemaError:  # too large
            continue
    return {"$schema": DIALECT, "type": "object"}


class _Observations:
    """The values seen at one place in the events."""

    def __init__(self) -> None:
        self.types: dict[str, int] = {}
        self.texts: set[str] | None = set()
        self.formats = list(FORMATS)
        self.members: dict[str, _Observations] | None = {}
        self.items: _Observations | None = None

    def add(self, value: Any) -> None:
        type_ = _type_of(value)
        self.types[type_] = self.types.get(type_, 0) + 1
        match value:
            case str():
                self._add_text(value)
            case dict():
                self._add_object(value)
            case list():
                for item in value:
                    self.items = self.items or _Observations()
                    self.items.add(item)

    def _add_text(self, text: str) -> None:
        self.formats = [name for name in self.formats if FORMATS[name](text) and _is_plain(name, text)]
        if self.texts is not None:
            self.texts.add(text)
            if len(self.texts) > MAX_VALUES or len(text) > LONGEST_VALUE:
                self.texts = None

    def _add_object(self, members: dict[str, Any]) -> None:
        if self.members is None:
            return
        for name, member in members.items():
            self.members.setdefault(name, _Observations()).add(member)
        if len(self.members) > MAX_MEMBERS:
            self.members = None

    def describe(self, depth: int) -> dict[str, Any]:
        """The schema of the values, with those in objects and arrays down to `depth` levels."""
        types = sorted(set(self.types) - ({"integer"} if "number" in self.types else set()))
        schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
        if "string" in types:
            schema |= self._describe_texts(types)
        if depth and "object" in types and self.members is not None:
            schema |= self._describe_members(depth)
        if depth and self.items:
            schema["items"] = self.items.describe(depth - 1)
        return schema

    def _describe_texts(self, types: list[str]) -> dict[str, Any]:
        if self.formats:
            return {"format": self.formats[0]}
        if self.texts is None or self.types["string"] < EACH * len(self.texts) or not {*types} <= {"string", "null"}:
            return {}
        return {"enum": [*sorted(self.texts), *([None] if "null" in types else [])]}

    def _describe_members(self, depth: int) -> dict[str, Any]:
        assert self.members is not None
        objects = self.types["object"]
        schema: dict[str, Any] = {
            "properties": {name: member.describe(depth - 1) for name, member in sorted(self.members.items())}
        }
        required = [name for name, member in sorted(self.members.items()) if sum(member.types.values()) == objects]
        return {**schema, "required": required} if required else schema


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _is_plain(name: str, text: str) -> bool:
    """Whether a text is a usual example of a format: `a:b` is a URI, too, but isn't meant as one."""
    return name != "uri" or text.startswith(("http://", "https://"))
