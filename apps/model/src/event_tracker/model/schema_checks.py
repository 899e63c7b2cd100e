"""Checks the properties of events against their schema."""

import itertools
import time
from itertools import islice
from typing import Any, NamedTuple

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind

from event_tracker.model.equal_values import KEYWORDS, use_keywords
from event_tracker.model.schema_cost import count_values
from event_tracker.model.schema_rules import PATTERN_OPTIONS, InvalidSchemaError, examine, pointer_of

MAX_FINDINGS = 20
"""Most errors reported for one event; after these are fixed, the others are reported."""

MAX_WORK = 200_000
"""Up to this estimate, all errors of an event are collected; beyond it, only the first. The library can't collect just some.

The estimate is the number of possible errors (values times subschemas) times the cost of each (an error contains the value and
what the schema lists). Without it, an event with 4,900 wrong names took 16 s.
"""

MAX_CHARACTERS = 300

SHORT_NS = 5_000_000
"""How long a check in the process that reads events may take, as estimated."""

LEAST_FAST_BYTES = 256
"""An event of no more bytes is checked in that process with any schema: it takes some milliseconds at worst."""

SLOW_FOR_SECONDS = 60.0
"""How long events count as slow after a check took longer than estimated."""

_numbers = itertools.count()


def next_number() -> int:
    """A number that no schema in this process has yet."""
    return next(_numbers)


SENTENCES = {
    "falseSchema": "It is not allowed",
    "contains": "It doesn't have the items that `contains` requires",
    "not": "It is what `not` forbids",
}
"""Sentences by keyword, for those of the library that read badly without the value."""


class Violation(NamedTuple):
    """What is wrong with one value.

    Attributes:
        pointer: JSON Pointer below the properties.
        detail: a sentence; it never quotes what was sent.
    """

    pointer: str
    detail: str


class Check:
    """One event type's schema.

    Attributes:
        version: the schema's.
        schema: as JSON has it.
        examined: its estimated cost.
        number: identifies the schema in this process.
        fast_bytes: an event of no more bytes is checked in a few milliseconds, by estimate and recent measurement.
    """

    def __init__(self, version: int, schema: Any, *, is_new: bool = False, number: int | None = None) -> None:
        """Compile it: some milliseconds for a large one.

        Args:
            is_new: whether it isn't set yet; then it is refused if it would be slow.
            number: the one from its first compilation; None makes a new one.

        Raises:
            InvalidSchemaError: if the schema isn't accepted.
        """
        examined = examine(schema, is_new=is_new)
        self.version = version
        self.schema = examined.schema
        self.examined = examined
        self.number = next_number() if number is None else number
        self.fast_bytes = self._estimated_bytes = SHORT_NS // examined.cost
        self._slow_until = float("-inf")
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                use_keywords(examined.schema),
                validate_formats=True,
                pattern_options=PATTERN_OPTIONS,
                offline=True,
                mask="It",
                keywords=KEYWORDS,
            )
        except jsonschema_rs.ValidationError as error:
            raise InvalidSchemaError(pointer_of(error.instance_path), f"{error.message[:MAX_CHARACTERS]}.") from None

    def is_fast(self, size: int) -> bool:
        """Whether an event of so many bytes is checked in a few milliseconds."""
        if size <= self.fast_bytes:
            return True
        if size > self._estimated_bytes or time.monotonic() < self._slow_until:
            return False
        self.fast_bytes = self._estimated_bytes
        return True

    def mark_slow(self, size: int) -> None:
        """Count events of this size, and down to half of it, as slow for a while: one of them took long."""
        self.fast_bytes = min(self.fast_bytes, max(LEAST_FAST_BYTES, size // 2))
        self._slow_until = time.monotonic() + SLOW_FOR_SECONDS

    def find(self, properties: dict[str, Any]) -> list[Violation]:
        """The violations of these properties. Valid properties take about a microsecond."""
        if self._validator.is_valid(properties):
            return []
        values, examined = count_values(properties), self.examined
        if values * (examined.nodes + examined.names) * (values + examined.entries) <= MAX_WORK:
            errors = list(self._validator.iter_errors(properties))
        else:
            errors = [self._find_first(properties)]
        found = (violation for error in errors for violation in _violations(error))
        return list(islice(dict.fromkeys(found), MAX_FINDINGS))

    def _find_first(self, properties: dict[str, Any]) -> jsonschema_rs.ValidationError:
        try:
            self._validator.validate(properties)
        except jsonschema_rs.ValidationError as error:
            return error.with_traceback(
                None
            )  # its frames would keep this check and the error in memory until the next garbage collection
        raise AssertionError("valid after all")


def _violations(error: jsonschema_rs.ValidationError) -> list[Violation]:
    """An error about a missing or an additional member points to that member, like the errors of events."""
    kind = error.kind
    match kind:
        case ValidationErrorKind.Required(property=name):
            return [Violation(_short(pointer_of([*error.instance_path, name])), "Is missing.")]
        case (
            ValidationErrorKind.AdditionalProperties(unexpected=names)
            | ValidationErrorKind.UnevaluatedProperties(unexpected=names)
        ):
            # No more than are reported: many pointers below a long name take long to make.
            return [
                Violation(_short(pointer_of([*error.instance_path, name])), "Is not in the schema.")
                for name in names[:MAX_FINDINGS]
            ]
    if error.schema_path[-1:] == ["additionalProperties"]:
        return [Violation(_short(pointer_of(error.instance_path)), "It may have no members.")]
    sentence = SENTENCES.get(kind.name, error.message)
    if len(sentence) >= MAX_CHARACTERS:
        sentence = f"{sentence[: MAX_CHARACTERS - 2]}…"
    return [Violation(_short(pointer_of(error.instance_path)), f"{sentence}.")]


def _short(pointer: str) -> str:
    """A pointer of `MAX_CHARACTERS` at most."""
    return pointer if len(pointer) <= MAX_CHARACTERS else f"{pointer[: MAX_CHARACTERS - 1]}…"
