"""Finds the subschemas of a JSON Schema, and resolves references to them."""

from collections.abc import Iterator
from typing import Any

ONE = (
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("dependentSchemas", "patternProperties", "properties")
DEFINED = ("$defs", "definitions")
"""Keywords by their value: one schema, a list of schemas, an object of schemas, an object of schemas that apply only by `$ref`."""

DIGITS = 6
"""An index in a pointer has fewer."""


class InvalidSchemaError(Exception):
    """A schema that isn't accepted.

    Attributes:
        pointer: JSON Pointer to what is wrong.
        detail: a sentence.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}" if pointer else detail)
        self.pointer, self.detail = pointer, detail


def pointer_of(path: list[str | int]) -> str:
    """JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def schemas_in(path: list[str | int], schema: Any, defined: bool) -> Iterator[tuple[list[str | int], Any]]:
    """The schemas directly in a schema, with their paths; those that only apply by `$ref` if `defined`."""
    if not isinstance(schema, dict):
        return
    for keyword in ONE:
        if keyword in schema:
            yield [*path, keyword], schema[keyword]
    for keyword in LISTED:
        for index, member in enumerate(schema.get(keyword, [])):
            yield [*path, keyword, index], member
    for keyword in (*NAMED, *DEFINED) if defined else NAMED:
        for name, member in schema.get(keyword, {}).items():
            yield [*path, keyword, name], member


def all_schemas(schema: Any, path: list[str | int]) -> Iterator[tuple[list[str | int], Any]]:
    yield path, schema
    for below, member in schemas_in(path, schema, defined=True):
        yield from all_schemas(member, below)


def schema_at(schema: Any, reference: str) -> tuple[list[str | int], Any] | None:
    """The schema that a reference (`#` and a JSON Pointer) refers to, with its path; None if there is none there."""
    path: list[str | int] = []
    start, *escaped = reference[1:].split("/")
    parts = iter([part.replace("~1", "/").replace("~0", "~") for part in escaped])
    for keyword in parts:
        if not isinstance(schema, dict) or keyword not in schema:
            return None
        schema = schema[keyword]
        path.append(keyword)
        if keyword in ONE:
            continue
        part = next(parts, "")
        key = int(part) if keyword in LISTED and part.isdecimal() and len(part) < DIGITS else part
        if (keyword in LISTED and isinstance(key, int) and key < len(schema)) or (
            keyword in (*NAMED, *DEFINED) and key in schema
        ):
            schema = schema[key]
        else:
            return None
        path.append(key)
    return None if start else (path, schema)
