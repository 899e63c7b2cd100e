"""HTTP in, HTTP out: the questions of analytics as Flask views. They take long beside Flask's dispatch."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.query.auth.principal import Root
from event_tracker.query.events.cursor import NIL, Cursor, CursorField, Position, digest, encode
from event_tracker.query.parameter_types import EARLIEST, LATEST, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.request_body import take_body
from event_tracker.query.source_scope import SourcesReader, SourcesSchema, reading_of, restriction
from event_tracker.query.stats import parameters
from event_tracker.query.stats.event_users import read_event_users
from event_tracker.query.stats.store import Analytics, Place


class ListUsersSchema(SourcesSchema):
    """Parameters of GET /users."""

    limit = Limit(50, "Most users to answer.")
    cursor = CursorField(metadata={"description": "`next_cursor` of the page before."})


_list_users = SourcesReader(ListUsersSchema)


def analytics(store: Analytics, explain: bool, longest: int) -> Blueprint:
    """The views. `explain` allows explain=true; `longest` is how long sessions last at most by default, in seconds."""
    views = Blueprint("analytics", __name__)

    def question(
        path: str, name: str, read: Callable[..., Any], answer: Callable[[Any, Root], Any], **defaults: int
    ) -> None:
        def view() -> Response:
            reading = reading_of(request.environ)
            return json_response(answer(read(reading, _now(), explain, **defaults), reading.client))

        views.add_url_rule(path, name, view)

    question("/stats/timeseries", "timeseries", parameters.read_timeseries, store.timeseries, longest=longest)
    question("/stats/users", "users", parameters.read_users, store.users)
    question("/stats/sessions", "sessions", parameters.read_sessions, store.sessions, longest=longest)
    question("/stats/top-properties", "top_properties", parameters.read_top_properties, store.top_properties)
    question("/events/users", "event_users", read_event_users, store.event_users)
    question("/stats/retention", "retention", parameters.read_retention, store.retention)
    question("/stats/paths", "paths", parameters.read_paths, store.paths, longest=longest)

    @views.post("/stats/funnel")
    def funnel() -> Response:
        reading = reading_of(request.environ)
        return json_response(
            store.funnel(parameters.read_funnel(reading, take_body(), _now(), explain), reading.client)
        )

    @views.get("/users")
    def list_users() -> Response:
        reading = reading_of(request.environ)
        given = _list_users.read(reading)
        limit, sources = given["limit"], given["sources"]
        mark = digest("users", *restriction(sources))
        rows = store.list_users(limit + 1, _place(given.get("cursor"), mark), sources, reading.client)
        found = [dict(zip(("user_id", "first_seen", "last_seen", "events"), row, strict=True)) for row in rows]
        return json_response({"users": found[:limit], "next_cursor": _after(found, limit, mark)})

    @views.get("/users/<path:user_id>")
    def get_user(user_id: str) -> Response:
        reading = reading_of(request.environ)
        asked = parameters.read_user(reading, _now(), explain, longest=longest)
        # No stored text has U+0000, and PostgreSQL takes none.
        return found(None if "\0" in user_id else store.get_user(user_id, asked, reading.client))

    @views.get("/user")
    def get_any_user() -> Response:
        reading = reading_of(request.environ)
        user_id, asked = parameters.read_any_user(reading, _now(), explain, longest=longest)
        return found(store.get_user(user_id, asked, reading.client))

    def found(body: dict[str, Any] | None) -> Response:
        if body is None:
            raise Problem(404, "user_not_found", "No event of this user is stored.")
        return json_response(body)

    return views


def _now() -> datetime:
    return datetime.now(UTC)


def _place(cursor: Cursor | None, mark: bytes) -> Place:
    if cursor is None:
        return Place(LATEST, "")
    if cursor.digest != mark:
        detail = "Was made by another endpoint, or with other sources."
        raise invalid_parameters([ParameterError("cursor", "other_filters", detail)])
    return Place(cursor.after.timestamp, cursor.after.user_id)


def _after(found: list[dict[str, Any]], limit: int, mark: bytes) -> str | None:
    """The cursor after the page; that there was one more says that there is a next page."""
    if len(found) <= limit:
        return None
    last = found[limit - 1]
    return encode(Cursor(mark, EARLIEST, LATEST, Position(last["last_seen"], last["user_id"], NIL)))
