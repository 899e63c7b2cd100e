"""Explains why an event is refused: lists every error, each with a pointer, a code and a sentence.

Only events that the fast decoder refuses, or can't be sure of, come here. Some of them turn out to be valid.
"""

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from marshmallow import ValidationError

from event_tracker.collector.parsing.event_schema import EventSchema
from event_tracker.core.postgres.unstorable import count_unstorable, replace_unstorable
from event_tracker.model.event import MAX_DEPTH, RuleViolation

if TYPE_CHECKING:
    from event_tracker.collector.parsing.parser import TimeBounds

MAX_INTEGER_CHARACTERS = 4300
"""The decoder's limit for integers, and that of Python's `int` (CVE-2020-10735: reading takes quadratic time)."""

MAX_FINDINGS = 20
"""Most findings of one event; one more says how many others there are."""

MAX_POINTER = 300
"""Characters of a JSON Pointer; a longer one is cut off and ends with an ellipsis."""

Finding = tuple[str, str, str]
"""(JSON Pointer below the event, code, detail)"""


class Explanation(NamedTuple):
    """The result of `explain`.

    Attributes:
        findings: the event's errors, at most `MAX_FINDINGS` and one more; empty if it is valid.
        timestamp: when it happened, in UTC, if it is valid.
        replaced: a warning about characters of its properties that must be replaced (`event_tracker.core.postgres.unstorable`).
    """

    findings: list[Finding]
    timestamp: datetime | None = None
    replaced: Finding | None = None


Path = tuple["Path", str | int] | None
"""The position of a value: the path of its container, and its name or index there. None is the event itself.

Pointers are made from paths only for errors: a pointer may be nearly as long as the event, and an event has many values.
"""


_schema = EventSchema()
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _ObjectWithDuplicates(dict[str, Any]):
    """A JSON object that also keeps members that a later one of the same name replaced: the decoder checks those, too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.replaced: list[tuple[str, Any]] = []
        if len(pairs) > len(self):
            later: set[str] = set()
            for pair in reversed(pairs):
                if pair[0] in later:
                    self.replaced.append(pair)
                later.add(pair[0])
            self.replaced.reverse()


def read_lenient(text: str) -> Any:
    """Read JSON as Python clients write it: with NaN, infinities and lone surrogates, so that errors can point to them."""
    return json.loads(
        text,
        object_pairs_hook=_ObjectWithDuplicates,
        parse_int=lambda digits: int(digits) if len(digits) <= MAX_INTEGER_CHARACTERS else math.inf,
    )


class _Findings:
    """Collects the findings of an event: the first ones, each once, and the number of the others; and replaced characters."""

    def __init__(self) -> None:
        self._first: dict[Finding, None] = {}
        self._more = 0
        self._first_replaced: Path = None
        self._replaced = 0

    def add(self, path: Path, code: str, detail: str) -> None:
        if len(self._first) < MAX_FINDINGS:
            self._first[pointer_of(path), code, detail] = None
        else:
            self._more += 1

    def replace(self, path: Path, characters: int) -> None:
        self._first_replaced = self._first_replaced or path
        self._replaced += characters

    def listed(self) -> list[Finding]:
        more = [("", "more_errors", f"And {self._more:,} more.")] if self._more else []
        return [*self._first, *more]

    def replaced(self) -> Finding | None:
        """The first text with characters that are replaced, and how many they are in all."""
        if not self._replaced:
            return None
        detail = (
            f"Characters that can't be stored (U+0000, half a surrogate pair), replaced by U+FFFD: {self._replaced:,}."
        )
        return pointer_of(self._first_replaced), "replaced_characters", detail


def explain(raw: bytes, bounds: "TimeBounds") -> Explanation:
    """List the errors in the JSON of one event, or find its time. Takes time linear in the event's bytes."""
    try:
        event = read_lenient(raw.decode())
    except UnicodeDecodeError as error:
        return Explanation([("", "invalid_json", f"Not UTF-8 at byte {error.start}.")])
    except json.JSONDecodeError as error:
        return Explanation([("", "invalid_json", f"{error.msg} at character {error.pos}.")])
    except RecursionError:
        return Explanation([("", "too_deep", f"Nested far beyond {MAX_DEPTH} levels.")])
    found = _Findings()
    timestamp = None
    _check_value(event, None, 0, found)
    if isinstance(event, _ObjectWithDuplicates):
        timestamp = _check_fields(event, bounds, found)
    else:
        found.add(None, "wrong_type", "An event must be a JSON object.")
    return Explanation(found.listed(), timestamp, found.replaced())


