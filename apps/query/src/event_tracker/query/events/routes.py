"""HTTP routes for events.

They are plain WSGI callables beside the Flask app: Flask's dispatch takes as long as reading a page of events
(docs/adr/0003-fast-path.md).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import answer
from event_tracker.query.events.cursor import Cursor, encode
from event_tracker.query.events.filters import Window, read_event_filter, read_type_filter
from event_tracker.query.events.store import EventStore
from event_tracker.query.parameters import ParameterSchema, Reader
from event_tracker.query.settings import QuerySettings
from event_tracker.query.source_scope import QueryRequest, query_request_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_encode = msgspec.json.Encoder().encode

Handler = Callable[[QueryRequest], dict[str, Any]]
"""Returns the body of a response."""


def event_routes(settings: QuerySettings, store: EventStore) -> "dict[str, WSGIApplication]":
    """Path → WSGI application."""
    nothing = Reader(ParameterSchema)
    window = Window(timedelta(hours=settings.window_hours), timedelta(hours=settings.window_max_hours))

    def list_events(query_request: QueryRequest) -> dict[str, Any]:
        event_filter = read_event_filter(query_request, window, datetime.now(UTC))
        page = store.list_events(event_filter, query_request.client)
        cursor = (
            encode(Cursor(event_filter.digest, event_filter.start, event_filter.end, page.next)) if page.next else None
        )
        body: dict[str, Any] = {"events": page.events, "next_cursor": cursor}
        if event_filter.user_id is None:
            body["window"] = {"from": event_filter.start, "to": event_filter.end}
        return body

    def top_types(query_request: QueryRequest) -> dict[str, Any]:
        type_filter = read_type_filter(query_request)
        found = store.top_types(type_filter, query_request.client)
        resolved = {"from": type_filter.start, "to": type_filter.end, "tz": "UTC", "as_of": found.as_of}
        return {**resolved, "items": found.items, "total": found.total}

    def name_sources(query_request: QueryRequest) -> dict[str, Any]:
        nothing.read(query_request.query_string)
        return {"sources": store.name_sources(query_request.allowed_sources)}

    return {"/events": _get(list_events), "/stats/top-types": _get(top_types), "/sources": _get(name_sources)}


def _get(handler: Handler) -> "WSGIApplication":
    """A WSGI application that answers GET with the body that `handler` returns."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Problem(405, "method_not_allowed", "This path answers GET.", headers={"Allow": "GET, HEAD"})
        return answer(start_response, 200, _encode(handler(query_request_of(environ))))

    return application
