"""Compiles filters to PostgreSQL's SQL, over the table `events`."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from psycopg.adapt import PyFormat

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Filter

_PROPERTIES = sql.SQL("properties")


def compile_postgres(part: Filter) -> tuple[sql.Composed, dict[str, Any]]:
    """A condition for `where`, and its named parameters (`%(name)b`)."""
    compiler = PostgresCompiler()
    return compiler.compile(part), compiler.parameters


class PostgresCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`."""

    dialect = "postgres"

    def placeholder(self, name: str) -> sql.Composable:
        return sql.Placeholder(name, format=PyFormat.BINARY)

    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        if len(keys) == 1:
            return fill("postgres.property", key=self.parameter(keys[0]))
        return fill("postgres.text", json=self.property_json(keys))

    def property_json(self, keys: Sequence[str]) -> sql.Composable:
        found: sql.Composable = _PROPERTIES
        for key in keys:
            found = fill("postgres.member", object=found, key=self.parameter(key))
        return found

    def is_set(self, keys: Sequence[str]) -> sql.Composable:
        return fill("postgres.is_set", json=self.property_json(keys))
