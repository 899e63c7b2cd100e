"""SQL of the sessions of page views: in pieces, by interval or by key, or whole, with the key of their first or last page view."""

from datetime import timedelta
from typing import Literal

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.stats.columns.visits import build_cut, build_visits

PARTS = load_queries("event_tracker.query.stats.web", "sessions.sql")
EDGES = {"first": "arg_min_null", "last": "arg_max_null"}


def build_pieces(label: str, length: timedelta, longest: int) -> str:
    """Relations up to `piece` and `session`, of the relation `selected`. They take the parameters `gap` and `longest`.

    Args:
        label: the column of `selected` by which a session is in pieces. (`number` is a column of `cut` already.)
        length: of the question's time range.
        longest: the longest session, in seconds.
    """
    columns = f"micros, place, {label}"
    return PARTS["pieces"].format(label=label, visited=build_visits(columns), cut=build_cut(columns, length, longest))


def build_edges(edge: Literal["first", "last"], length: timedelta, longest: int) -> str:
    """The relation `session`, with the `key` of each session's first or last page view. As `build_pieces`."""
    columns = "micros, place, key"
    return PARTS["edges"].format(
        edge=EDGES[edge], visited=build_visits(columns), cut=build_cut(columns, length, longest)
    )
