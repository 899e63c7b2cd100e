"""The route of SQL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from flask import Response
from marshmallow import fields
from msgspec import UNSET, Meta, UnsetType

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.openapi import Problem as ProblemDetails
from event_tracker.core.http.routes import JSON, Answer, Route, problem
from event_tracker.query.answers import BODY_PROBLEMS, PROBLEMS, InvalidParameters, Time, path_parameter
from event_tracker.query.auth.calls import Call, SourcesSchema
from event_tracker.query.identity import Identity, identity_field
from event_tracker.query.parameter_types import REQUIRED, Between, Choice, Length
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.sql.runner import SqlAnswer, SqlQuery, SqlRunner
from event_tracker.query.sql.sandbox.messages import Column, Format
from event_tracker.query.sql.saved import (
    MAX_CHARACTERS,
    NAME,
    SavedQuery,
    SavedQueryList,
    SavedQuerySettings,
    delete_saved_query,
    get_saved_query,
    list_saved_queries,
    put_saved_query,
)
from event_tracker.query.stats.parameters import end_field, resolve_range, start_field, zone_field

MAX_ROWS = 100_000

CSV = "text/csv; charset=utf-8; header=present"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = {"json": JSON, "csv": CSV, "arrow": ARROW}

OFF = "Statements in SQL are off here: the setting SQL isn't on."


class Sql(NamedTuple):
    """What the route works with. `runner` is None where SQL is off."""

    runner: SqlRunner | None


class SqlSchema(SourcesSchema):
    """The body of POST /sql."""

    statement = fields.String(
        data_key="sql",
        required=True,
        validate=Length(1, MAX_CHARACTERS),
        error_messages=REQUIRED,
        metadata={
            "description": "One SELECT in DuckDB's SQL, over the views events, users, sessions and pages (docs/sql.md)."
        },
    )
    start = start_field()
    end = end_field()
    zone = zone_field()
    identity = identity_field()
    limit = Between(1, MAX_ROWS, 1000, "Most rows to answer; `truncated` says whether there are more.")
    format = Choice(get_args(Format), "json", "What the rows are written as.")


class SqlResult(msgspec.Struct, kw_only=True):
    """What a statement answered."""

    start: Time = msgspec.field(name="from")
    end: Time = msgspec.field(name="to")
    tz: str
    as_of: Time
    identity: Identity
    columns: list[Column]
    row_count: int
    truncated: Annotated[
        bool, Meta(description="Whether there are more rows than these, by `limit` or by their bytes.")
    ]
    rows: list[list[Any]]


class StatementProblem(ProblemDetails, kw_only=True):
    """What is wrong with the statement, and where, if it is known."""

    line: Annotated[int, Meta(ge=1, description="From 1.")] | UnsetType = UNSET
    column: Annotated[int, Meta(ge=1, description="From 1, in characters.")] | UnsetType = UNSET


INVALID_STATEMENT = problem(
    "Parameters are wrong: `errors` has every mistake. Or the statement is wrong, not allowed or has failed (`invalid_sql`, "
    "`sql_not_allowed`, `sql_failed`), or it needs too much (`too_large`).",
    {"anyOf": [InvalidParameters, StatementProblem]},
)


def run_sql(sql: Sql, call: Call) -> Response:
    if sql.runner is None:
        raise Problem(404, "sql_off", OFF)
    query = read_sql(call, datetime.now(UTC))
    return _respond(query, sql.runner.run(query, call))


def read_sql(call: Call, now: datetime) -> SqlQuery:
    """Read the statement and what it may read.

    Raises:
        Problem: 400 or 422 with all errors.
    """
    given = resolve_range(call, {**call.query(), "explain": False}, now, allow_explain=False)
    named = {name: given[name] for name in ("statement", "sources", "start", "end", "identity", "limit", "format")}
    return SqlQuery(**named, zone=str(given["zone"]))


def _respond(query: SqlQuery, answer: SqlAnswer) -> Response:
    result = answer.result
    if query.format == "json":
        body = SqlResult(
            start=query.start,
            end=query.end,
            tz=query.zone,
            as_of=answer.as_of,
            identity=query.identity,
            columns=result.columns,
            row_count=result.rows,
            truncated=result.truncated,
            rows=msgspec.Raw(answer.body),  # type: ignore[arg-type]
        )
        return Response(msgspec.json.encode(body), content_type=JSON)
    headers = {
        "X-As-Of": msgspec.json.encode(answer.as_of).decode().strip('"'),
        "X-Row-Count": str(result.rows),
        "X-Truncated": str(result.truncated).lower(),
    }
    return Response(answer.body, content_type=MEDIA_TYPES[query.format], headers=headers)


SQL = [
    Route(
        "POST",
        "/sql",
        run_sql,
        "One statement in SQL, over views of the events that one may see.",
        access="sql",
        tag="sql",
        parameters=[ParameterSchema],
        body=SqlSchema,
        answers={
            200: Answer("The rows. CSV and Arrow have X-As-Of, X-Row-Count and X-Truncated as headers.", SqlResult)
        },
        problems={**PROBLEMS, **BODY_PROBLEMS, 404: "SQL is off here.", 422: INVALID_STATEMENT},
    )
]

SAVED = "/sql/queries/<name>"


def _saved(
    method: str, path: str, view: Callable[..., Any], summary: str, answer: type | None, *problems: int
) -> Route:
    """A route of saved queries. `problems` are those of SAVED_PROBLEMS beside the usual ones."""
    described = Answer("As asked.", answer) if answer else Answer("Done.")
    statuses = {"PUT": (200, 201), "DELETE": (204,)}.get(method, (200,))
    return Route(
        method,
        path,
        view,
        summary,
        access="sql",
        tag="saved queries",
        parameters=[path_parameter("name", pattern=f"^{NAME.pattern}$")] if path == SAVED else [],
        body=SavedQuerySettings if method == "PUT" else None,
        answers=dict.fromkeys(statuses, described),
        problems={code: SAVED_PROBLEMS[code] for code in (404, 429, 503, *problems)},
    )


SAVED_PROBLEMS = {
    400: "Not JSON.",
    403: "It is another's, or needs credentials.",
    404: "There is none of this name, or SQL is off here.",
    409: "There are too many.",
    413: "A body that is too large.",
    415: "Not application/json.",
    422: "The statement is missing, or too long.",
    429: "The principal has half of the memory that requests may have, or 100 of their requests wait for their turn.",
    503: "The database is unavailable, or too much waits for its turn.",
}

SAVED_QUERIES = [
    _saved("GET", "/sql/queries", list_saved_queries, "The saved queries, by name.", SavedQueryList),
    _saved("GET", SAVED, get_saved_query, "A saved query.", SavedQuery),
    _saved("PUT", SAVED, put_saved_query, "Save a statement under a name.", SavedQuery, 400, 403, 409, 413, 415, 422),
    _saved("DELETE", SAVED, delete_saved_query, "Remove a saved query.", None, 403),
]
