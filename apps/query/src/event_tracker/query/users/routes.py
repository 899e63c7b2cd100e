"""HTTP routes that export and erase users. Admins call them on a person's request."""

from functools import partial
from typing import Any, NamedTuple, cast
from wsgiref.types import WSGIEnvironment

from flask import Response
from marshmallow import ValidationError

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Problems, Route
from event_tracker.query.answers import INVALID, PROBLEMS, TEXT, path_parameter
from event_tracker.query.auth.calls import Call
from event_tracker.query.events.streams.downloads import Downloads
from event_tracker.query.identity import identity_field
from event_tracker.query.parameter_types import Choice, Length, user_id_field
from event_tracker.query.parameters import ParameterError, ParameterSchema, invalid_parameters
from event_tracker.query.users.erasure import MODES, Eraser, Erasure
from event_tracker.query.users.user_export import FORMATS, Exporter


class EraseUserSchema(ParameterSchema):
    """Parameters of DELETE /users/{user_id}; beside `user_id`, of DELETE /user."""

    identity = identity_field()
    mode = Choice(MODES, "erase", "; ".join(f"{name}: {mode.description}" for name, mode in MODES.items()))


class ExportUserSchema(ParameterSchema):
    """Parameters of GET /users/{user_id}/export; beside `user_id`, of GET /user/export."""

    identity = identity_field()
    format = Choice(FORMATS, "json", "One JSON object, or a line for each row.")


class EraseAnyUserSchema(EraseUserSchema):
    """Parameters of DELETE /user."""

    user_id = user_id_field()


class ExportAnyUserSchema(ExportUserSchema):
    """Parameters of GET /user/export."""

    user_id = user_id_field()


class UserData(NamedTuple):
    """What the routes work with."""

    eraser: Eraser
    exporter: Exporter
    downloads: Downloads


def export_user(data: UserData, call: Call, user_id: str) -> Response:
    _require_plain_export(call.environ)
    _require_id(user_id)
    return _export(data, call, user_id, call.query())


def export_any_user(data: UserData, call: Call) -> Response:
    given = call.query()
    return _export(data, call, given["user_id"], given)


def _export(data: UserData, call: Call, user_id: str, given: dict[str, Any]) -> Response:
    file_format = given["format"]
    return data.downloads.stream(
        data.exporter.parts(user_id, given["identity"], call.principal, file_format),
        kind="user",
        name=f"user.{file_format}",
        content_type=FORMATS[file_format],
        gzips=True,
    )


def erase_user(data: UserData, call: Call, user_id: str) -> Erasure:
    _require_id(user_id)
    given = call.query()
    return data.eraser.run(given["mode"], user_id, given["identity"], call.principal)


def erase_any_user(data: UserData, call: Call) -> Erasure:
    given = call.query()
    return data.eraser.run(given["mode"], given["user_id"], given["identity"], call.principal)


def _require_plain_export(environ: WSGIEnvironment) -> None:
    """Check that the path ended with /export before decoding: /users/q%2Fexport is the user `q/export`, not `q`.

    Raises:
        Problem: 404.
    """
    path = environ.get("RAW_URI", "").partition("?")[0]
    if not path.endswith("/export"):
        raise Problem(
            404, "not_found", "Such an id is given as a parameter: GET /user?user_id=… or /user/export?user_id=…"
        )


def _require_id(user_id: str) -> None:
    """Check that a user may have this id.

    Raises:
        Problem: 422.
    """
    try:
        Length(1, 200)(user_id)
    except ValidationError as error:
        ((code, detail),) = cast(list[tuple[str, str]], error.messages)
        raise invalid_parameters([ParameterError("user_id", code, detail)]) from None


USER_ID = path_parameter("user_id", "Whose data.")
DONE = {200: Answer("Done; also if nothing was stored.", Erasure)}
FILE = {200: Answer("The file.", TEXT, list(FORMATS.values()))}
ERASE_PROBLEMS: Problems = {
    400: "Not a query string in UTF-8.",
    422: INVALID,
    429: "100 erasures of the principal wait for their turn; ask again after Retry-After seconds.",
    503: "Another erasure is in progress, or the database is unavailable. Asking again is safe.",
    504: "It took longer than ERASE_SECONDS; nothing was done.",
}
EXPORT_PROBLEMS = {
    **PROBLEMS,
    400: "Not a query string in UTF-8.",
    404: "Nothing of this user is stored.",
}

_erasure = partial(
    Route,
    "DELETE",
    summary="Erase or anonymise everything that is stored of a user, in one transaction.",
    access="admin",
    tag="users",
    answers=DONE,
    problems=ERASE_PROBLEMS,
    is_secret=True,
)
_user_file = partial(
    Route,
    "GET",
    summary="Everything that is stored of a user as a file. A body without its end was broken off.",
    access="admin",
    tag="users",
    answers=FILE,
    problems=EXPORT_PROBLEMS,
)

USER_DATA = [
    _erasure(
        "/users/<path:user_id>",
        erase_user,
        parameters=[USER_ID, EraseUserSchema],
        problems={**ERASE_PROBLEMS, 404: "An id that can't be written in a path, such as one that ends in a newline."},
    ),
    _erasure("/user", erase_any_user, parameters=[EraseAnyUserSchema]),
    _user_file("/users/<path:user_id>/export", export_user, parameters=[USER_ID, ExportUserSchema]),
    _user_file("/user/export", export_any_user, parameters=[ExportAnyUserSchema]),
]
