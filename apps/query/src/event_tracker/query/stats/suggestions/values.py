"""GET /stats/values: values of a field, for who writes a filter."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from event_tracker.columns.engine import Sample
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.filters.duckdb import DuckDBCompiler
from event_tracker.query.filters.grammar import EventField, Property
from event_tracker.query.filters.schema import FieldName
from event_tracker.query.identity import Identity
from event_tracker.query.parameter_types import REQUIRED, Limit
from event_tracker.query.stats.answers import RangeAnswer, range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement
from event_tracker.query.stats.parameters import StatsSchema, read_range
from event_tracker.query.stats.query_types import RangeQuery
from event_tracker.query.stats.suggestions.fields import match_prefix, prefix_field

VALUES = load_queries("event_tracker.query.stats.suggestions", "values.sql")["values"]

LONGEST_VALUE = 200
"""Characters of a value that is suggested. Nobody chooses a longer one from a list."""

NAMING_USERS = ("user_id", "session_id")
"""Fields whose values need the scope `read_events`, as lists of users do."""

IDS_NEED_SCOPE = "Values of user_id and session_id need the scope read_events, which these credentials haven't."


class ValuesSchema(StatsSchema):
    """Parameters of GET /stats/values."""

    field = FieldName(
        required=True,
        error_messages=REQUIRED,
        metadata={"type": "string", "description": "As in a filter: event_type, property.plan …"},
    )
    prefix = prefix_field()
    limit = Limit(20, "Most values to answer.")


def suggest_values(stats: Stats, call: Call) -> RangeAnswer:
    query = read_values(call, datetime.now(UTC), stats.explain)
    names_users = isinstance(query.field, EventField) and query.field.name in NAMING_USERS
    if names_users and "read_events" not in call.principal.scopes:
        raise Problem(403, "scope_required", IDS_NEED_SCOPE)
    return stats.asker.ask(query, call)


def read_values(call: Call, now: datetime, allow_explain: bool) -> "ValuesQuery":
    given = read_range(call, now, allow_explain)
    return ValuesQuery(
        identity="raw", **{name: given[name] for name in ValuesQuery.__dataclass_fields__ if name in given}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesQuery(RangeQuery):
    """The commonest values of a sample of events that begin with `prefix`. Times have none."""

    name: ClassVar = "values"
    counts_users: ClassVar = False
    first_seen: ClassVar = None
    sample: ClassVar = Sample(blocks=500_000, rows=50_000)

    identity: Identity = "raw"
    field: EventField | Property
    prefix: str
    limit: int

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.limit, longest=LONGEST_VALUE)
        value = self._build_value(parameters)
        return Statement(VALUES.format(value=value, matches=match_prefix("value", self.prefix, parameters)), parameters)

    def _build_value(self, parameters: Parameters) -> str:
        if isinstance(self.field, Property):
            return DuckDBCompiler(parameters).standalone_text(self.field.keys).as_string()
        return "null::varchar" if self.field.is_time else self.field.name

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "ValuesAnswer":
        """Build from rows (value)."""
        return ValuesAnswer(**range_members(self, as_of), items=[value for (value,) in rows])


class ValuesAnswer(RangeAnswer, kw_only=True):
    items: list[str]
