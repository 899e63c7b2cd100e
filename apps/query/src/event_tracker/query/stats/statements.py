"""The named statements of `queries.sql`, and how one is filled with others."""

from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.query.stats")


def fill(name: str, **slots: sql.Composable) -> sql.Composed:
    """A named statement or part of one, its slots filled."""
    return sql.SQL(QUERIES[name]).format(**slots)
