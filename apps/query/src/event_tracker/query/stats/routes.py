"""HTTP routes of statistics. These are Flask views: the queries take much longer than Flask's dispatch."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.events.cursor import NIL, Cursor, CursorField, Position, digest, encode
from event_tracker.query.parameter_types import EARLIEST, LATEST, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.request_body import receive_body
from event_tracker.query.source_scope import SourcesReader, SourcesSchema, query_request_of, sources_for_digest
from event_tracker.query.stats import parameters
from event_tracker.query.stats.event_users import read_event_users
from event_tracker.query.stats.store import StatsStore, UserPosition


class ListUsersSchema(SourcesSchema):
    """Parameters of GET /users."""

    limit = Limit(50, "Most users to answer.")
    cursor = CursorField(metadata={"description": "`next_cursor` of the page before."})


_list_users = SourcesReader(ListUsersSchema)


def stats_routes(store: StatsStore, explain: bool, longest: int) -> Blueprint:
    """The routes. `explain` allows explain=true; `longest` is the default for the longest session, in seconds."""
    views = Blueprint("analytics", __name__)

    def question(
        path: str, name: str, read: Callable[..., Any], answer: Callable[[Any, QuotaHolder], Any], **defaults: int
    ) -> None:
        def view() -> Response:
            query_request = query_request_of(request.environ)
            return json_response(answer(read(query_request, _now(), explain, **defaults), query_request.client))

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
        query_request = query_request_of(request.environ)
        return json_response(
            store.funnel(parameters.read_funnel(query_request, receive_body(), _now(), explain), query_request.client)
        )

    @views.get("/users")
    def list_users() -> Response:
        query_request = query_request_of(request.environ)
        given = _list_users.read(query_request)
        limit, sources = given["limit"], given["sources"]
        filter_digest = digest("users", *sources_for_digest(sources))
        rows = store.list_users(
            limit + 1, _read_position(given.get("cursor"), filter_digest), sources, query_request.client
        )
        found = [dict(zip(("user_id", "first_seen", "last_seen", "events"), row, strict=True)) for row in rows]
        return json_response({"users": found[:limit], "next_cursor": _next_cursor(found, limit, filter_digest)})

    @views.get("/users/<path:user_id>")
    def get_user(user_id: str) -> Response:
        query_request = query_request_of(request.environ)
        query = parameters.read_user(query_request, _now(), explain, longest=longest)
        # No stored text has U+0000, and PostgreSQL refuses it in parameters.
        return found(None if "\0" in user_id else store.get_user(user_id, query, query_request.client))

    @views.get("/user")
    def get_any_user() -> Response:
        query_request = query_request_of(request.environ)
        user_id, query = parameters.read_any_user(query_request, _now(), explain, longest=longest)
        return found(store.get_user(user_id, query, query_request.client))

    def found(body: dict[str, Any] | None) -> Response:
        if body is None:
            raise Problem(404, "user_not_found", "No event of this user is stored.")
        return json_response(body)

    return views


def _now() -> datetime:
    return datetime.now(UTC)


def _read_position(cursor: Cursor | None, filter_digest: bytes) -> UserPosition:
    if cursor is None:
        return UserPosition(LATEST, "")
    if cursor.digest != filter_digest:
        detail = "Was made by another endpoint, or with other sources."
        raise invalid_parameters([ParameterError("cursor", "other_filters", detail)])
    return UserPosition(cursor.after.timestamp, cursor.after.user_id)


def _next_cursor(found: list[dict[str, Any]], limit: int, filter_digest: bytes) -> str | None:
    """The cursor of the next page. There is one if a user more than `limit` was found."""
    if len(found) <= limit:
        return None
    last = found[limit - 1]
    return encode(Cursor(filter_digest, EARLIEST, LATEST, Position(last["last_seen"], last["user_id"], NIL)))
