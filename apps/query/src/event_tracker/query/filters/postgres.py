"""Compiles filters to PostgreSQL's SQL, over the table `events`."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from psycopg.adapt import PyFormat

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.filters.numbers import normalise, number_stem

_PROPERTIES = sql.SQL("properties")


def compile_postgres(part: Filter) -> tuple[sql.Composed, dict[str, Any]]:
    """A condition for `where`, and its named parameters (`%(name)b`)."""
    compiler = PostgresCompiler()
    return compiler.compile(part), compiler.parameters


class PostgresCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`.

    Attributes:
        parameters: of the compiled conditions.
    """

    dialect = "postgres"

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def parameter(self, value: Any) -> sql.Composable:
        name = f"filter_{len(self.parameters)}"
        self.parameters[name] = value
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

    def element_text(self) -> sql.Composable:
        return fill("postgres.text", json=fill("postgres.element"))

    def shortest(self, text: sql.Composable) -> sql.Composable:
        return fill("shortest", value=text)

    def is_same(self, text: sql.Composable, texts: list[str]) -> sql.Composable:
        is_text = self.is_one_of(text, [normalise(wanted) for wanted in texts])
        stems = [stem for wanted in texts if (stem := number_stem(wanted)) is not None]
        if not stems:
            return is_text
        is_stem = self.is_one_of(fill("postgres.without_zeros", value=text), stems)
        return fill("postgres.same_number", value=text, is_text=is_text, is_stem=is_stem)

    def is_set(self, keys: Sequence[str]) -> sql.Composable:
        return fill("postgres.is_set", json=self.property_json(keys))
