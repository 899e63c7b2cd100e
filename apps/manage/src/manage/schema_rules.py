"""What a schema of events must be to be taken: JSON Schema 2020-12, with bounds that keep any event's validation short.

A schema that would be slow is refused when it is set, so that no event ever waits for it. Patterns run in time linear in
the text, since the engine has neither look-around nor backreferences; how large they are together is bounded. `$ref` stays
within the schema and never comes back to itself, so that what applies to one value is counted beforehand.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_BYTES = 65_536
MAX_DEPTH = 32
"""Levels of nesting, as in an event's properties."""

MAX_NODES = 500
"""Subschemas, each counted as often as it applies. An event has at most as many findings as values times this."""

COMPOUND_NODES = 20
"""What a value within an array or an object in `enum` or `const` counts for: these are compared one after the other."""

MAX_PATTERN_BYTES = 65_536
"""All patterns together, compiled; and what the engine may keep beside them. Time is linear in this too: at worst 14 µs for each
character of a text, as measured (docs/adr/0015-event-schemas.md)."""

FORMATS = frozenset(
    {"date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid"}
)
"""What `format` may say: these are checked, and in a time linear in the text. (`regex` would compile what a client sends.)"""

PATTERN_OPTIONS = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES)

ONE = (
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("dependentSchemas", "patternProperties", "properties")
DEFINED = ("$defs", "definitions")
"""Keywords whose value is a schema, a list of schemas, an object of schemas, and one of schemas that apply by `$ref` only."""

DIGITS = 6
"""An index in a pointer has fewer."""

UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
"""One within another takes time exponential in their number."""

REFUSED = {
    "$id": "A schema has no name of its own here; `$ref` starts with #.",
    "$anchor": "Refer by a JSON Pointer, such as #/$defs/price.",
    "$dynamicRef": "Refer by `$ref`.",
    "$dynamicAnchor": "Refer by a JSON Pointer, such as #/$defs/price.",
    "dependencies": "Write `dependentRequired` or `dependentSchemas` (JSON Schema 2019-09 and later).",
}


class InvalidSchemaError(Exception):
    """A schema that isn't taken.

    Attributes:
        pointer: JSON Pointer to what is wrong.
        detail: a sentence.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}" if pointer else detail)
        self.pointer, self.detail = pointer, detail


class Examined(NamedTuple):
    """A schema that is taken.

    Attributes:
        schema: as JSON has it.
        nodes: how many subschemas apply, each as often as it does.
    """

    schema: dict[str, Any]
    nodes: int


def pointer_of(path: list[str | int]) -> str:
    """JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def values_in(value: Any) -> int:
    """How many values there are in a JSON value, itself included."""
    match value:
        case dict():
            return 1 + sum(map(values_in, value.values()))
        case list():
            return 1 + sum(map(values_in, value))
        case _:
            return 1


def examine(given: Any) -> Examined:
    """Look a schema over.

    Raises:
        InvalidSchemaError: with the first thing that is wrong.
    """
    schema = _as_json(given)
    if schema.get("$schema", DIALECT) != DIALECT:
        raise InvalidSchemaError("/$schema", f"Only JSON Schema 2020-12 is understood: {DIALECT}.")
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        raise _refused(error) from None
    for path, subschema in _all(schema, []):
        _check_keywords(path, subschema)
    weighed = _Weighed(schema)
    if weighed.patterns:
        _check_patterns(weighed.patterns)
    return Examined(schema, weighed.nodes)


def _as_json(given: Any) -> dict[str, Any]:
    """The schema as JSON reads it, if it is small and PostgreSQL can store it."""
    if not isinstance(given, dict):
        raise InvalidSchemaError("", "A schema must be a JSON object.")
    _check_depth(given, 1)
    try:
        encoded = msgspec.json.encode(given)
    except (TypeError, ValueError) as error:  # a lone surrogate is a ValueError
        raise InvalidSchemaError("", f"This isn't JSON: {error}.") from None
    if len(encoded) > MAX_BYTES:
        raise InvalidSchemaError("", f"A schema may have {MAX_BYTES} bytes; this one has {len(encoded)}.")
    schema: dict[str, Any] = msgspec.json.decode(encoded)
    return schema


def _check_depth(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidSchemaError("", f"A schema may be nested {MAX_DEPTH} levels deep.")
    match value:
        case dict():
            for name, member in value.items():
                _check_depth(name, depth)
                _check_depth(member, depth + 1)
        case list():
            for member in value:
                _check_depth(member, depth + 1)
        case str() if "\0" in value:
            raise InvalidSchemaError("", "A schema can't contain the character U+0000.")


def _below(path: list[str | int], schema: Any, defined: bool) -> Iterator[tuple[list[str | int], Any]]:
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


def _all(schema: Any, path: list[str | int]) -> Iterator[tuple[list[str | int], Any]]:
    yield path, schema
    for below, member in _below(path, schema, defined=True):
        yield from _all(member, below)


def _check_keywords(path: list[str | int], schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    for keyword in REFUSED.keys() & schema:
        raise InvalidSchemaError(pointer_of([*path, keyword]), REFUSED[keyword])
    if "format" in schema and schema["format"] not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise InvalidSchemaError(pointer_of([*path, "format"]), f"This format isn't checked here; these are: {known}.")
    if not schema.get("$ref", "#").startswith("#"):
        raise InvalidSchemaError(
            pointer_of([*path, "$ref"]), "Nothing is fetched from elsewhere: `$ref` starts with #."
        )


class _Weighed:
    """Counts what applies to an event, following each `$ref`."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._under_way: dict[str, bool] = {}
        self.nodes = 0
        self.patterns: set[str] = set()
        self._weigh([], schema)

    def _weigh(self, path: list[str | int], schema: Any) -> None:
        pointer = pointer_of(path)
        self.nodes += 1
        if isinstance(schema, dict):
            self._under_way[pointer] = any(keyword in schema for keyword in UNEVALUATED)
            if sum(self._under_way.values()) > 1 and self._under_way[pointer]:
                raise InvalidSchemaError(pointer, f"{' or '.join(UNEVALUATED)} can't stand within another one.")
            self.nodes += sum(map(_compound, [*schema.get("enum", []), schema.get("const")]))
            self.patterns.update(
                schema.get("patternProperties", {}), [schema["pattern"]] if "pattern" in schema else []
            )
            for below, member in _below(path, schema, defined=False):
                self._weigh(below, member)
            if "$ref" in schema:
                self._follow(path, schema["$ref"])
            del self._under_way[pointer]
        if self.nodes > MAX_NODES:
            raise InvalidSchemaError(
                "", f"A schema may have {MAX_NODES} subschemas, each counted as often as it applies."
            )

    def _follow(self, path: list[str | int], reference: str) -> None:
        place = pointer_of([*path, "$ref"])
        target = _at(self._schema, reference)
        if target is None:
            raise InvalidSchemaError(place, f"There is no schema at {reference[:100]}.")
        if pointer_of(target[0]) in self._under_way:
            raise InvalidSchemaError(place, "A schema can't contain itself.")
        if len(self._under_way) > 2 * MAX_DEPTH:
            raise InvalidSchemaError(place, f"References may be {2 * MAX_DEPTH} levels deep.")
        self._weigh(*target)


def _at(schema: Any, reference: str) -> tuple[list[str | int], Any] | None:
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


def _compound(value: Any) -> int:
    """What a value in `enum` or `const` counts for."""
    return COMPOUND_NODES * values_in(value) if isinstance(value, dict | list) else 0


def _check_patterns(patterns: set[str]) -> None:
    """Each must compile, and so must all of them in one, which bounds their size together."""
    for pattern in sorted(patterns):
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=PATTERN_OPTIONS, offline=True)
        except jsonschema_rs.ValidationError:
            raise InvalidSchemaError(
                "",
                f"The pattern {pattern[:100]!r} can't be used: look-around and backreferences aren't known, and large repetitions "
                "are better written as maxLength.",
            ) from None
    together = "|".join(f"(?:{pattern})" for pattern in sorted(patterns))
    try:
        jsonschema_rs.Draft202012Validator({"pattern": together}, pattern_options=PATTERN_OPTIONS, offline=True)
    except jsonschema_rs.ValidationError:
        raise InvalidSchemaError("", "The patterns of this schema are too large together.") from None


def _refused(error: jsonschema_rs.ValidationError) -> InvalidSchemaError:
    return InvalidSchemaError(pointer_of(error.instance_path), f"{error.message[:300]}.")
