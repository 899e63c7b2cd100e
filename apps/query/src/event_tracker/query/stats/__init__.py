"""Statistics: time series, users, sessions, funnels, retention and paths, as defined in docs/definitions.md.

A query passes through the same layers as queries of events: `routes`, `parameters`, `store`, `queries.sql`. `intervals` splits a
time range by a local calendar. `explain_plan` reports what a statement has read.
"""
