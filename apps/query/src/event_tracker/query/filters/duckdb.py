"""Compiles filters to DuckDB's SQL, over the relation `events` of event_tracker.columns.

It needs two kinds of columns beside the fields of events: those of properties, with their texts in the shortest spelling
(event_tracker.columns.properties), and `nested`: a JSON object of the properties that are objects or arrays, in which all numbers are texts
(event_tracker.columns, nested.sql). `nested` is read only by filters that need it.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import sql

from event_tracker.query.filters.compiler import Compiler, fill
from event_tracker.query.filters.grammar import Behaviour, Condition, Filter
from event_tracker.query.filters.numbers import normalise, number_key


class StatementParameters(Protocol):
    """What a statement gets beside its text. Several conditions of one statement share it."""

    def bind(self, value: Any) -> str:
        """Add a value. Returns what stands for it in the statement."""

    def read_property(self, name: str) -> str:
        """Have the statement read a property. Returns the column of its texts."""

    def read_behaviour(self, condition: Behaviour) -> str:
        """Have the statement read whether a session or a user is as the condition says. Returns the column of it."""


def compile_duckdb(part: Filter, parameters: StatementParameters) -> str:
    """A condition for `where`. Its values are bound, and the properties that it reads are named, in `parameters`."""
    return DuckDBCompiler(parameters).compile(part).as_string()


class _Bound(sql.Composable):
    """What stands for a value."""

    def as_bytes(self, context: Any = None) -> bytes:
        return str(self._obj).encode()


class DuckDBCompiler(Compiler):
    """Compiles filters to conditions on columns of `events`."""

    dialect = "duckdb"

    def __init__(self, parameters: StatementParameters) -> None:
        self._parameters = parameters

    def behaviour(self, part: Behaviour) -> sql.Composable:
        return sql.Identifier(self._parameters.read_behaviour(part))

    def parameter(self, value: Any) -> sql.Composable:
        return _Bound(self._parameters.bind(value))

    def field(self, name: str) -> sql.Composable:
        """The column of a field. The id is the one that was sent: `user_id` may be the person's."""
        return sql.Identifier("sent_id" if name == "user_id" else name)

    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        """Of a member, a name that has its text inside of `_property_condition` alone."""
        return _TEXT if len(keys) > 1 else sql.Identifier(self._parameters.read_property(keys[0]))

    def standalone_text(self, keys: Sequence[str]) -> sql.Composable:
        """The same text, of a member too, as an expression that may stand anywhere."""
        return self.property_text(keys) if len(keys) == 1 else self._text(self.property_json(keys))

    def property_json(self, keys: Sequence[str]) -> sql.Composable:
        """A pointer leads through all objects at once, up to a key that could be the place of an array's element."""
        end = next((place for place, key in enumerate(keys) if place and _digits(key)), len(keys))
        found: sql.Composable = fill("duckdb.nested", key=self._pointer(*keys[:end]))
        for key in keys[end:]:
            member = fill("duckdb.member", object=_OBJECT, key=self._pointer(key))
            found = _evaluate_once(found, _OBJECT, member)
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

    def _property_condition(self, keys: Sequence[str], condition: Condition) -> sql.Composable:
        is_nested = len(keys) > 1
        if condition.test == "set" or not (is_nested or condition.test == "contains"):
            return super()._property_condition(keys, condition)
        found = self._value_condition(
            self.property_text(keys), _JSON if condition.test == "contains" else None, condition
        )
        if is_nested:
            found = _evaluate_once(self._text(_JSON), _TEXT, found)
        return _evaluate_once(self.property_json(keys), _JSON, found)

    def _order(self, value: sql.Composable, test: str, text: str) -> sql.Composable:
        """Doubles are compared first: they are in the order of the numbers, and only equal ones may be of different numbers."""
        exact = super()._order(value, test, text)
        if number_key(text) is None or math.isinf(float(text)):
            return exact
        key, wanted, double = fill("duckdb.number", value=value), self.parameter(float(text)), sql.SQL("double")
        nearly, surely = (
            fill(one, key=key, wanted=wanted, type=double)
            for one in (("gte", "gt") if test in ("gt", "gte") else ("lte", "lt"))
        )
        return fill("duckdb.ordered", nearly=nearly, surely=surely, exact=exact)

    def _text(self, json: sql.Composable) -> sql.Composable:
        return _evaluate_once(fill("duckdb.text", json=json), _RAW, fill("shortest", value=_RAW))

    def _pointer(self, *keys: str) -> sql.Composable:
        """A JSON Pointer: what DuckDB takes for a key may be a path of its own syntax, such as `$.a`."""
        return self.parameter("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))


_OBJECT, _JSON, _TEXT, _RAW = map(sql.Identifier, ("member_object", "member_json", "member_text", "raw_text"))
"""Names of values in conditions. No column of `events` has them."""

_digits = re.compile("[0-9]+").fullmatch


def _evaluate_once(value: sql.Composable, name: sql.Identifier, result: sql.Composable) -> sql.Composable:
    """The result, in which the name stands for the value. DuckDB evaluates an expression as often as it is written in a condition."""
    return fill("duckdb.once", value=value, variable=name, result=result)
