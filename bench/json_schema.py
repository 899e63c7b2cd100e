"""Compares libraries that validate events against a JSON Schema, and measures the slowest event that a schema may cause.

`python -m bench.json_schema` prints it; docs/adr/0015-event-schemas.md says what follows.
"""

import random
import statistics
import timeit
from collections.abc import Callable
from typing import Any

import jsonschema
import jsonschema_rs

from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_cost import MAX_NODES

ROUNDS = 9

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["sku", "amount", "currency"],
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
        "amount": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "quantity": {"type": "integer", "minimum": 1},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
GOOD = {
    "sku": "ABC-1234",
    "amount": 19.9,
    "currency": "EUR",
    "quantity": 2,
    "at": "2026-03-01T10:00:00Z",
    "tags": ["a", "b"],
}
BAD = {**GOOD, "amount": "19.9"}


def microseconds(work: Callable[[], Any], number: int) -> float:
    """The time of one call: the median of some rounds."""
    return statistics.median(timeit.repeat(work, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> None:
    """Print both tables."""
    fast = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
    slow = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    check = Check(1, SCHEMA)
    print(f"{'six properties, µs an event':42} {'fits':>8} {'violates':>9}")
    for name, fits, finds, number in (
        ("jsonschema", slow.is_valid, lambda event: list(slow.iter_errors(event)), 500),
        ("jsonschema-rs", fast.is_valid, lambda event: list(fast.iter_errors(event)), 20_000),
        ("as the collector does it", check.find, check.find, 20_000),
    ):
        good, bad = microseconds(lambda: fits(GOOD), number), microseconds(lambda: finds(BAD), number)  # noqa: B023
        print(f"{name:42} {good:8.2f} {bad:9.2f}")
    print(f"\n{'made to be slow: an event of 64 KiB, ms':42}")
    dice = random.Random(1)
    letters = "".join(dice.choice("ab") for _ in range(64_000))
    for name, schema, value in (
        ("the largest patterns", {"pattern": "(a|b)*a(a|b){454}[cd]"}, letters),
        ("the most subschemas, 32,000 values", {"items": {"anyOf": [{"type": "string"}] * (MAX_NODES - 4) + [{"type": "integer"}]}}, [1] * 32_000),
        ("the same, all of it wrong", {"items": {"allOf": [{"type": "string"}] * (MAX_NODES - 4)}}, [1] * 32_000),
        ("the largest enum of arrays", {"items": {"enum": [[number] for number in range(12)]}}, [[11]] * 13_000),
    ):  # fmt: skip
        check = Check(1, {"properties": {"a": schema}})
        print(f"{name:42} {microseconds(lambda: check.find({'a': value}), 1) / 1000:8.2f}")  # noqa: B023


if __name__ == "__main__":
    main()
