"""SQL of the conditions on sessions and users: a table of each, which the events of a question are joined with.

Both tables are of all events of the question's range and sources, before anything else selects some.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import NamedTuple

from event_tracker.columns.engine import Table
from event_tracker.columns.loading.conditions import Range
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.filters.duckdb import compile_duckdb
from event_tracker.query.filters.grammar import Count, Edge, Filter, SessionCondition, UserCondition
from event_tracker.query.stats.columns.selection import Parameters, select_events
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits

PARTS = load_queries("event_tracker.query.stats.columns", "behaviours.sql")


class SessionRule(NamedTuple):
    """What sessions are in a question. `gap` and `longest` are in seconds."""

    gap: int
    longest: int


def make_tables(parameters: Parameters, time_range: Range, sessions: SessionRule) -> Iterator[Table]:
    """The tables that the statement with these parameters reads. They may read more properties, which are added.

    Args:
        time_range: of the question.
    """
    named = [(parameters.read_behaviour(condition), condition) for condition in parameters.behaviours]
    of_sessions = {name: condition.test for name, condition in named if isinstance(condition, SessionCondition)}
    of_users = {name: condition for name, condition in named if isinstance(condition, UserCondition)}
    if of_sessions:
        yield _build_sessions(of_sessions, _share_properties(parameters), time_range, sessions)
    if of_users:
        events = "all_events" if find_wider_range(parameters, time_range) else "events"
        yield _build_users(of_users, events, _share_properties(parameters), time_range)


def find_wider_range(parameters: Parameters, time_range: Range) -> Range | None:
    """The range of the events of all conditions on users, where it is wider than the question's."""
    conditions = [condition for condition in parameters.behaviours if isinstance(condition, UserCondition)]
    bounds = [_bounds(condition, time_range) for condition in conditions]
    wide = min(start for start, _ in [time_range, *bounds]), max(end for _, end in [time_range, *bounds])
    return None if wide == time_range else wide


def _share_properties(parameters: Parameters) -> Parameters:
    """Parameters of another statement, which adds the properties that it reads to those of the first."""
    others = Parameters()
    others.properties = parameters.properties
    return others


def _bounds(condition: UserCondition, time_range: Range) -> tuple[datetime, datetime]:
    return condition.start or time_range[0], condition.end or time_range[1]


def _build_sessions(
    tests: dict[str, Edge | Count], parameters: Parameters, time_range: Range, sessions: SessionRule
) -> Table:
    parameters.update(gap=sessions.gap * SECOND, longest=sessions.longest * SECOND)
    columns: dict[str, str] = {}
    numbers = count()

    def add_test(part: Filter | None) -> str:
        """A column that says whether a filter selects the event."""
        if part is None:
            return "true"
        name = f"test_{next(numbers)}"
        columns[name] = PARTS["test"].format(condition=compile_duckdb(part, parameters), name=name)
        return name

    values = []
    for name, test in tests.items():
        if isinstance(test, Edge):
            event, among = add_test(test.event), add_test(test.among)
            values.append(PARTS[test.kind].format(event=event, among=among, name=name))
        else:
            values.append(_count(add_test(test.of), test, name, parameters))
    read = ", ".join(["micros", "place", *columns])
    statement = PARTS["sessions"].format(
        tests=", ".join(columns.values()) or "true as none",
        events=select_events([], parameters),
        values=", ".join(values),
        columns=", ".join(tests),
        visited=build_visits(read),
        cut=build_cut(read, time_range[1] - time_range[0], sessions.longest),
    )
    return Table("session_behaviours", statement, parameters)


def _build_users(conditions: dict[str, UserCondition], events: str, parameters: Parameters, time_range: Range) -> Table:
    values = []
    for name, condition in conditions.items():
        selected = "true" if condition.test.of is None else compile_duckdb(condition.test.of, parameters)
        start, end = map(parameters.bind, _bounds(condition, time_range))
        in_range = PARTS["in_range"].format(condition=selected, start=start, end=end)
        values.append(_count(in_range, condition.test, name, parameters))
    return Table("user_behaviours", PARTS["users"].format(values=", ".join(values), events=events), parameters)


def _count(events: str, test: Count, name: str, parameters: Parameters) -> str:
    least = parameters.bind(test.at_least)
    if test.at_most is None:
        return PARTS["at_least"].format(events=events, least=least, name=name)
    return PARTS["between"].format(events=events, least=least, most=parameters.bind(test.at_most), name=name)
