"""Compiles filters to DuckDB's SQL, over the relation `events` of event_tracker.columns.

It needs the columns `properties`, a JSON object of texts as PostgreSQL's ->> writes them, and `nested`: a JSON object of the properties
that are objects or arrays, in which all numbers are texts (event_tracker.columns, nested.sql).
"""

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Filter

PropertyExpression = Callable[[str], sql.Composable | None]
"""The SQL of a property's text by its key; None if it is where all others are: in `properties`."""


def compile_duckdb(
    part: Filter, property_expression: PropertyExpression = lambda _: None
) -> tuple[str, dict[str, Any]]:
    """A condition for `where`, and its named parameters (`$name`).

    Args:
        property_expression: where properties are that aren't in `properties`.
    """
    compiler = DuckDBCompiler(property_expression)
    return compiler.compile(part).as_string(), compiler.parameters


class _Parameter(sql.Composable):
    def as_bytes(self, context: Any = None) -> bytes:
        return f"${self._obj}".encode()


class DuckDBCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`."""

    dialect = "duckdb"

    def __init__(self, property_expression: PropertyExpression) -> None:
        super().__init__()
        self._property_expression = property_expression

    def placeholder(self, name: str) -> sql.Composable:
        return _Parameter(name)

    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) > 1:
            return fill("duckdb.text", json=self.property_json(keys))
        elsewhere = self._property_expression(keys[0])
        return elsewhere or fill("duckdb.property", key=self._pointer(keys[0]))

    def property_json(self, keys: Sequence[str]) -> sql.Composable:
        found = fill("duckdb.nested", key=self._pointer(keys[0]))
        for key in keys[1:]:
            found = fill("duckdb.member", object=found, key=self._pointer(key))
        return found

    def is_set(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) == 1:
            return fill("duckdb.is_text_set", value=self.property_text(keys))
        return fill("duckdb.is_set", json=self.property_json(keys))

    def _pointer(self, key: str) -> sql.Composable:
        """A JSON Pointer: what DuckDB takes for a key may be a path of its own syntax, such as `$.a`."""
        return self.parameter("/" + key.replace("~", "~0").replace("/", "~1"))
