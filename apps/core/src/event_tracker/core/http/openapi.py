"""The OpenAPI document of a service, from its marshmallow schemas."""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import INCLUDE, Schema, fields

from event_tracker.core.http.errors import CONTENT_TYPE

OPENAPI_VERSION = "3.1.0"

HEAD_PROBLEMS = {
    414: "The path and the query string are longer than 8 KiB.",
    431: "The headers, or one of them, are too long, or there are too many.",
}
"""Answers that any request may get before its path is read."""


class ProblemSchema(Schema):
    """RFC 9457 problem details. Some problems have more members, such as `errors`."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True, metadata={"description": "A word for machines, stable between releases."})
    detail = fields.String(required=True, metadata={"description": "What is wrong, where, and what to do."})
    request_id = fields.String(required=True)


class Document:
    """Collects a service's paths; `to_dict()` is what `/openapi.json` answers."""

    def __init__(self, title: str, version: str, description: str) -> None:
        self._plugin = MarshmallowPlugin()
        self._spec = APISpec(
            title=title,
            version=version,
            openapi_version=OPENAPI_VERSION,
            info={"description": description},
            plugins=[self._plugin],
        )
        self._spec.components.schema("Problem", schema=ProblemSchema)

    def component(self, name: str, schema: type[Schema]) -> None:
        """Name a schema, for `#/components/schemas/NAME`."""
        self._spec.components.schema(name, schema=schema)

    def json_component(self, name: str, schema: dict[str, Any]) -> None:
        """Name a JSON Schema, for `#/components/schemas/NAME`."""
        self._spec.components.schema(name, schema)

    def path(self, path: str, method: str, operation: dict[str, Any], problems: dict[int, str] | None = None) -> None:
        """Add an operation; `problems` maps a status to what it means, each answered with problem details."""
        for status, description in {**(problems or {}), **HEAD_PROBLEMS}.items():
            content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            operation["responses"].setdefault(str(status), {"description": description, "content": content})
        self._spec.path(path=path, operations={method: operation})

    def parameters(self, schema: type[Schema]) -> list[dict[str, Any]]:
        """A schema's fields as query parameters."""
        found: list[dict[str, Any]] = self._plugin.converter.schema2parameters(schema, location="query")  # type: ignore[union-attr]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        document: dict[str, Any] = self._spec.to_dict()
        return document
