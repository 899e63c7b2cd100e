"""The collector: POST /events. A 2xx is answered only after COMMIT.

An event passes four modules in this order: `post_event` (HTTP), `parser` (bytes to rows, or every error), `writer` (groups
requests, one COMMIT), the model's `store_events` (one statement).
"""
