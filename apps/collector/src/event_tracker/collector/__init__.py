"""The collector: POST /events. A 2xx is answered only after COMMIT.

An event passes four rooms, once each, and never goes back: `post_event` (HTTP in, HTTP out), `parser` (bytes to events,
or every error), `writer` (groups requests, one statement, COMMIT), `queries.sql`.
"""
