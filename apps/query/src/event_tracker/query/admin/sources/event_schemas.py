"""Routes under /admin/sources/{name}/schemas: the JSON Schemas of a source's events, by their type."""

from typing import Any

from marshmallow import fields

from event_tracker.core.http.errors import Problem
from event_tracker.model import event_schemas
from event_tracker.model.schema_rules import InvalidSchemaError
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.sources import NAME, may_manage
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Between, Length
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.request_body import BodySchema


class SchemasParameters(ParameterSchema):
    """Parameters of GET /admin/sources/{name}/schemas."""

    event_type = fields.String(
        load_default=None,
        validate=Length(1, 100),
        metadata={
            "description": f"The newest {event_schemas.MAX_VERSIONS} versions of this type's schema, with the schemas; "
            "otherwise the newest of each, without."
        },
    )
    version: fields.Integer = Between(
        1, 2**31 - 1, None, "Of these, only this one; it may be older. With `event_type`."
    )


class SchemaSettings(BodySchema):
    """Body of PUT /admin/sources/{name}/schemas."""

    event_type = fields.String(required=True, validate=Length(1, 100), metadata={"description": "Of which events."})
    schema = fields.Dict(
        required=True,
        metadata={"description": "JSON Schema 2020-12 of their properties; what it may be: docs/schemas.md."},
    )


def list_schemas(management: Management, call: Call, name: str) -> Row:
    query = call.query()
    items, _ = management.change(call.principal, lambda transaction: _list(transaction, name, **query))
    return {"items": items}


def set_schema(management: Management, call: Call, name: str) -> tuple[Row, int]:
    given = call.body()
    done, _ = management.change(
        call.principal, lambda transaction: put_schema(transaction, name, given["event_type"], given["schema"])
    )
    return done._asdict(), 201 if done.is_new else 200


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
