"""HTTP routes that export and erase users. Admins call them on a person's request."""

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, request
from marshmallow import ValidationError

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.query.auth.principal import principal_of
from event_tracker.query.events.streams.downloads import Downloads
from event_tracker.query.parameter_types import Choice, Length, user_id_field
from event_tracker.query.parameters import ParameterError, ParameterSchema, Reader, invalid_parameters
from event_tracker.query.users.erasure import MODES, Eraser, ErasureResult
from event_tracker.query.users.user_export import FORMATS, Exporter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class EraseUserSchema(ParameterSchema):
    """Parameters of DELETE /users/{user_id}; beside `user_id`, of DELETE /user."""

    mode = Choice(MODES, "erase", "; ".join(f"{name}: {mode.description}" for name, mode in MODES.items()))


class ExportUserSchema(ParameterSchema):
    """Parameters of GET /users/{user_id}/export; beside `user_id`, of GET /user/export."""

    format = Choice(FORMATS, "json", "One JSON object, or a line for each row.")


class EraseAnyUserSchema(EraseUserSchema):
    """Parameters of DELETE /user."""

    user_id = user_id_field()


class ExportAnyUserSchema(ExportUserSchema):
    """Parameters of GET /user/export."""

    user_id = user_id_field()


_erase_user, _erase_any_user = Reader(EraseUserSchema), Reader(EraseAnyUserSchema)
_export_user, _export_any_user = Reader(ExportUserSchema), Reader(ExportAnyUserSchema)


def user_data_routes(eraser: Eraser, exporter: Exporter, downloads: Downloads) -> Blueprint:
    """The routes that export and erase users."""
    views = Blueprint("subjects", __name__)

    @views.get("/users/<path:user_id>/export")
    def export_user(user_id: str) -> Response:
        _require_plain_export(request.environ)
        _require_id(user_id)
        return export(user_id, _export_user.read(request.environ.get("QUERY_STRING", ""))["format"])

    @views.get("/user/export")
    def export_any_user() -> Response:
        given = _export_any_user.read(request.environ.get("QUERY_STRING", ""))
        return export(given["user_id"], given["format"])

    def export(user_id: str, file_format: str) -> Response:
        principal = principal_of(request.environ)
        return downloads.stream(
            exporter.parts(user_id, principal, file_format),
            kind="user",
            name=f"user.{file_format}",
            content_type=FORMATS[file_format],
            gzips=True,
        )

    @views.delete("/users/<path:user_id>")
    def erase_user(user_id: str) -> Response:
        _require_id(user_id)
        mode = _erase_user.read(request.environ.get("QUERY_STRING", ""))["mode"]
        return _erasure_response(eraser.run(mode, user_id, principal_of(request.environ)))

    @views.delete("/user")
    def erase_any_user() -> Response:
        given = _erase_any_user.read(request.environ.get("QUERY_STRING", ""))
        return _erasure_response(eraser.run(given["mode"], given["user_id"], principal_of(request.environ)))

    return views


def _require_plain_export(environ: "WSGIEnvironment") -> None:
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


def _erasure_response(erasure: ErasureResult) -> Response:
    response = json_response(
        {
            "erasure_id": erasure.id,
            "at": erasure.at,
            "mode": erasure.mode,
            "counts": erasure.counts,
            "receipt": erasure.receipt.signed,
            "salt": erasure.receipt.salt,
        }
    )
    response.headers["Cache-Control"] = "no-store"
    return response
