"""The query service: GET /events and GET /stats/top-types. It only reads.

A question passes four rooms, once each, and never goes back: `routes` (HTTP in, HTTP out), `filters` (parameters to a
frozen filter, or every error), `store` (one function a question), `queries.sql`.
"""
