"""Compiles filters to DuckDB's SQL, over the relation `events` of event_tracker.columns.

It needs two kinds of columns beside the fields of events: `property_0`, `property_1` … with the texts of the properties that the question
names, in their shortest spelling (event_tracker.columns.properties), and `nested`: a JSON object of the properties that are objects or
arrays, in which all numbers are texts (event_tracker.columns, nested.sql). `nested` is read only by filters that need it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import sql

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Filter, Group, Property
from event_tracker.query.filters.numbers import normalise


def property_names(part: Filter) -> list[str]:
    """The properties whose texts a filter needs."""
    return list(dict.fromkeys(_property_names(part)))


def _property_names(part: Filter) -> Iterator[str]:
    if isinstance(part, Group):
        for inner in part.parts:
            yield from _property_names(inner)
    elif isinstance(part.field, Property) and len(part.field.keys) == 1:
        yield part.field.keys[0]


def compile_duckdb(part: Filter, names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A condition for `where`, and its named parameters (`$name`).

    Args:
        names: the properties that the question names, among them those of `property_names`.
    """
    compiler = DuckDBCompiler(names)
    return compiler.compile(part).as_string(), compiler.parameters


class _Parameter(sql.Composable):
    def as_bytes(self, context: Any = None) -> bytes:
        return f"${self._obj}".encode()


class DuckDBCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`."""

    dialect = "duckdb"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def placeholder(self, name: str) -> sql.Composable:
        return _Parameter(name)

    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) > 1:
            return self._text(self.property_json(keys))
        return sql.Identifier(f"property_{self._names.index(keys[0])}")

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
