"""OpenAPI of the statistics. docs/definitions.md defines the terms."""

from typing import Any

from marshmallow import Schema

from event_tracker.core.http.openapi import Document
from event_tracker.query.events.openapi import JSON, PROBLEMS, PROPERTY, operation
from event_tracker.query.stats import parameters as schemas
from event_tracker.query.stats.event_users import EventUsersSchema
from event_tracker.query.stats.routes import ListUsersSchema

Described = dict[str, Any]

TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
TIME = {"type": "string", "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
SHARE = {"type": ["number", "null"], "description": "0 to 1; null of nothing."}
SECONDS = {"type": ["number", "null"], "description": "Seconds; null of nothing."}


def object_schema(**members: Described) -> Described:
    """The schema of an object with these members, all required."""
    return {"type": "object", "required": list(members), "properties": members}


def array_schema(items: Described) -> Described:
    return {"type": "array", "items": items}


EXPLAIN = {"type": "object", "description": "Only with explain=true: statement, indexes, rows_read, partitions, plan."}


def response_schema(**members: Described) -> Described:
    """The schema of a response: the members that all responses share, and these."""
    described = object_schema(**{"from": TIME, "to": TIME, "tz": TEXT, "as_of": TIME}, **members)
    return {**described, "properties": {**described["properties"], "explain": EXPLAIN}}


ACTIVE = {"active": COUNT, "new": COUNT, "returning": COUNT}
RANKED = array_schema(object_schema(key=TEXT_OR_NULL, count=COUNT, share=SHARE))
TIMESERIES = response_schema(
    interval=TEXT,
    metric=TEXT,
    breakdown=TEXT_OR_NULL,
    points={**array_schema(TIME), "description": "Where each interval begins, in the time zone that was asked for."},
    series=array_schema(
        object_schema(
            kind={"enum": ["all", "value", "missing", "other"]},
            key=TEXT_OR_NULL,
            values=array_schema(COUNT),
            total=COUNT,
        )
    ),
)
USERS = response_schema(interval=TEXT, points=array_schema(object_schema(time=TIME, **ACTIVE)), **ACTIVE)
SESSIONS = response_schema(
    gap=COUNT,
    longest=COUNT,
    sessions=COUNT,
    users=COUNT,
    events=COUNT,
    bounces=COUNT,
    bounce_rate=SHARE,
    events_per_session={"type": ["number", "null"]},
    duration=object_schema(mean=SECONDS, median=SECONDS, p90=SECONDS, max=SECONDS),
    by=TEXT,
    entries=RANKED,
    exits=RANKED,
)
TOP_PROPERTIES = response_schema(
    key=TEXT, items=array_schema(object_schema(value=TEXT, count=COUNT, share=SHARE)), total=COUNT, missing=COUNT
)
STEP = object_schema(
    event_type=TEXT,
    properties={"type": "object", "additionalProperties": TEXT},
    users=COUNT,
    conversion=SHARE,
    step_conversion=SHARE,
    dropped=COUNT,
    median_seconds=SECONDS,
)
FUNNEL = response_schema(window=COUNT, steps=array_schema(STEP))
COMPLETE = {
    **array_schema({"type": "boolean"}),
    "description": "For each of `retained`, whether all of its period lies in the range and was over at `as_of`.",
}
RETENTION = response_schema(
    period=TEXT,
    cohorts=array_schema(
        object_schema(
            start=TIME, users=COUNT, retained=array_schema(COUNT), rates=array_schema(SHARE), complete=COMPLETE
        )
    ),
)
TRANSITION = object_schema(
    source=TEXT, target={**TEXT_OR_NULL, "description": "null where the session ends."}, count=COUNT
)
PATHS = response_schema(
    start=TEXT_OR_NULL,
    direction=TEXT,
    depth=COUNT,
    by=TEXT,
    occurrences=COUNT,
    steps=array_schema(object_schema(step=COUNT, transitions=array_schema(TRANSITION), other=COUNT)),
    paths=array_schema(object_schema(keys=array_schema(TEXT), count=COUNT, share=SHARE)),
    other_paths=COUNT,
)
USER_PAGE = object_schema(
    users=array_schema(object_schema(user_id=TEXT, first_seen=TIME, last_seen=TIME, events=COUNT)),
    next_cursor=TEXT_OR_NULL,
)
EVENT_USERS = response_schema(
    sort=TEXT,
    users=array_schema(object_schema(user_id=TEXT, events=COUNT, first=TIME, last=TIME)),
    total={**COUNT, "description": "How many users there are, on all pages."},
)
USER = response_schema(
    user_id=TEXT,
    first_seen=TIME,
    last_seen=TIME,
    events=COUNT,
    range=object_schema(
        events=COUNT,
        active_days=COUNT,
        sessions=COUNT,
        types=array_schema(object_schema(event_type=TEXT, count=COUNT, share=SHARE)),
    ),
)
FUNNEL_BODY = {
    "type": "object",
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {
        "from": {**TEXT, "description": "RFC 3339 with an offset, or a day."},
        "to": {**TEXT, "description": "The same."},
        "tz": {**TEXT, "description": "IANA time zone; UTC by default."},
        "window": {"type": "integer", "minimum": 1, "maximum": 31_536_000, "default": 604_800},
        "steps": {
            "type": "array",
            "minItems": 2,
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["event_type"],
                "additionalProperties": False,
                "properties": {
                    "event_type": {**TEXT, "minLength": 1, "maxLength": 100},
                    "properties": {"type": "object", "additionalProperties": TEXT},
                },
            },
        },
    },
}

