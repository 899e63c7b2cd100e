"""Compiles filters to SQL. What PostgreSQL and DuckDB have in common is here, and in `conditions.sql`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.filters.grammar import Behaviour, Condition, EventField, Filter, Group, Property
from event_tracker.query.filters.numbers import number_key

QUERIES = load_queries("event_tracker.query.filters", "conditions.sql")


def fill(name: str, **parts: sql.Composable) -> sql.Composed:
    """A snippet of `conditions.sql` with its parts."""
    return sql.SQL(QUERIES[name]).format(**parts)


class Compiler(ABC):
    """Compiles filters of one statement. The SQL has no text of a filter."""

    dialect: ClassVar[str]

    def compile(self, part: Filter) -> sql.Composed:
        """A condition for `where`, in parentheses. It is true for the events that the filter selects, and false or null for others."""
        if isinstance(part, Group):
            inner = sql.SQL(" and " if part.kind == "and" else " or ").join(map(self.compile, part.parts))
        elif not isinstance(part, Condition):
            inner = sql.Composed([self.behaviour(part)])
        elif part.negated:
            inner = sql.SQL("({}) is not true").format(self._condition(part))
        else:
            inner = sql.Composed([self._condition(part)])
        return sql.SQL("({})").format(inner)

    def behaviour(self, part: Behaviour) -> sql.Composable:
        """Whether the event's session or user is as the part says."""
        raise TypeError(f"{self.dialect} can't answer filters about sessions and users")

    @abstractmethod
    def parameter(self, value: Any) -> sql.Composable:
        """Add a parameter; what stands for it in the statement."""

    def field(self, name: str) -> sql.Composable:
        """The column of a field."""
        return sql.Identifier(name)

    @abstractmethod
    def property_text(self, keys: Sequence[str]) -> sql.Composable:
        """The text of a property or a member below one; null if it has none."""

    @abstractmethod
    def property_json(self, keys: Sequence[str]) -> sql.Composable:
        """A property or a member below one as JSON. DuckDB has only objects and arrays, and what is below them."""

    @abstractmethod
    def element_text(self) -> sql.Composable:
        """The text of an array's element, as `property_text`."""

    @abstractmethod
    def is_set(self, keys: Sequence[str]) -> sql.Composable:
        """Whether a property or a member below one is there and isn't null."""

    @abstractmethod
    def shortest(self, text: sql.Composable) -> sql.Composable:
        """The text of a property in its shortest spelling."""

    @abstractmethod
    def is_same(self, text: sql.Composable, texts: list[str]) -> sql.Composable:
        """Whether the text of a property is one of these, or is one of these numbers."""

    def is_one_of(self, value: sql.Composable, texts: Sequence[Any]) -> sql.Composable:
        """Whether a text is one of these."""
        if len(texts) == 1:
            return fill("equals", value=value, wanted=self.parameter(texts[0]))
        return fill(f"{self.dialect}.one_of", value=value, wanted=self.parameter(list(texts)))

    def _condition(self, condition: Condition) -> sql.Composable:
        if isinstance(condition.field, Property):
            return self._property_condition(condition.field.keys, condition)
        return self._field_condition(condition.field, condition)

    def _field_condition(self, field: EventField, condition: Condition) -> sql.Composable:
        value = self.field(field.name)
        if condition.test == "set":
            return sql.SQL("{} is not null").format(value)
        if condition.test == "is":
            return self.is_one_of(value, condition.values)
        wanted = self.parameter(condition.values[0])
        if condition.test in ("contains", "starts_with"):
            return fill(condition.test, value=value, wanted=wanted)
        key = value if field.is_time else fill("text_key", value=value)
        return fill(condition.test, key=key, wanted=wanted, type=sql.SQL("timestamptz" if field.is_time else "text"))

    def _property_condition(self, keys: Sequence[str], condition: Condition) -> sql.Composable:
        if condition.test == "set":
            return self.is_set(keys)
        json = self.property_json(keys) if condition.test == "contains" else None
        return self._value_condition(self.property_text(keys), json, condition)

    def _value_condition(
        self, text: sql.Composable, json: sql.Composable | None, condition: Condition
    ) -> sql.Composable:
        """A condition on a property's text, and, for `contains`, on its JSON."""
        texts = [str(given) for given in condition.values]
        if condition.test == "is":
            return self.is_same(text, texts)
        if json is not None:
            return fill(
                f"{self.dialect}.contains",
                json=json,
                has_element=self.is_same(self.element_text(), texts),
                has_text=fill("contains", value=self.shortest(text), wanted=self.parameter(texts[0])),
            )
        if condition.test == "starts_with":
            return fill("starts_with", value=self.shortest(text), wanted=self.parameter(texts[0]))
        return self._order(text, condition.test, texts[0])

    def _order(self, value: sql.Composable, test: str, text: str) -> sql.Composable:
        """Numbers are compared with numbers, other texts with other texts."""
        number = number_key(text)
        if number is None:
            key = fill("other_key", value=value)
        else:
            key = fill("number_key", value=value, magnitude=fill("magnitude", value=value))
        return fill(test, key=key, wanted=self.parameter(number or text), type=sql.SQL("text"))
