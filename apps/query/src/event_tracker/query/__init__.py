"""The query service: it answers queries about events and users, signs people in, and manages the deployment under /admin.

A query about events passes through four layers: `routes` (HTTP), `filters` or `parameters` (parameters to an immutable query, or
all errors), `store` (one function per query) and `queries.sql` (the statements).
"""
