"""GET /stats/top-properties: a property's commonest values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from marshmallow import fields

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import REQUIRED, Length, Limit
from event_tracker.query.stats.answers import Count, RangeAnswer, Share, range_members, share
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.parameter_types import PROPERTY
from event_tracker.query.stats.parameters import SelectionSchema, read_range
from event_tracker.query.stats.query_types import FilteredQuery

TOP_PROPERTIES = load_queries("event_tracker.query.stats.questions", "top_properties.sql")["top_properties"]


class TopPropertiesSchema(SelectionSchema):
    """Parameters of GET /stats/top-properties."""

    key = fields.String(
        required=True,
        validate=Length(1, 200),
        metadata={"description": "Name of a top-level property."},
        error_messages=REQUIRED,
    )
    limit = Limit(10, "Most values to answer.")


def top_properties(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_top_properties(call, datetime.now(UTC), stats.explain), call)


def read_top_properties(call: Call, now: datetime, allow_explain: bool) -> "TopPropertiesQuery":
    return TopPropertiesQuery(**read_range(call, now, allow_explain))


@dataclass(frozen=True, slots=True, kw_only=True)
class TopPropertiesQuery(FilteredQuery):
    """The `limit` most frequent values of the property `key`."""

    name: ClassVar = "top_properties"
    counts_users: ClassVar = False
    first_seen: ClassVar = None

    key: str
    limit: int

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.limit)
        selected = select_query(self, parameters, f"{PROPERTY}{self.key}")
        return Statement(TOP_PROPERTIES.format(selected=selected), parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "TopPropertiesAnswer":
        """Build from rows (rank, value, count). Rank 0 is all values together, -1 is no value."""
        counts = {rank: count for rank, _, count in rows}
        total = counts[0]
        listed = sorted(row for row in rows if row[0] > 0)
        return TopPropertiesAnswer(
            **range_members(self, as_of),
            key=self.key,
            items=[PropertyValue(value, count, share(count, total)) for _, value, count in listed],
            total=total,
            missing=counts[-1],
        )


class PropertyValue(msgspec.Struct):
    value: str
    count: Count
    share: Share


class TopPropertiesAnswer(RangeAnswer, kw_only=True):
    key: str
    items: list[PropertyValue]
    total: Count
    missing: Count
