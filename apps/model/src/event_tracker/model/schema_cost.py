"""Estimates the cost of checking an event against a schema: each subschema counts as often as it applies."""

from typing import Any

from event_tracker.model.patterns import count_places
from event_tracker.model.subschemas import InvalidSchemaError, pointer_of, schema_at, schemas_in

MAX_NODES = 500
"""Subschemas, each counted as often as it applies. An event has at most as many findings as values times this."""

MAX_DEPTH = 32
"""Levels of nesting, as in an event's properties."""

COMPOUND_NODES = 20
"""The weight of an array or object in `enum` or `const`, for each value in it: these are compared one after the other."""

NODE_NS, PLACE_NS, CONTAINS_NS, UNEVALUATED_CONTAINS_NS = 10, 30, 60, 250
ENTRY_NS, MULTIPLE_NS, UNIQUE_NS = 4, 500, 1_000
"""Nanoseconds that each of these costs for a byte of an event, measured, at worst (docs/adr/0015-event-schemas.md)."""

UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
"""Nested in each other they take time exponential in their number."""


def count_values(value: Any) -> int:
    """How many values there are in a JSON value, itself included."""
    match value:
        case dict():
            return 1 + sum(map(count_values, value.values()))
        case list():
            return 1 + sum(map(count_values, value))
        case _:
            return 1


class CostEstimate:
    """Counts the subschemas that apply to an event, following each `$ref`."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._under_way: dict[str, bool] = {}
        self.nodes = self.cost = self.growing = self.names = self.entries = self.unevaluated_contains = 0
        self.patterns: set[str] = set()
        self._weigh([], schema)

    def _weigh(self, path: list[str | int], schema: Any) -> None:
        pointer = pointer_of(path)
        self.nodes += 1
        self.cost += NODE_NS
        if isinstance(schema, dict):
            self._under_way[pointer] = any(keyword in schema for keyword in UNEVALUATED)
            if sum(self._under_way.values()) > 1 and self._under_way[pointer]:
                raise InvalidSchemaError(pointer, f"{' or '.join(UNEVALUATED)} can't be within another one.")
            compounds = sum(map(_count_compound_nodes, [*schema.get("enum", []), schema.get("const")]))
            self.nodes += compounds
            self.cost += compounds * NODE_NS
            names = _count_names(schema)
            entries = names + len(schema.get("enum", []))
            self.names += names
            self.entries += entries
            self.cost += entries * ENTRY_NS
            self.cost += MULTIPLE_NS * ("multipleOf" in schema) + UNIQUE_NS * bool(schema.get("uniqueItems"))
            if "contains" in schema:
                is_within = any(self._under_way.values())
                self.unevaluated_contains += is_within
                self.cost += UNEVALUATED_CONTAINS_NS if is_within else CONTAINS_NS
            self._weigh_patterns(
                [*schema.get("patternProperties", {}), *([schema["pattern"]] if "pattern" in schema else [])]
            )
            for below, member in schemas_in(path, schema, defined=False):
                self._weigh(below, member)
            if "$ref" in schema:
                self._follow(path, schema["$ref"])
            del self._under_way[pointer]
        if self.nodes > MAX_NODES:
            raise InvalidSchemaError(
                "", f"A schema may have {MAX_NODES} subschemas, each counted as often as it applies."
            )

    def _weigh_patterns(self, patterns: list[str]) -> None:
        self.patterns.update(patterns)
        for pattern in patterns:
            places = count_places(pattern)
            self.cost += places.all * PLACE_NS
            self.growing += places.growing

    def _follow(self, path: list[str | int], reference: str) -> None:
        place = pointer_of([*path, "$ref"])
        target = schema_at(self._schema, reference)
        if target is None:
            raise InvalidSchemaError(place, f"There is no schema at {reference[:100]}.")
        if pointer_of(target[0]) in self._under_way:
            raise InvalidSchemaError(place, "A schema can't contain itself.")
        if len(self._under_way) > 2 * MAX_DEPTH:
            raise InvalidSchemaError(place, f"References may be {2 * MAX_DEPTH} levels deep.")
        self._weigh(*target)


def _count_names(schema: dict[str, Any]) -> int:
    """How many names a schema lists itself: each may be searched in each value, and be an error of its own."""
    dependent = schema.get("dependentRequired", {})
    return len(schema.get("required", [])) + len(dependent) + sum(map(len, dependent.values()))


def _count_compound_nodes(value: Any) -> int:
    """The weight of a value in `enum` or `const`, in nodes."""
    return COMPOUND_NODES * count_values(value) if isinstance(value, dict | list) else 0
