"""Routes under /admin/sources/{name}/schemas: the JSON Schemas of a source's events, by their type."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, fields

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.model import event_schemas
from event_tracker.model.schema_rules import InvalidSchemaError
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources import NAME, may_manage
from event_tracker.query.auth.principal import principal_of
from event_tracker.query.parameter_types import Between, Length
from event_tracker.query.parameters import ParameterSchema, Reader
from event_tracker.query.request_body import read_json, receive_body


class SchemasParameters(ParameterSchema):
    """Parameters of GET /admin/sources/{name}/schemas."""

    event_type = fields.String(
        load_default=None,
        validate=Length(1, 100),
        metadata={
            "description": f"The newest {event_schemas.MOST_VERSIONS} versions of this type's schema, with the schemas; "
            "otherwise the newest of each, without."
        },
    )
    version: fields.Integer = Between(
        1, 2**31 - 1, None, "Of these, only this one; it may be older. With `event_type`."
    )


class SchemaBody(Schema):
    """Body of PUT /admin/sources/{name}/schemas."""

    class Meta:
        unknown = RAISE

    event_type = fields.String(required=True, validate=Length(1, 100), metadata={"description": "Of which events."})
    schema = fields.Dict(
        required=True,
        metadata={"description": "JSON Schema 2020-12 of their properties; what it may be: docs/schemas.md."},
    )


READER = Reader(SchemasParameters)


def schema_routes(management: Management) -> Blueprint:
    """The routes under /admin/sources/{name}/schemas."""
    views = Blueprint("schemas", __name__)

    @views.get("/admin/sources/<name>/schemas")
    def list_schemas(name: str) -> Response:
        query = READER.read(request.environ["QUERY_STRING"])
        principal = principal_of(request.environ)
        items, _ = management.change(principal, lambda transaction: _list(transaction, name, **query))
        return json_response({"items": items})

    @views.put("/admin/sources/<name>/schemas")
    def set_schema(name: str) -> Response:
        given = read_json(SchemaBody(), receive_body())
        done, _ = management.change(
            principal_of(request.environ),
            lambda transaction: put_schema(transaction, name, given["event_type"], given["schema"]),
        )
        return json_response({"version": done.version, "is_new": done.is_new}, 201 if done.is_new else 200)

    return views


def put_schema(transaction: Transaction, source: str, event_type: str, schema: Any) -> event_schemas.SetResult:
    """Set a schema as the newest version for an event type.

    Raises:
        Problem: 404 if the source isn't the principal's, 422 with a JSON pointer if the schema isn't valid.
    """
    if not (may_manage(transaction.principal, source) and NAME.fullmatch(source)):
        raise not_found()
    try:
        done = event_schemas.set_schema(transaction.connection, source, event_type, schema)
    except event_schemas.NoSuchSourceError:
        raise not_found() from None
    except InvalidSchemaError as error:
        raise Problem(
            422, "invalid_schema", f"The schema of {event_type} can't be taken: {error}", pointer=error.pointer
        ) from None
    if done.is_new:
        transaction.record("schema_set", event_type, source, version=done.version)
    return done


def _list(transaction: Transaction, source: str, event_type: str | None, version: int | None = None) -> list[Row]:
    if not (may_manage(transaction.principal, source) and transaction.execute("known_sources", names=[source])):
        raise not_found()
    if event_type is None:
        found: list[Any] = event_schemas.list_schemas(transaction.connection, [source])
    else:
        found = event_schemas.list_versions(transaction.connection, source, event_type, version)
    return [one._asdict() for one in found]
