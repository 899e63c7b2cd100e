"""Compiles filters to DuckDB's SQL, over the relation `events` of event_tracker.columns.

It needs two kinds of columns beside the fields of events: those of properties, with their texts in the shortest spelling
(event_tracker.columns.properties), and `nested`: a JSON object of the properties that are objects or arrays, in which all numbers are texts
(event_tracker.columns, nested.sql). `nested` is read only by filters that need it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import sql

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.filters.numbers import normalise


class Parameters(Protocol):
    """What a statement gets beside its text. Several conditions of one statement share it."""

    def bind(self, value: Any) -> str:
        """Add a value. Returns what stands for it in the statement."""

    def read_property(self, name: str) -> str:
        """Have the statement read a property. Returns the column of its texts."""


def compile_duckdb(part: Filter, parameters: Parameters) -> str:
    """A condition for `where`. Its values are bound, and the properties that it reads are named, in `parameters`."""
    return DuckDBCompiler(parameters).compile(part).as_string()


class _Bound(sql.Composable):
    """What stands for a value."""

    def as_bytes(self, context: Any = None) -> bytes:
        return str(self._obj).encode()


class DuckDBCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`."""

    dialect = "duckdb"

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def parameter(self, value: Any) -> sql.Composable:
        return _Bound(self._parameters.bind(value))

    def field(self, name: str) -> sql.Composable:
        """The column of a field. The id is the one that was sent: `user_id` may be the person's."""
        return sql.Identifier("sent_id" if name == "user_id" else name)

    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) > 1:
            return self._text(self.property_json(keys))
        return sql.Identifier(self._parameters.read_property(keys[0]))

    def property_json(self, keys: Sequence[str]) -> sql.Composable:
        found = fill("duckdb.nested", key=self._pointer(keys[0]))
        for key in keys[1:]:
            found = fill("duckdb.member", object=found, key=self._pointer(key))
        return found

    def element_text(self) -> sql.Composable:
        return self._text(fill("duckdb.element"))

    def shortest(self, text: sql.Composable) -> sql.Composable:
        return text

    def is_same(self, text: sql.Composable, texts: list[str]) -> sql.Composable:
        return self.is_one_of(text, list(dict.fromkeys(map(normalise, texts))))

    def is_set(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) == 1:
            return fill("duckdb.is_text_set", value=self.property_text(keys))
        return fill("duckdb.is_set", json=self.property_json(keys))

    def _text(self, json: sql.Composable) -> sql.Composable:
        return fill("shortest", value=fill("duckdb.text", json=json))

    def _pointer(self, key: str) -> sql.Composable:
        """A JSON Pointer: what DuckDB takes for a key may be a path of its own syntax, such as `$.a`."""
        return self.parameter("/" + key.replace("~", "~0").replace("/", "~1"))
