"""The OpenAPI document of a service, from its routes."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema
from msgspec import Meta

from event_tracker.core.http.routes import JSON, PUBLIC, Answer, Route, problem

OPENAPI_VERSION = "3.1.0"
COMPONENT = "#/components/schemas/{name}"

HEAD_PROBLEMS = {
    414: "The path and the query string are longer than 8 KiB.",
    431: "The headers, or one of them, are too long, or there are too many.",
}
"""Answers that any request may get before its path is read."""


class Problem(msgspec.Struct):
    """RFC 9457 problem details. Some problems have more members, such as `errors`."""

    # The body of `errors.Problem`.
    type: str
    title: str
    status: int
    code: Annotated[str, Meta(description="A word for machines, stable between releases.")]
    detail: Annotated[str, Meta(description="What is wrong, where, and what to do.")]
    request_id: str


class Document:
    """Collects a service's operations; `to_dict()` is what `/openapi.json` answers.

    Args:
        parameters_by_name: parameters that marshmallow can't describe, by name.
        scopes: what an access token may allow → what that means. Without scopes, the document names no credentials.
    """

    def __init__(
        self,
        title: str,
        version: str,
        description: str,
        parameters_by_name: Mapping[str, Any] | None = None,
        scopes: Mapping[Any, str] | None = None,
    ) -> None:
        self._plugin = MarshmallowPlugin()
        self._parameters_by_name, self._scopes = parameters_by_name or {}, scopes or {}
        self._spec = APISpec(
            title=title,
            version=version,
            openapi_version=OPENAPI_VERSION,
            info={"description": description},
            plugins=[self._plugin],
        )
        if self._scopes:
            meanings = " ".join(f"`{scope}`: {meaning}" for scope, meaning in self._scopes.items())
            scheme = {"type": "http", "scheme": "bearer", "description": f"A token; these are its scopes. {meanings}"}
            self._spec.components.security_scheme("token", scheme)
        self._described: set[type] = set()
        self._schema(Problem)

    def add(self, route: Route) -> None:
        """Add the operation of a route that has a summary."""
        if not route.summary:
            return
        operation: dict[str, Any] = {"operationId": route.name, "tags": [route.tag], "summary": route.summary}
        if route.description:
            operation["description"] = route.description
        operation["parameters"] = [described for one in route.parameters for described in self._parameters(one)]
        if route.body:
            bodies = route.body if isinstance(route.body, dict) and JSON in route.body else {JSON: route.body}
            operation["requestBody"] = {"required": True, **self._bodies(bodies)}
        refusals: dict[int, str] = {}
        if self._scopes and route.access != PUBLIC:
            is_scope = route.access in self._scopes
            operation["security"] = [{"token": [route.access] if is_scope else []}]
            lacking = (
                f"Credentials without the scope `{route.access}`." if is_scope else "Credentials that may not do this."
            )
            refusals = {401: "No credentials, or wrong ones.", 403: lacking}
        problems = {
            status: problem(given) if isinstance(given, str) else given
            for status, given in {**HEAD_PROBLEMS, **refusals, **route.problems}.items()
        }
        operation["responses"] = {
            str(status): {"description": answer.description, **self._content(answer)}
            for status, answer in sorted({**problems, **route.answers}.items())
        }
        for status in (
            problems.keys() & route.answers.keys()
        ):  # an answer of another protocol to what was refused in part
            operation["responses"][str(status)]["content"] |= self._content(problems[status])["content"]
        self._spec.path(path=route.template, operations={route.method.lower(): operation})

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        document: dict[str, Any] = self._spec.to_dict()
        return document

    def _content(self, answer: Answer) -> dict[str, Any]:
        return self._bodies(dict.fromkeys(answer.media_types, answer.schema)) if answer.schema else {}

    def _bodies(self, schemas: Mapping[str, Any]) -> dict[str, Any]:
        return {"content": {media_type: {"schema": self._schema(schema)} for media_type, schema in schemas.items()}}

    def _parameters(self, given: Any) -> list[dict[str, Any]]:
        if isinstance(given, dict):
            return [given]
        found = self._plugin.converter.schema2parameters(given, location="query")  # type: ignore[union-attr]
        return [self._parameters_by_name.get(one["name"], one) for one in found]

    def _schema(self, given: Any) -> Any:
        """JSON Schema with references in place of types, which are added to the components."""
        if isinstance(given, dict):
            return {member: self._schema(value) for member, value in given.items()}
        if isinstance(given, list):
            return [self._schema(one) for one in given]
        if not isinstance(given, type):
            return given
        if issubclass(given, Schema):
            name = given.__name__.removesuffix("Schema")
            if given not in self._described:
                self._spec.components.schema(name, schema=given)
            self._described.add(given)
            return {"$ref": COMPONENT.format(name=name)}
        (schema,), components = msgspec.json.schema_components((given,), ref_template=COMPONENT)
        for name, component in components.items():
            if name not in self._spec.components.schemas:
                self._spec.components.schema(name, component)
        return schema
