"""The routes of statistics. These are Flask views: the queries take much longer than Flask's dispatch."""

from datetime import UTC, datetime
from typing import Any

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Route
from event_tracker.query.answers import PROBLEMS, answer, path_parameter
from event_tracker.query.auth.calls import Call, SourcesSchema, sources_for_digest
from event_tracker.query.events.cursor import NIL, Cursor, CursorField, Position, digest, encode
from event_tracker.query.parameter_types import EARLIEST, LATEST, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.stats import answers, parameters
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.event_users import EventUsersSchema, read_event_users
from event_tracker.query.stats.questions.funnel import FUNNEL_BODY, ExplainSchema, FunnelAnswer, funnel
from event_tracker.query.stats.questions.paths import PathsAnswer, PathsSchema, paths
from event_tracker.query.stats.questions.retention import RetentionAnswer, RetentionSchema, retention
from event_tracker.query.stats.questions.sessions import SessionsAnswer, SessionsSchema, sessions
from event_tracker.query.stats.questions.timeseries import TimeseriesAnswer, TimeseriesSchema, timeseries
from event_tracker.query.stats.questions.top_properties import TopPropertiesAnswer, TopPropertiesSchema, top_properties
from event_tracker.query.stats.questions.users import UsersAnswer, UsersSchema, users
from event_tracker.query.stats.store import Body, UserPosition
from event_tracker.query.stats.suggestions.fields import FieldsAnswer, FieldsSchema, suggest_fields
from event_tracker.query.stats.suggestions.values import ValuesAnswer, ValuesSchema, suggest_values


class ListUsersSchema(SourcesSchema):
    """Parameters of GET /users."""

    limit = Limit(50, "Most users to answer.")
    cursor = CursorField(metadata={"description": "`next_cursor` of the page before."})


def event_users(stats: Stats, call: Call) -> Body:
    return stats.store.event_users(read_event_users(call, _now(), stats.explain), call.client)


def list_users(stats: Stats, call: Call) -> Body:
    given = call.query()
    limit, sources = given["limit"], given["sources"]
    filter_digest = digest("users", *sources_for_digest(sources))
    rows = stats.store.list_users(limit + 1, _read_position(given.get("cursor"), filter_digest), sources, call.client)
    found = [dict(zip(("user_id", "first_seen", "last_seen", "events"), row, strict=True)) for row in rows]
    return {"users": found[:limit], "next_cursor": _next_cursor(found, limit, filter_digest)}


def get_user(stats: Stats, call: Call, user_id: str) -> Body:
    query = parameters.read_user(call, _now(), stats.explain, longest=stats.longest)
    # No stored text has U+0000, and PostgreSQL refuses it in parameters.
    return _found(None if "\0" in user_id else stats.store.get_user(user_id, query, call.client))


def get_any_user(stats: Stats, call: Call) -> Body:
    user_id, query = parameters.read_any_user(call, _now(), stats.explain, longest=stats.longest)
    return _found(stats.store.get_user(user_id, query, call.client))


def _found(body: Body | None) -> Body:
    if body is None:
        raise Problem(404, "user_not_found", "No event of this user is stored.")
    return body


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


def _stats(path: str, view: Any, summary: str, schema: Any, given: Any, **more: Any) -> Route:
    access, tag = ("read_stats", "stats") if path.startswith("/stats/") else ("read_events", "users")
    options = {"method": "GET", "parameters": [given], "problems": PROBLEMS, **more}
    return Route(path=path, view=view, summary=summary, access=access, tag=tag, answers=answer(schema), **options)


USER_ID = path_parameter("user_id", minLength=1, maxLength=200)
NOT_FOUND = {**PROBLEMS, 404: "No event of this user is stored."}
REFUSALS = {**PROBLEMS, 413: "The body is too large.", 415: "The body isn't application/json."}

STATS = [
    _stats("/stats/timeseries", timeseries, "Events, users or sessions over time.", TimeseriesAnswer, TimeseriesSchema),
    _stats("/stats/users", users, "Active, new and returning users over time.", UsersAnswer, UsersSchema),
    _stats("/stats/sessions", sessions, "Sessions: how many, how long, where they begin and end.", SessionsAnswer, SessionsSchema),
    _stats("/stats/top-properties", top_properties, "A property's commonest values.", TopPropertiesAnswer, TopPropertiesSchema),
    _stats("/stats/fields", suggest_fields, "What a filter can be about: fields and properties of a sample of events.",
           FieldsAnswer, FieldsSchema),
    _stats("/stats/values", suggest_values, "Values that a field has in a sample of events.", ValuesAnswer, ValuesSchema,
           problems={**PROBLEMS, 403: "Values of user_id and session_id need the scope read_events."}),
    _stats("/stats/funnel", funnel, "Who takes these steps in this order.", FunnelAnswer, ExplainSchema,
           method="POST", body=FUNNEL_BODY, problems=REFUSALS),
    _stats("/stats/retention", retention, "Who comes back, by when they first came.", RetentionAnswer, RetentionSchema),
    _stats("/stats/paths", paths, "What follows what within sessions.", PathsAnswer, PathsSchema),
    _stats("/events/users", event_users, "Whose the selected events are, and how many of each.",
           answers.EventUsersAnswer, EventUsersSchema),
    _stats("/users", list_users, "Users, most recently active first.", answers.ListUsersAnswer, ListUsersSchema),
    _stats("/users/<path:user_id>", get_user, "One user.", answers.GetUserAnswer, parameters.UserSchema,
           parameters=[USER_ID, parameters.UserSchema], problems=NOT_FOUND),
    _stats("/user", get_any_user, "One user, whatever the id.", answers.GetUserAnswer, parameters.AnyUserSchema,
           problems=NOT_FOUND),
]  # fmt: skip
