"""Reads query strings by a marshmallow schema. All errors are reported at once, each with a code."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from marshmallow import RAISE, Schema, ValidationError, fields
from msgspec import Meta

from event_tracker.core.http.errors import Problem
from event_tracker.query.parameter_types import CODES

MAX_PAIRS = 200
"""A query string with more pairs is refused before it is parsed: each pair costs time, and no honest client sends so many."""


MAX_ERRORS = 20
"""Errors that a response lists. It also says how many more there are."""

NAME_CHARACTERS = 100
"""How much of an unknown parameter's name a response repeats."""


class ParameterError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is wrong with one parameter."""

    parameter: str
    code: Annotated[str, Meta(extra_json_schema={"enum": sorted(CODES)})]
    detail: str


class ParameterSchema(Schema):
    """Base of each endpoint's parameters. A List field is repeatable; a Dict field `x` is given as `x.NAME=value`."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": ("unknown_parameter", "Is not a parameter of this endpoint.")}  # type: ignore[dict-item]  # noqa: RUF012


class QueryStringReader:
    """Reads the query strings of one endpoint."""

    def __init__(self, schema: type[ParameterSchema]) -> None:
        self.schema = schema()
        by_name = {field.data_key or name: field for name, field in self.schema.load_fields.items()}
        self.repeatable = {name for name, field in by_name.items() if isinstance(field, fields.List)}
        self.dotted = {name for name, field in by_name.items() if isinstance(field, fields.Dict)}

    def read(self, query: str) -> dict[str, Any]:
        """The parameters by the schema's attribute names.

        Args:
            query: QUERY_STRING of the WSGI environ; each character stands for one byte.

        Raises:
            Problem: 400 if it isn't a query string in UTF-8, 422 with all errors in its parameters.
        """
        given, errors = self._gather(_parse_pairs(query))
        try:
            loaded: dict[str, Any] = self.schema.load(given)
        except ValidationError as error:
            errors += self._errors(error)
        if errors:
            raise invalid_parameters(errors)
        return loaded

    def _gather(self, pairs: list[tuple[str, str]]) -> tuple[dict[str, Any], list[ParameterError]]:
        given: dict[str, Any] = {}
        errors = []
        for name, value in pairs:
            first, dot, rest = name.partition(".")
            target, key = (given.setdefault(first, {}), rest) if dot and first in self.dotted else (given, name)
            if target is given and key in self.repeatable:
                target.setdefault(key, []).append(value)
            elif name in self.dotted:
                errors.append(ParameterError(shorten(name), "unknown_parameter", f"Is written {name}.NAME=value."))
            elif key in target:
                errors.append(
                    ParameterError(shorten(name), "repeated_parameter", "Is given twice; it may be given once.")
                )
            else:
                target[key] = value
        return given, errors

    def _errors(self, error: ValidationError) -> Iterator[ParameterError]:
        for name, messages in error.messages_dict.items():
            if isinstance(messages, list):
                yield from _make_errors(name, messages)
            elif name in self.dotted:
                for key, sides in messages.items():
                    for side in sides.values():
                        yield from _make_errors(f"{name}.{key}", side)
            else:
                for part, item in messages.items():
                    # Items have a number, which isn't told, and parts of an item a path.
                    path = part if isinstance(part, tuple) else ()
                    yield from _make_errors(".".join(map(str, (name, *path))), item)


def invalid_parameters(errors: Iterable[ParameterError]) -> Problem:
    """The 422 that lists these errors, or the first MAX_ERRORS of them."""
    found = iter(errors)
    listed = list(islice(found, MAX_ERRORS))
    what = "; ".join(f"{error.parameter}: {error.detail}" for error in listed[:3])
    more = sum(1 for _ in found)
    if more:
        listed.append(ParameterError("more", "more_errors", f"And {more:,} more mistakes, which aren't listed."))
    which = f"the first {MAX_ERRORS}" if more else "them all"
    return Problem(422, "invalid_parameters", f"{what} `errors` has {which}.", errors=listed)


def shorten(name: str) -> str:
    """A name that a client sent, shortened to NAME_CHARACTERS."""
    return name if len(name) <= NAME_CHARACTERS else f"{name[:NAME_CHARACTERS]}…"


def _parse_pairs(query: str) -> list[tuple[str, str]]:
    try:
        text = query.encode("latin-1").decode()
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except UnicodeError:
        raise Problem(400, "malformed_query", "The query string isn't UTF-8, percent-encoded.") from None
    except ValueError:
        raise Problem(400, "malformed_query", f"The query string has more than {MAX_PAIRS} parameters.") from None


def _make_errors(name: str, messages: list[tuple[str, str]]) -> Iterator[ParameterError]:
    return (ParameterError(shorten(name), code, detail) for code, detail in messages)
