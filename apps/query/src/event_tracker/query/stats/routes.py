"""The routes of statistics. These are Flask views: the queries take much longer than Flask's dispatch."""

from datetime import UTC, datetime
from typing import Any

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Route
from event_tracker.query.answers import PROBLEMS, answer, path_parameter
from event_tracker.query.auth.calls import Call, SourcesSchema, sources_for_digest
from event_tracker.query.events.event_pages import NIL, Cursor, CursorField, Position, digest, encode
from event_tracker.query.identity import identity_field
from event_tracker.query.parameter_types import EARLIEST, LATEST, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.stats import answers, parameters
from event_tracker.query.stats.answers import RangeAnswer
from event_tracker.query.stats.bodies import ask_by_body
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.questions.funnel import FUNNEL_BODY, ExplainSchema, FunnelAnswer, funnel
from event_tracker.query.stats.questions.paths import PathsAnswer, PathsSchema, paths
from event_tracker.query.stats.questions.sessions import SessionsAnswer, SessionsSchema, sessions
from event_tracker.query.stats.questions.timeseries import TimeseriesAnswer, TimeseriesSchema, timeseries
from event_tracker.query.stats.questions.top_properties import TopPropertiesAnswer, TopPropertiesSchema, top_properties
from event_tracker.query.stats.questions.top_types import TopTypes, TopTypesSchema, top_types
from event_tracker.query.stats.recently_active import ActiveUser, UserPosition
from event_tracker.query.stats.store import Body
from event_tracker.query.stats.suggestions.fields import FieldsAnswer, FieldsSchema, suggest_fields
from event_tracker.query.stats.suggestions.values import ValuesAnswer, ValuesSchema, suggest_values
from event_tracker.query.stats.users.event_users import EventUsersAnswer, EventUsersSchema, event_users
from event_tracker.query.stats.users.retention import RetentionAnswer, RetentionSchema, retention
from event_tracker.query.stats.users.users import UsersAnswer, UsersSchema, users
from event_tracker.query.stats.web.summary import WebAnswer, WebSummarySchema, web
from event_tracker.query.stats.web.top import WebTopAnswer, WebTopSchema, web_top


class ListUsersSchema(SourcesSchema):
    """Parameters of GET /users."""

    limit = Limit(50, "Most users to answer.")
    cursor = CursorField(metadata={"description": "`next_cursor` of the page before."})
    identity = identity_field()


def list_users(stats: Stats, call: Call) -> Body:
    given = call.query()
    limit, sources, identity = given["limit"], given["sources"], given["identity"]
    filter_digest = digest("users", identity, *sources_for_digest(sources))
    position = _read_position(given.get("cursor"), filter_digest)
    users, is_cut = stats.store.list_users(limit + 1, position, sources, identity, call.client)
    next_cursor = _make_cursor(users[:limit][-1], filter_digest) if is_cut or len(users) > limit else None
    return {"identity": identity, "users": [user._asdict() for user in users[:limit]], "next_cursor": next_cursor}


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
        detail = "Was made by another endpoint, or with other sources or another identity."
        raise invalid_parameters([ParameterError("cursor", "other_filters", detail)])
    return UserPosition(cursor.after.timestamp, cursor.after.user_id)


def _make_cursor(last: ActiveUser, filter_digest: bytes) -> str:
    """The cursor of the page that follows this user."""
    return encode(Cursor(filter_digest, EARLIEST, LATEST, Position(last.last_seen, last.user_id, NIL)))


def _stats(path: str, view: Any, summary: str, schema: Any, given: Any, **more: Any) -> Route:
    access, tag = ("read_stats", "stats") if path.startswith("/stats/") else ("read_events", "users")
    options = {"method": "GET", "parameters": [given], "problems": PROBLEMS, **more}
    responses = answer(schema)
    if options["method"] == "GET" and issubclass(schema, RangeAnswer):
        responses[304] = Answer("The client has this answer: its `If-None-Match` names the ETag that it has now.")
    return Route(path=path, view=view, summary=summary, access=access, tag=tag, answers=responses, **options)


USER_ID = path_parameter("user_id", minLength=1, maxLength=200)
NOT_FOUND = {**PROBLEMS, 404: "No event of this user is stored."}
REFUSALS = {**PROBLEMS, 413: "The body is too large.", 415: "The body isn't application/json."}

QUESTIONS = [
    _stats("/stats/top-types", top_types, "The most frequent types, exactly.", TopTypes, TopTypesSchema, is_fast=True),
    _stats("/stats/timeseries", timeseries, "Events, users or sessions over time.", TimeseriesAnswer, TimeseriesSchema),
    _stats("/stats/users", users, "Active, new and returning users over time.", UsersAnswer, UsersSchema),
    _stats("/stats/sessions", sessions, "Sessions: how many, how long, where they begin and end.", SessionsAnswer, SessionsSchema),
    _stats("/stats/top-properties", top_properties, "A property's commonest values.", TopPropertiesAnswer, TopPropertiesSchema),
    _stats("/stats/retention", retention, "Who comes back, by when they first came.", RetentionAnswer, RetentionSchema),
    _stats("/stats/paths", paths, "What follows what within sessions.", PathsAnswer, PathsSchema),
    _stats("/stats/web", web, "A web site's page views, visitors and sessions, and those before.", WebAnswer, WebSummarySchema),
    _stats("/stats/web/top", web_top, "A web site's pages, sources, countries and so on.", WebTopAnswer, WebTopSchema),
]  # fmt: skip
"""By GET; each is also answered by POST, with its parameters in the body."""

STATS = [
    *QUESTIONS,
    *map(ask_by_body, QUESTIONS),
    _stats("/stats/fields", suggest_fields, "What a filter can be about: fields and properties of a sample of events.",
           FieldsAnswer, FieldsSchema),
    _stats("/stats/values", suggest_values, "Values that a field has in a sample of events.", ValuesAnswer, ValuesSchema,
           problems={**PROBLEMS, 403: "Values of user_id and session_id need the scope read_events."}),
    _stats("/stats/funnel", funnel, "Who takes these steps in this order.", FunnelAnswer, ExplainSchema,
           method="POST", body=FUNNEL_BODY, problems=REFUSALS),
    _stats("/events/users", event_users, "Whose the selected events are, and how many of each.",
           EventUsersAnswer, EventUsersSchema),
    _stats("/users", list_users, "Users, most recently active first.", answers.ListUsersAnswer, ListUsersSchema),
    _stats("/users/<path:user_id>", get_user, "One user.", answers.GetUserAnswer, parameters.UserSchema,
           parameters=[USER_ID, parameters.UserSchema], problems=NOT_FOUND),
    _stats("/user", get_any_user, "One user, whatever the id.", answers.GetUserAnswer, parameters.AnyUserSchema,
           problems=NOT_FOUND),
]  # fmt: skip
