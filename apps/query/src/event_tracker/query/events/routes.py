"""The routes of events.

The fast ones are plain WSGI callables beside the Flask app: Flask's dispatch takes as long as reading a page of events
(docs/adr/0003-fast-path.md).
"""

from datetime import UTC, datetime
from typing import NamedTuple

from event_tracker.core.http.routes import Answer, Route
from event_tracker.query.answers import BODY_PROBLEMS, PROBLEMS, TEXT, answer
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.guard import ANY
from event_tracker.query.events import parameters
from event_tracker.query.events.event_pages import Cursor, EventPage, SourceNames, Window, encode
from event_tracker.query.events.parameters import EventQuery, EventsSchema, ListEventsSchema, SearchBody
from event_tracker.query.events.store import EventStore
from event_tracker.query.events.streams.export import export_events
from event_tracker.query.events.streams.formats import FORMATS
from event_tracker.query.events.streams.live import live_events
from event_tracker.query.events.streams.parameters import ExportEventsSchema
from event_tracker.query.parameters import ParameterSchema


class Events(NamedTuple):
    """What the fast routes work with."""

    store: EventStore
    window: parameters.WindowLimits


def list_events(events: Events, call: Call) -> EventPage:
    return _answer_page(events, call, parameters.read_event_query(call, events.window, datetime.now(UTC)))


def _answer_page(events: Events, call: Call, event_query: EventQuery) -> EventPage:
    page = events.store.list_events(event_query, call.client)
    start, end = event_query.start, event_query.end
    cursor = encode(Cursor(event_query.digest, start, end, page.next)) if page.next else None
    if event_query.user_id is None:
        return EventPage(page.events, cursor, event_query.identity, Window(start, end))
    return EventPage(page.events, cursor, event_query.identity)


def search_events(events: Events, call: Call) -> EventPage:
    return _answer_page(events, call, parameters.read_search(call, events.window, datetime.now(UTC)))


def name_sources(events: Events, call: Call) -> SourceNames:
    call.query()
    return SourceNames(events.store.name_sources(call.allowed_sources))


FILE = Answer("The file.", TEXT, [encoder.content_type.split(";")[0] for encoder in FORMATS.values()])
STREAM = Answer("Until either side ends it.", TEXT, ["text/event-stream"])

EVENTS = [
    Route("GET", "/events", list_events, "Events, newest first.", access="read_events", tag="events", is_fast=True,
          parameters=[ListEventsSchema], answers=answer(EventPage), problems=PROBLEMS),
    Route("POST", "/events/search", search_events, "Events that a filter selects, newest first: GET /events with the filter in the body.",
          access="read_events", tag="events", parameters=[ListEventsSchema], body=SearchBody, answers=answer(EventPage),
          problems={**PROBLEMS, **BODY_PROBLEMS}),
    Route("GET", "/sources", name_sources, "The sources whose events may be read.", access=ANY, tag="sources", is_fast=True,
          parameters=[ParameterSchema], answers=answer(SourceNames), problems=PROBLEMS),
]  # fmt: skip

EXPORTS = [
    Route("GET", "/events/export", export_events, "All events of a filter as a file, newest first. A body without its end was broken off.",
          access="export", tag="events", parameters=[ExportEventsSchema], answers={200: FILE}, problems=PROBLEMS),
]  # fmt: skip

LIVE = [
    Route("GET", "/events/live", live_events,
          "Events as they are stored: server-sent events `event`, and `dropped` with a count for slow readers.",
          access="read_events", tag="events", parameters=[EventsSchema], answers={200: STREAM}, problems=PROBLEMS),
]  # fmt: skip
