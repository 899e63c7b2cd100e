"""The named statements of `queries.sql`, and the function that fills their slots."""

from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.query.stats.sql")


def fill(name: str, **slots: sql.Composable) -> sql.Composed:
    """Fill the slots of a named statement, or part of a statement."""
    return sql.SQL(QUERIES[name]).format(**slots)
