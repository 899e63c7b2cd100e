"""The named statements of `queries.sql`, and how one is filled with others."""

from psycopg import sql

from core.queries import load_queries

QUERIES = load_queries("query.analytics")


def part(name: str, **slots: sql.Composable) -> sql.Composed:
    """A named statement or part of one, its slots filled."""
    return sql.SQL(QUERIES[name]).format(**slots)
