"""HTTP in, HTTP out.

Plain WSGI callables beside the Flask app: Flask's dispatch costs as much as reading a page of events does
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
from event_tracker.query.events.store import Store
from event_tracker.query.parameters import ParameterSchema, Reader
from event_tracker.query.settings import QuerySettings
from event_tracker.query.source_scope import Reading, reading_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_encode = msgspec.json.Encoder().encode

Handler = Callable[[Reading], dict[str, Any]]
"""From what is read to an answer's body."""


def questions(settings: QuerySettings, store: Store) -> "dict[str, WSGIApplication]":
    """The WSGI application of each path."""
    nothing = Reader(ParameterSchema)
    window = Window(timedelta(hours=settings.window_hours), timedelta(hours=settings.window_max_hours))

    def list_events(reading: Reading) -> dict[str, Any]:
        asked = read_event_filter(reading, window, datetime.now(UTC))
        page = store.list_events(asked, reading.client)
        cursor = encode(Cursor(asked.digest, asked.start, asked.end, page.next)) if page.next else None
        body: dict[str, Any] = {"events": page.events, "next_cursor": cursor}
        if asked.user_id is None:
            body["window"] = {"from": asked.start, "to": asked.end}
        return body

    def top_types(reading: Reading) -> dict[str, Any]:
        asked = read_type_filter(reading)
        found = store.top_types(asked, reading.client)
        resolved = {"from": asked.start, "to": asked.end, "tz": "UTC", "as_of": found.as_of}
        return {**resolved, "items": found.items, "total": found.total}

    def name_sources(reading: Reading) -> dict[str, Any]:
        nothing.read(reading.query)
        return {"sources": store.name_sources(reading.allowed)}

    return {"/events": _get(list_events), "/stats/top-types": _get(top_types), "/sources": _get(name_sources)}


def _get(handler: Handler) -> "WSGIApplication":
    """A WSGI application that answers GET with what `handler` says."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Problem(405, "method_not_allowed", "This path answers GET.", headers={"Allow": "GET, HEAD"})
        return answer(start_response, 200, _encode(handler(reading_of(environ))))

    return application