OPERATIONS: tuple[tuple[str, str, type[Schema], Described], ...] = (
    ("/stats/timeseries", "Events, users or sessions over time.", schemas.TimeseriesSchema, TIMESERIES),
    ("/stats/users", "Active, new and returning users over time.", schemas.UsersSchema, USERS),
    ("/stats/sessions", "Sessions: how many, how long, where they begin and end.", schemas.SessionsSchema, SESSIONS),
    ("/stats/top-properties", "A property's commonest values.", schemas.TopPropertiesSchema, TOP_PROPERTIES),
    ("/stats/retention", "Who comes back, by when they first came.", schemas.RetentionSchema, RETENTION),
    ("/stats/paths", "What follows what within sessions.", schemas.PathsSchema, PATHS),
    ("/events/users", "Whose the selected events are, and how many of each.", EventUsersSchema, EVENT_USERS),
    ("/users", "Users, most recently active first.", ListUsersSchema, USER_PAGE),
)


def describe_stats(document: Document) -> None:
    """Add the operations to the document."""
    for path, summary, parameters, described in OPERATIONS:
        name = {"/users": "list_users", "/events/users": "event_users"}.get(
            path, path.removeprefix("/stats/").replace("-", "_")
        )
        _describe(document, path, "get", name, summary, _parameters(document, parameters), described)
    user_id = {"name": "user_id", "in": "path", "required": True, "schema": {**TEXT, "minLength": 1, "maxLength": 200}}
    of_user = [user_id, *_parameters(document, schemas.UserSchema)]
    not_found = {404: "No event of this user is stored."}
    _describe(document, "/users/{user_id}", "get", "get_user", "One user.", of_user, USER, not_found)
    summary, by_parameter = "One user, whatever the id.", _parameters(document, schemas.AnyUserSchema)
    _describe(document, "/user", "get", "get_any_user", summary, by_parameter, USER, not_found)
    body = {"required": True, "content": {JSON: {"schema": FUNNEL_BODY}}}
    funnel = _parameters(document, schemas.ExplainSchema)
    refusals = {413: "The body is too large.", 415: "The body isn't application/json."}
    summary = "Who takes these steps in this order."
    _describe(document, "/stats/funnel", "post", "funnel", summary, funnel, FUNNEL, refusals, requestBody=body)


def _describe(
    document: Document,
    path: str,
    method: str,
    name: str,
    summary: str,
    parameters: list[Described],
    described: Described,
    refusals: dict[int, str] | None = None,
    **more: Any,
) -> None:
    component = "".join(word.capitalize() for word in name.split("_")) + "Answer"
    document.json_component(component, described)
    tag = "stats" if path.startswith("/stats/") else "users"
    document.path(
        path, method, {**operation(name, tag, summary, parameters, component), **more}, {**PROBLEMS, **(refusals or {})}
    )


def _parameters(document: Document, schema: type[Schema]) -> list[Described]:
    return [PROPERTY if parameter["name"] == "property" else parameter for parameter in document.parameters(schema)]
