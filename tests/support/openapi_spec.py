"""Reads an OpenAPI document."""

from collections.abc import Iterator
from typing import Any

METHODS = {"get", "post", "put", "patch", "delete"}


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of a document."""
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method in METHODS)
