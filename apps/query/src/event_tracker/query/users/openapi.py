"""OpenAPI of the routes that export and erase users."""

from typing import Any

from marshmallow import Schema, fields

from event_tracker.core.http.openapi import Document
from event_tracker.query.events.openapi import JSON, PROBLEMS
from event_tracker.query.events.streams.openapi import TEXT, WRONG
from event_tracker.query.users.erasure import MODES
from event_tracker.query.users.routes import (
    EraseAnyUserSchema,
    EraseUserSchema,
    ExportAnyUserSchema,
    ExportUserSchema,
)
from event_tracker.query.users.user_export import FORMATS

USER_ID = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "Whose data.",
}


class ErasureSchema(Schema):
    """A completed erasure, and its receipt."""

    erasure_id = fields.UUID(required=True)
    at = fields.DateTime(required=True)
    mode = fields.String(required=True, metadata={"enum": list(MODES)})
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "Rows that are gone or, of counters, lessened, by table."},
    )
    receipt = fields.String(
        required=True,
        metadata={
            "description": "JWS over the counts, the time and a commitment to the user's id; see /.well-known/jwks.json."
        },
    )
    salt = fields.String(
        required=True,
        metadata={"description": "Ties the receipt to the user's id. It is stored nowhere: keep it with the receipt."},
    )


REFUSED = {
    400: "Not a query string in UTF-8.",
    401: "No credentials, or wrong ones.",
    403: "Credentials without the scope `admin`.",
}


def describe_user_data(document: Document) -> None:
    """Add the operations to the document."""
    document.component("Erasure", ErasureSchema)
    done: dict[str, Any] = {"description": "Done; also if nothing was stored."}
    done["content"] = {JSON: {"schema": {"$ref": "#/components/schemas/Erasure"}}}
    operation = {
        "operationId": "erase_user",
        "tags": ["users"],
        "summary": "Erase or anonymise everything that is stored of a user, in one transaction.",
        "parameters": [USER_ID, *document.parameters(EraseUserSchema)],
        "responses": {"200": done, "422": WRONG},
    }
    problems = {
        **REFUSED,
        429: "100 erasures of the principal wait for their turn; ask again after Retry-After seconds.",
        503: "Others are at it, or the database is away. Asking again is safe.",
        504: "It took longer than ERASE_SECONDS; nothing was done.",
    }
    document.path("/users/{user_id}", "delete", operation, problems)
    by_parameter = {"operationId": "erase_any_user", "parameters": document.parameters(EraseAnyUserSchema)}
    document.path("/user", "delete", {**operation, **by_parameter}, problems)
    written = dict.fromkeys(FORMATS.values(), TEXT)
    export = {
        "operationId": "export_user",
        "tags": ["users"],
        "summary": "Everything that is stored of a user as a file. A body without its end was broken off.",
        "parameters": [USER_ID, *document.parameters(ExportUserSchema)],
        "responses": {"200": {"description": "The file.", "content": written}, "422": WRONG},
    }
    problems = {**PROBLEMS, **REFUSED, 404: "Nothing of this user is stored."}
    document.path("/users/{user_id}/export", "get", export, problems)
    by_parameter = {"operationId": "export_any_user", "parameters": document.parameters(ExportAnyUserSchema)}
    document.path("/user/export", "get", {**export, **by_parameter}, problems)
