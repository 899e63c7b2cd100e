"""GET /stats/fields: what a filter can be about."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import msgspec
from marshmallow import fields

from event_tracker.columns.engine import Sample
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.filters.grammar import OPERATORS, ORDERED, PROPERTY, TEXT_FIELDS, TIME_FIELDS, join_path
from event_tracker.query.identity import Identity
from event_tracker.query.parameter_types import Length, Limit
from event_tracker.query.stats.answers import RangeAnswer, range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement
from event_tracker.query.stats.parameters import StatsSchema, read_range
from event_tracker.query.stats.query_types import RangeQuery

PROPERTY_NAMES = load_queries("event_tracker.query.stats.suggestions", "fields.sql")["property_names"]

LONGEST_NAME = 200
"""Characters of a property's name in a filter."""

NEWEST = 2000
"""Rows whose JSON is read."""

FieldType = Literal["text", "time", "property"]
ValueKind = Literal["none", "one", "list"]


def prefix_field() -> fields.String:
    return fields.String(
        load_default="",
        validate=Length(0, LONGEST_NAME),
        metadata={"description": "Only what begins with it, in upper or lower case."},
    )


class FieldsSchema(StatsSchema):
    """Parameters of GET /stats/fields."""

    prefix = prefix_field()
    limit = Limit(100, "Most fields to answer.")


def suggest_fields(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_fields(call, datetime.now(UTC), stats.explain), call)


def read_fields(call: Call, now: datetime, allow_explain: bool) -> "FieldsQuery":
    given = read_range(call, now, allow_explain)
    return FieldsQuery(
        identity="raw", **{name: given[name] for name in FieldsQuery.__dataclass_fields__ if name in given}
    )


def match_prefix(text: str, prefix: str, parameters: Parameters) -> str:
    """A condition for texts that begin with a prefix, in upper or lower case."""
    return f"starts_with(lower({text}), lower({parameters.bind(prefix)}))" if prefix else "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsQuery(RangeQuery):
    """Fields that begin with `prefix`; a property's name may be given without `property.`."""

    name: ClassVar = "fields"
    counts_users: ClassVar = False
    first_seen: ClassVar = None
    sample: ClassVar = Sample(blocks=0, rows=50_000)

    identity: Identity = "raw"
    prefix: str
    limit: int

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.limit, longest=LONGEST_NAME, rows=NEWEST)
        matches = match_prefix("name", self.prefix.removeprefix(PROPERTY), parameters)
        return Statement(PROPERTY_NAMES.format(matches=matches), parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "FieldsAnswer":
        """Build from rows (name of a property)."""
        fixed = [name for name in (*TEXT_FIELDS, *TIME_FIELDS) if name.startswith(self.prefix.lower())]
        listed = [
            *(_field(name, "time" if name in TIME_FIELDS else "text") for name in fixed),
            *(_field(PROPERTY + join_path([name]), "property") for (name,) in rows),
        ]
        return FieldsAnswer(**range_members(self, as_of), items=listed[: self.limit], operators=OPERATOR_VALUES)


class SuggestedField(msgspec.Struct):
    field: str
    type: FieldType
    operators: list[str]


class FieldsAnswer(RangeAnswer, kw_only=True):
    items: list[SuggestedField]
    operators: dict[str, ValueKind]


OPERATOR_VALUES: dict[str, ValueKind] = {
    operator: "list" if operator == "one_of" else "none" if test == "set" else "one"
    for operator, (test, _) in OPERATORS.items()
}
"""Operator → the values that it takes."""


def _field(name: str, type_: FieldType) -> SuggestedField:
    return SuggestedField(name, type_, list(ORDERED if type_ == "time" else OPERATORS))
