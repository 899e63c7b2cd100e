"""The named statements of `queries.sql`, and how one is filled with others."""

from psycopg import sql

from event_tracker.core.queries import load_queries

QUERIES = load_queries("event_tracker.query.analytics")


def part(name: str, **slots: sql.Composable) -> sql.Composed:
    """A named statement or part of one, its slots filled."""
    return sql.SQL(QUERIES[name]).format(**slots)
