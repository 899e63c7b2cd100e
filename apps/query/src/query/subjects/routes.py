"""What a person may ask for about their own data: HTTP in, HTTP out. Admins ask, for the person."""

from typing import cast

from flask import Blueprint, Response, request
from marshmallow import ValidationError

from core.service import json_response
from query.access.principal import principal_of
from query.downloads import Downloads
from query.fields import Choice, Length
from query.parameters import ParameterError, ParameterSchema, Reader, invalid_parameters
from query.subjects.erasure import MODES, Eraser, Erasure
from query.subjects.export import FORMATS, Exporter


class EraseUserSchema(ParameterSchema):
    """Parameters of DELETE /users/{user_id}."""

    mode = Choice(MODES, "erase", "; ".join(f"{name}: {mode.says}" for name, mode in MODES.items()))


class ExportUserSchema(ParameterSchema):
    """Parameters of GET /users/{user_id}/export."""

    format = Choice(FORMATS, "json", "One JSON object, or a line for each row.")


_erase_user = Reader(EraseUserSchema)
_export_user = Reader(ExportUserSchema)


def serving_subjects(eraser: Eraser, exporter: Exporter, downloads: Downloads) -> Blueprint:
    """The views."""
    views = Blueprint("subjects", __name__)

    @views.get("/users/<path:user_id>/export")
    def export_user(user_id: str) -> Response:
        _require_id(user_id)
        form = _export_user.read(request.environ.get("QUERY_STRING", ""))["format"]
        principal = principal_of(request.environ)
        return downloads.answer(
            exporter.parts(user_id, principal, form),
            kind="user",
            name=f"user.{form}",
            content_type=FORMATS[form],
            gzips=True,
        )

    @views.delete("/users/<path:user_id>")
    def erase_user(user_id: str) -> Response:
        _require_id(user_id)
        mode = _erase_user.read(request.environ.get("QUERY_STRING", ""))["mode"]
        return _told(eraser.do(mode, user_id, principal_of(request.environ)))

    return views


def _require_id(user_id: str) -> None:
    """Return if a user may have this id.

    Raises:
        Problem: 422.
    """
    try:
        Length(1, 200)(user_id)
    except ValidationError as error:
        ((code, detail),) = cast(list[tuple[str, str]], error.messages)
        raise invalid_parameters([ParameterError("user_id", code, detail)]) from None


def _told(erasure: Erasure) -> Response:
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
