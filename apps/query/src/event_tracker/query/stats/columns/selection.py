"""SQL of the events that a question selects, for the engine: DuckDB's, over the relation `events`.

User input gets into a statement as a named parameter only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from event_tracker.query.filters.duckdb import compile_duckdb
from event_tracker.query.filters.grammar import Behaviour, Filter, SessionCondition, UserCondition
from event_tracker.query.stats.parameter_types import PROPERTY
from event_tracker.query.stats.query_types import FilteredQuery


class Statement(NamedTuple):
    """A statement and its named parameters: those that it uses, and no others."""

    sql: str
    parameters: "Parameters"


class Parameters(dict[str, Any]):
    """Named parameters of a statement, the properties that it reads, and the conditions on sessions and users.

    Attributes:
        maps_users: whether the statement leads ids to persons itself (Selection.maps_users).
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.properties: list[str] = []
        self.behaviours: list[Behaviour] = []
        self.maps_users = False

    def bind(self, value: Any) -> str:
        """Add a value. Returns what stands for it in the statement."""
        name = f"given_{len(self)}"
        self[name] = value
        return f"${name}"

    def read_property(self, name: str) -> str:
        """Have the statement read a property. Returns the column of its values as text, with one spelling for each number; null if it is
        missing (event_tracker.columns.properties)."""
        if name not in self.properties:
            self.properties.append(name)
        return f"property_{self.properties.index(name)}"

    def read_behaviour(self, condition: Behaviour) -> str:
        """Have the statement read what an event's session or user is like. Returns the column that is true if it is so
        (event_tracker.query.stats.columns.behaviours)."""
        if condition not in self.behaviours:
            self.behaviours.append(condition)
        return f"behaviour_{self.behaviours.index(condition)}"


SELECTED = """
  select
    *, epoch_us("timestamp") as micros, {key} as key,
    create_sort_key("timestamp", 'ASC NULLS LAST', received_at, 'ASC NULLS LAST', event_id, 'ASC NULLS LAST') as place
  from events {joins}
  where {conditions}
"""
"""`place` says where an event is in the order of the user's events, and `micros` when it happened (microseconds since 1970)."""


JOINS = {
    SessionCondition: """
  asof join session_behaviours
    on begun_by = user_id and begun_in = coalesce(session_id, '') and begun <= epoch_us("timestamp")
""",
    UserCondition: 'asof join user_behaviours on done_by = user_id and since <= "timestamp"',
}
"""Each event has one row of each: the session that began last, and its user's. Users are joined in that way, too, because DuckDB would
put a plain join among those of a question's own, which took forty times as long for sessions."""


def select_query(query: FilteredQuery, parameters: Parameters, by: str | None = None) -> str:
    """The events that a query selects. With a dimension `by`, their `key` is its value, with one spelling for each number."""
    return select_events(match(query.event_types, query.filter, parameters), parameters, by)


def select_events(conditions: Sequence[str], parameters: Parameters, by: str | None = None) -> str:
    """The same for the events of which all these conditions hold."""
    joins = [join for kind, join in JOINS.items() if any(isinstance(one, kind) for one in parameters.behaviours)]
    key = _dimension(by, parameters)
    return SELECTED.format(key=key, joins=" ".join(joins), conditions=" and ".join(conditions) or "true")


def match(event_types: tuple[str, ...], wanted: Filter | None, parameters: Parameters) -> list[str]:
    """Conditions for events of any of these types (empty is all), which the filter selects (None is all)."""
    conditions = []
    if event_types:
        conditions.append(f"event_type in ({', '.join(map(parameters.bind, event_types))})")
    if wanted is not None:
        conditions.append(compile_duckdb(wanted, parameters))
    return conditions


def _dimension(by: str | None, parameters: Parameters) -> str:
    match by:
        case None:
            return "null::varchar"
        case "event_type":
            return "event_type"
        case _:
            return parameters.read_property(by.removeprefix(PROPERTY))
