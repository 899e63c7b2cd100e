"""Statistics: time series, users, sessions, funnels, retention and paths, as defined in docs/definitions.md.

A question passes `routes`, then its own pair of files in `questions`, with what all share in `parameters` (time range and filters)
and `columns` (their SQL), to the engine (event_tracker.columns). Counts by event type and source, and lists of users, are read
from PostgreSQL: `store` and `sql`. `intervals` splits a time range by a local calendar.
"""
