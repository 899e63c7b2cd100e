"""The rules for event schemas: JSON Schema 2020-12, with bounds that keep the validation of any event short.

A schema that would be slow is refused when it is set. Patterns run in time linear in the text, since the engine has neither
look-around nor backreferences; their total size is bounded. `$ref` stays within the schema and can't be recursive, so that
the subschemas that apply to a value can be counted beforehand.
"""

import re
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from event_tracker.core.json_numbers import decode_json
from event_tracker.model.schema_cost import MAX_DEPTH, CostEstimate
from event_tracker.model.subschemas import InvalidSchemaError as InvalidSchemaError
from event_tracker.model.subschemas import all_schemas
from event_tracker.model.subschemas import pointer_of as pointer_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_BYTES = 65_536

MAX_PATTERN_BYTES = 65_536
"""Bytes of all patterns together, compiled; and of the engine's cache. Time is linear in this, too: 14 µs for each character
of a text at worst, as measured (docs/adr/0015-event-schemas.md)."""

FORMATS = frozenset(
    {"date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid"}
)
"""Values of `format`: these are checked, in time linear in the text. (`regex` would compile patterns that clients send.)"""

PATTERN_OPTIONS = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES)

MAX_GROWING = 200
"""Places of all patterns that may be active at once: 6 µs for each character of a text."""

MAX_CONTAINS = 10
"""Most `contains` within an `unevaluatedItems`: each reads every item several times."""

MAX_PATTERN_CHARACTERS = 4_096
"""Characters of all patterns together, as written: compiling 64 KiB of Unicode classes takes seconds and blocks the process."""

CLASS_CHARACTERS = 40
"""The weight of a class such as `\\pL` or `\\w`, in characters: with `(?i)`, compiling a thousand took 0.5 s."""

_unicode_classes = re.compile(r"\\[pPwWdDsS]").findall

MEMORY_PER_BYTE = 40
MEMORY_PER_NODE = 1024
MEMORY_PER_PATTERN_CHARACTER = 1300
"""Bytes of memory, as measured where a schema has little but texts in an `enum`, subschemas, or patterns such as `^\\pL`."""

REFUSED = {
    "$id": "A schema has no name of its own here; `$ref` starts with #.",
    "$anchor": "Refer by a JSON Pointer, such as #/$defs/price.",
    "$dynamicRef": "Refer by `$ref`.",
    "$dynamicAnchor": "Refer by a JSON Pointer, such as #/$defs/price.",
    "dependencies": "Write `dependentRequired` or `dependentSchemas` (JSON Schema 2019-09 and later).",
}


class ExaminedSchema(NamedTuple):
    """A schema that is accepted, and its cost.

    Attributes:
        schema: as JSON.
        nodes: how many subschemas there are, each counted as often as it applies.
        cost: an estimate of how long a byte of an event may take at worst, ns.
        growing: places of its patterns that may be active at once.
        names: how many names its `required` and `dependentRequired` list.
        entries: the same, plus the values of its `enum`.
        pattern_characters: how long its patterns are together, classes counted as `CLASS_CHARACTERS` more.
        unevaluated_contains: how many `contains` there are within an `unevaluatedItems`.
        bytes: how long it is as JSON.
    """

    schema: dict[str, Any]
    nodes: int
    cost: int
    growing: int
    names: int
    entries: int
    pattern_characters: int
    unevaluated_contains: int
    bytes: int

    @property
    def memory(self) -> int:
        """An estimate of the compiled schema's memory in bytes: never too low, up to several times too high."""
        return (
            self.bytes * MEMORY_PER_BYTE
            + self.nodes * MEMORY_PER_NODE
            + self.pattern_characters * MEMORY_PER_PATTERN_CHARACTER
        )


def examine(given: Any, *, is_new: bool = False) -> ExaminedSchema:
    """Check a schema against the rules and estimate its cost.

    Args:
        is_new: whether it isn't set yet. Then it is refused if it would be slow, before its patterns are compiled.

    Raises:
        InvalidSchemaError: with the first thing that is wrong.
    """
    schema = _as_json(given)
    if schema.get("$schema", DIALECT) != DIALECT:
        raise InvalidSchemaError("/$schema", f"Only JSON Schema 2020-12 is understood: {DIALECT}.")
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        raise _invalid_schema(error) from None
    for path, subschema in all_schemas(schema, []):
        _check_keywords(path, subschema)
    estimate = CostEstimate(schema)
    examined = ExaminedSchema(
        schema,
        estimate.nodes,
        estimate.cost,
        estimate.growing,
        estimate.names,
        estimate.entries,
        sum(len(pattern) + CLASS_CHARACTERS * len(_unicode_classes(pattern)) for pattern in estimate.patterns),
        estimate.unevaluated_contains,
        len(msgspec.json.encode(schema)),
    )
    if is_new:
        refuse_slow(examined)
    if estimate.patterns:
        _check_patterns(estimate.patterns)
    return examined


def refuse_slow(examined: ExaminedSchema) -> None:
    """Refuse what would make checks slow. Don't call it for schemas that are set already: an earlier release may have accepted them.

    Raises:
        InvalidSchemaError: if the schema would be slow.
    """
    if examined.growing > MAX_GROWING:
        raise InvalidSchemaError(
            "",
            f"The patterns of this schema may be at {examined.growing} places at once; {MAX_GROWING} are taken. Begin them with ^, "
            "and write maxLength rather than large repetitions behind * or +.",
        )
    if examined.pattern_characters > MAX_PATTERN_CHARACTERS:
        raise InvalidSchemaError(
            "",
            f"The patterns of a schema may have {MAX_PATTERN_CHARACTERS:,} characters together; "
            f"each class such as \\pL or \\w counts for {CLASS_CHARACTERS} more.",
        )
    if examined.unevaluated_contains > MAX_CONTAINS:
        raise InvalidSchemaError(
            "",
            f"There may be {MAX_CONTAINS} `contains` within an `unevaluatedItems`, each counted as often as it applies.",
        )


def _as_json(given: Any) -> dict[str, Any]:
    """The schema as JSON, if it is small enough and PostgreSQL can store it."""
    if not isinstance(given, dict):
        raise InvalidSchemaError("", "A schema must be a JSON object.")
    _check_depth(given, 1)
    try:
        encoded = msgspec.json.encode(given)
    except (TypeError, ValueError) as error:  # a lone surrogate is a ValueError
        raise InvalidSchemaError("", f"This isn't JSON: {error}.") from None
    if len(encoded) > MAX_BYTES:
        raise InvalidSchemaError("", f"A schema may have {MAX_BYTES} bytes; this one has {len(encoded)}.")
    schema: dict[str, Any] = decode_json(encoded)
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


def _check_patterns(patterns: set[str]) -> None:
    """Each pattern must compile, and so must all of them as one: this bounds their total size."""
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


def _invalid_schema(error: jsonschema_rs.ValidationError) -> InvalidSchemaError:
    return InvalidSchemaError(pointer_of(error.instance_path), f"{error.message[:300]}.")
