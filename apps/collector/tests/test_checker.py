"""The process for slow checks works within its limits."""

import pytest

from event_tracker.collector.tracking_plan.slow_checks import SlowChecks
from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_rules import FORMATS

KINDS = {
    "formats": ({"allOf": [{"format": name} for name in sorted(FORMATS)]}, "no such thing", "secret"),
    "patterns": ({"pattern": r"^\p{L}+$"}, "1"),
    "numbers": ({"multipleOf": 0.1, "maximum": 10**30}, 10**40, 1.05, 5e-324),
    "items": ({"uniqueItems": True, "items": {"type": "integer"}, "contains": {"const": 2}, "maxItems": 2}, [1, 1, "x"], [2**70, 2.0**70]),
    "members": ({"required": ["b"], "propertyNames": {"maxLength": 1}, "unevaluatedProperties": False}, {"cc": {}}),
    "references": ({"$defs": {"x": {"enum": [[1], 1.5, None]}}, "not": {"$ref": "#/$defs/x"}}, [1.0]),
}  # fmt: skip


@pytest.fixture
def slow():
    slow = SlowChecks()
    yield slow
    slow.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_check_says_the_same_there(slow, kind):
    schema, *values = KINDS[kind]
    check = Check(1, {"properties": {"a": schema}} | ({"$defs": schema["$defs"]} if "$defs" in schema else {}))
    for value in values:
        found = check.find({"a": value})
        assert found
        assert slow.find("shop", "list", check, {"a": value}) == found
