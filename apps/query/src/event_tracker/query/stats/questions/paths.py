"""GET /stats/paths: what follows what within sessions."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from marshmallow import fields
from msgspec import Meta, field

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.filters.numbers import normalise
from event_tracker.query.parameter_types import Between, Choice, Length, Limit
from event_tracker.query.stats.answers import Count, RangeAnswer, Share, UsersRangeAnswer, share, users_range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits
from event_tracker.query.stats.parameters import SelectionSchema, dimension_field, gap_field, longest_field, read_range
from event_tracker.query.stats.query_types import FilteredQuery

PARTS = load_queries("event_tracker.query.stats.questions", "paths.sql")
COLUMNS = "micros, place, key"


class PathsSchema(SelectionSchema):
    """Parameters of GET /stats/paths."""

    origin = fields.String(
        data_key="start",
        validate=Length(0, 4000),
        metadata={"description": "Where paths begin; without it, where sessions do."},
    )
    direction = Choice(("next", "previous"), "next", "Whether what follows is told, or what came before.")
    depth = Between(1, 5, 3, "Steps from there.")
    by = dimension_field()
    limit = Limit(10, "Most transitions of each step, and most paths.")
    gap = gap_field()
    longest = longest_field()


def paths(stats: Stats, call: Call) -> RangeAnswer:
    query = read_paths(call, datetime.now(UTC), stats.explain, longest=stats.longest)
    return stats.asker.ask(query, call)


def read_paths(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "PathsQuery":
    return PathsQuery(**{"origin": None, "longest": longest, **read_range(call, now, allow_explain)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsQuery(FilteredQuery):
    """Sequences of events within sessions. `gap` and `longest` are in seconds."""

    name: ClassVar = "paths"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    origin: str | None
    direction: str
    depth: int
    by: str
    limit: int
    gap: int
    longest: int

    def build_statement(self) -> Statement:
        parameters = Parameters(
            gap=self.gap * SECOND, longest=self.longest * SECOND, limit=self.limit, depth=self.depth
        )
        if self.origin is not None:
            parameters["origin"] = self.origin if self.by == "event_type" else normalise(self.origin)
        beginning = "edges" if self.origin is None else "origin"
        statement = PARTS["paths"].format(
            selected=select_query(self, parameters, self.by),
            visited=build_visits(COLUMNS),
            cut=build_cut(COLUMNS, self.end - self.start, self.longest),
            keys=PARTS[f"{beginning}.{self.direction}"],
            occurrences=PARTS[beginning],
        )
        return Statement(statement, parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "PathsAnswer":
        """Build from rows (step, rank, keys, count): transitions by step, sequences (step 0), occurrences (step -1)."""
        ranked: dict[int, list[tuple[list[Any], int]]] = defaultdict(list)
        rest: dict[int, int] = defaultdict(int)
        for step, rank, keys, count in rows:
            if rank:
                ranked[step].append((keys, count))
            else:
                rest[step] = count
        occurrences = rest[-1]
        return PathsAnswer(
            **users_range_members(self, as_of),
            origin=self.origin,
            direction=self.direction,
            depth=self.depth,
            by=self.by,
            occurrences=occurrences,
            steps=[
                PathStep(
                    step, [Transition(source, target, count) for (source, target), count in ranked[step]], rest[step]
                )
                for step in range(1, self.depth + 1)
            ],
            paths=[Path(keys, count, share(count, occurrences)) for keys, count in ranked[0]],
            other_paths=rest[0],
        )


class Transition(msgspec.Struct):
    source: str
    target: Annotated[str | None, Meta(description="null where the session ends.")]
    count: Count


class PathStep(msgspec.Struct):
    step: Count
    transitions: list[Transition]
    other: Count


class Path(msgspec.Struct):
    keys: list[str]
    count: Count
    share: Share


class PathsAnswer(UsersRangeAnswer, kw_only=True):
    origin: str | None = field(name="start")
    direction: str
    depth: Count
    by: str
    occurrences: Count
    steps: list[PathStep]
    paths: list[Path]
    other_paths: Count
