"""The sources that a token or a person is restricted to: the field in bodies, and its check."""

from typing import Any

from marshmallow import fields, validate

from event_tracker.core.http.errors import Problem
from event_tracker.query.admin.management import Transaction
from event_tracker.query.admin.sources.sources import may_manage
from event_tracker.query.auth.principal import require_all_sources
from event_tracker.query.parameter_types import text_field
from event_tracker.query.parameters import ParameterError, invalid_parameters

MAX_SOURCES = 100


def source_restriction(description: str, **options: Any) -> fields.Field[Any]:
    """A field with names of sources; null is all."""
    names = validate.Length(max=MAX_SOURCES)
    return fields.List(
        text_field(1, 100), allow_none=True, validate=names, metadata={"description": description}, **options
    )


def check_sources(transaction: Transaction, names: list[str] | None) -> list[str] | None:
    """Check that these are sources of the principal. Returns the names, sorted and unique.

    Raises:
        Problem: 422 for a source that doesn't exist or isn't theirs. If the principal is restricted: 422 for an empty list, 403
            for null.
    """
    if names is None:
        require_all_sources(transaction.principal)
        return None
    if not names and transaction.principal.sources is not None:
        detail = "Name a source: you are restricted to some."
        raise invalid_parameters([ParameterError("sources", "length", detail)])
    known = {row["name"] for row in transaction.execute("known_sources", names=names)}
    wrong = [name for name in names if name not in known or not may_manage(transaction.principal, name)]
    if wrong:
        raise _unknown(wrong)
    return sorted(set(names))


def _unknown(names: list[str]) -> Problem:
    detail = "Is not a source; GET /admin/sources lists them."
    return invalid_parameters([ParameterError(f"sources.{name}", "unknown_source", detail) for name in names])
