"""GET /stats/top-types: the most frequent types. Those of all events are counted already; the engine counts those of a filter."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from event_tracker.query.auth.calls import Call
from event_tracker.query.events.parameters import TypeQuery, read_type_query
from event_tracker.query.events.responses import TopTypes, TypeCount
from event_tracker.query.parameter_types import EARLIEST, LATEST
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.parameters import UTC_ZONE
from event_tracker.query.stats.query_types import FilteredQuery
from event_tracker.query.stats.questions.top_properties import TOP_PROPERTIES


def top_types(stats: Stats, call: Call) -> TopTypes:
    asked = read_type_query(call)
    if asked.filter is None and stats.can_count(asked.start, asked.end):
        return stats.count_types(asked, call.client)
    return stats.asker.answer(make_query(asked), call.client)


def make_query(asked: TypeQuery) -> "TopTypesQuery":
    return TopTypesQuery(
        asked=asked,
        sources=asked.sources,
        start=asked.start or EARLIEST,
        end=asked.end or LATEST,
        zone=UTC_ZONE,
        explain=False,
        identity=asked.identity,
        event_types=(),
        filter=asked.filter,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopTypesQuery(FilteredQuery):
    """The most frequent types of the selected events."""

    name: ClassVar = "top_types"
    counts_users: ClassVar = False
    first_seen: ClassVar = None

    asked: TypeQuery

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.asked.limit)
        return Statement(TOP_PROPERTIES.format(selected=select_query(self, parameters, "event_type")), parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> TopTypes:
        """Build from rows (rank, type, count). Rank 0 is all types together."""
        total = next(count for rank, _, count in rows if rank == 0)
        listed = sorted(row for row in rows if row[0] > 0)
        items = [TypeCount(name, count, count / total) for _, name, count in listed]
        return TopTypes(self.asked.start, self.asked.end, "UTC", as_of, items, total)
