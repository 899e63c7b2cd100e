"""Filters of events: one grammar for all questions (docs/definitions.md, filter).

`schema` reads a filter from a query string or a body, `grammar` is what comes out of it, `postgres` and `duckdb` compile it to SQL,
and `matches` applies it to one event.
"""