def repair(raw: bytes) -> bytes:
    """A valid event without what the decoder refuses or PostgreSQL couldn't store, and without its timestamp."""
    fields = _decode_fields(replace_unstorable(raw))
    fields.pop("timestamp", None)
    return msgspec.json.encode(fields)


def _check_fields(event: _ObjectWithDuplicates, bounds: "TimeBounds", found: _Findings) -> datetime | None:
    """Check the fields against the schema and the rules between them; return the event's time if it is valid."""
    timestamp = None
    known = {name: value for name, value in event.items() if name in _schema.fields}
    wrong: dict[str, Any] = {}
    try:
        valid: Any = _schema.load(known)
    except ValidationError as error:
        valid, wrong = error.valid_data, error.messages_dict
    _add_mistakes(wrong, found)
    for name in event:
        if name not in _schema.fields:
            found.add((None, name), "unknown_field", "Is not a field of an event; put what is yours into `properties`.")
    if wrong.keys().isdisjoint(("timestamp", "event_id")):
        resolved = bounds.resolve(valid.get("timestamp"), valid.get("event_id"))
        if isinstance(resolved, RuleViolation):
            found.add((None, resolved.field), resolved.code, resolved.detail)
        else:
            timestamp = resolved
    for name, value in event.replaced:
        if name in _schema.fields:
            try:
                _schema.fields[name].deserialize(value)
            except ValidationError as error:
                _add_mistakes({name: error.messages}, found)
    return timestamp


def _add_mistakes(mistakes: dict[str, Any], found: _Findings) -> None:
    """Add the errors of fields; each field has a list of codes and details."""
    for name, listed in mistakes.items():
        for code, detail in listed:
            found.add((None, name), code, detail)


def _check_value(value: Any, path: Path, depth: int, found: _Findings) -> None:
    """Find what PostgreSQL can't store, at any depth. The event has depth 0, `properties` depth 1."""
    match value:
        case str():
            _check_text(value, path, depth, found)
        case float() if not math.isfinite(value):
            found.add(path, "number_out_of_range", "Must be a finite double, or an integer of at most 4,300 digits.")
        case dict() | list() if depth > MAX_DEPTH:
            found.add(path, "too_deep", f"Must not be nested beyond {MAX_DEPTH} levels.")
        case _ObjectWithDuplicates():
            for members in (value.items(), value.replaced):
                for name, member in members:
                    below = (path, name)
                    _check_text(name, below, depth + 1, found)
                    _check_value(member, below, depth + 1, found)
        case list():
            for index, member in enumerate(value):
                _check_value(member, (path, index), depth + 1, found)


def _check_text(text: str, path: Path, depth: int, found: _Findings) -> None:
    """Refuse a text that can't be stored in an id or a type; in properties (depth > 1), count characters to be replaced."""
    if depth > 1:
        if characters := count_unstorable(text):
            found.replace(path, characters)
        return
    if "\0" in text:
        found.add(path, "nul_character", "Must not contain the character U+0000.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            found.add(path, "lone_surrogate", "Must not contain half a surrogate pair.")


def pointer_of(path: Path) -> str:
    """The JSON Pointer, escaped as RFC 6901 section 3 says. A lone surrogate can't be sent and becomes `?`."""
    parts: list[str] = []
    while path:
        path, name = path
        parts.append(str(name)[:MAX_POINTER].replace("~", "~0").replace("/", "~1"))
    return shorten("".join(f"/{part}" for part in reversed(parts)).encode(errors="replace").decode())


def shorten(pointer: str) -> str:
    """A pointer of `MAX_POINTER` characters at most."""
    return pointer if len(pointer) <= MAX_POINTER else f"{pointer[: MAX_POINTER - 1]}…"
