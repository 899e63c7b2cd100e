"""Which schemas are accepted: those that check any event in a short time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_tracker.model.patterns import count_places
from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_cost import MAX_NODES
from event_tracker.model.schema_rules import MAX_BYTES, InvalidSchemaError, examine, refuse_slow

PRODUCT = {"type": "object", "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}}}


def doubling(levels):
    """A small schema that applies two to the power of `levels` subschemas to one value."""
    defined = {"x0": {"type": "string"}}
    for level in range(1, levels + 1):
        below = {"$ref": f"#/$defs/x{level - 1}"}
        defined[f"x{level}"] = {"anyOf": [below, below]}
    return {"$defs": defined, "$ref": f"#/$defs/x{levels}"}


def nested(levels):
    schema = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "pointer", "says"),
    [
        ("text", "", "must be a JSON object"),
        (True, "", "must be a JSON object"),
        ({"type": "nmber"}, "/type", ""),
        ({"properties": {"a": {"minimum": "0"}}}, "/properties/a/minimum", ""),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "2020-12"),
        ({"$ref": "https://example.com/schema"}, "/$ref", "Nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/properties/a/$ref", "Nothing is fetched"),
        ({"$defs": {"x": {"$ref": "other.json"}}}, "/$defs/x/$ref", "Nothing is fetched"),
        ({"$ref": "#/$defs/missing"}, "/$ref", "no schema at"),
        ({"$ref": "#/properties", "properties": {}}, "/$ref", "no schema at"),
        ({"$ref": "#"}, "/$ref", "contain itself"),
        ({"properties": {"a": {"items": {"$ref": "#"}}}}, "/properties/a/items/$ref", "contain itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "/$defs/b/$ref", "contain itself"),
        ({"$id": "https://example.com/schema"}, "/$id", "no name"),
        ({"allOf": [{"$anchor": "here"}]}, "/allOf/0/$anchor", "JSON Pointer"),
        ({"$dynamicRef": "#here"}, "/$dynamicRef", "$ref"),
        ({"properties": {"a": {"format": "regex"}}}, "/properties/a/format", "isn't checked"),
        ({"properties": {"a": {"format": "datetime"}}}, "/properties/a/format", "date-time"),
        ({"pattern": "("}, "", "'('"),
        ({"pattern": "(?=a)b"}, "", "look-around"),
        ({"pattern": r"(a)\1"}, "", "backreferences"),
        ({"patternProperties": {"(a{1000}){1000}": {}}}, "", "large repetitions"),
        ({"anyOf": [{"pattern": f"^.{{1,2{n}}}$"} for n in range(9)]}, "", "too large together"),
        ({"enum": [[n] for n in range(200)]}, "", "subschemas"),
        ({"const": [list(range(50))] * 50}, "", "subschemas"),
        ({"anyOf": [{"type": "string"}] * MAX_NODES}, "", "subschemas"),
        (doubling(20), "", "subschemas"),
        (nested(40), "", "levels deep"),
        ({"enum": ["x" * MAX_BYTES]}, "", "bytes"),
        ({"title": "\0"}, "", "U+0000"),
        ({"title": "\ud800"}, "", "isn't JSON"),
        ({"properties": {"a": {"allOf": [{"unevaluatedItems": False}], "unevaluatedItems": False}}}, "/properties/a/allOf/0", "unevaluated"),
        ({"dependencies": {"a": ["b"]}}, "/dependencies", "dependentRequired"),
    ],
)  # fmt: skip
def test_what_could_be_slow_or_mean_nothing_is_refused(schema, pointer, says):
    with pytest.raises(InvalidSchemaError) as refused:
        examine(schema)
    assert refused.value.pointer == pointer
    assert says in refused.value.detail


@pytest.mark.parametrize(
    "schema",
    [
        {},
        PRODUCT,
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **PRODUCT},
        {"$defs": {"a/b~c": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b~0c"}, "y": {"$ref": "#/$defs/a~1b~0c"}}},
        {"properties": {"$id": {"type": "string"}, "pattern": {"const": "("}, "format": {"enum": ["regex"]}}},
        {"enum": [{"$ref": "https://example.com"}], "default": {"$id": 1}, "examples": [{"format": "x"}]},
        {"pattern": "^(a+)+$"},
        {"additionalProperties": False, "unevaluatedProperties": False},
        {"dependentSchemas": {"a": {"required": ["b"]}}, "if": {"required": ["c"]}, "then": {"required": ["d"]}, "else": True},
        nested(15),
    ],
)  # fmt: skip
def test_what_is_short_is_taken(schema):
    examine(schema)
    Check(1, schema)


def test_a_pattern_that_others_are_slow_with_is_not():
    """Backtracking would take two to the power of 60,000 steps."""
    check = Check(1, {"properties": {"a": {"pattern": "^(a+)+$"}}})
    assert check.find({"a": "a" * 60_000 + "b"})
    assert not check.find({"a": "a" * 60_000})


@pytest.mark.parametrize(
    ("pattern", "is_taken"),
    [
        ("^[ab]{600}c", True),
        (r"\A[ab]{600}c", True),
        ("^(a|[ab]{600}c)", True),
        ("x" * 50 + "shop" * 50, True),
        ("|".join(f"word{number}" for number in range(100)), True),
        ("^?[ab]{600}c", False),
        ("^??[ab]{600}c", False),
        ("^{0}[ab]{600}c", False),
        ("^{0,1}[ab]{600}c", False),
        (r"\A?[ab]{600}c", False),
        ("(?:^)?[ab]{600}c", False),
        ("(^|)[ab]{600}c", False),
        ("^a|[ab]{600}c", False),
        ("^[ab]+[ab]{600}c", False),
        ("a" * 600 + "[bc]", False),
        ("(?i)" + "aA" * 300, False),
        ("(?x)" + "a a  a   a    " * 100, False),
        (r"\x61" * 300, False),
        ("(?:a|b)" * 450, False),
        ("(?:aa|a)" * 300 + "b", False),
        ("a?" * 600 + "b", False),
    ],
)
def test_what_keeps_many_places_in_view_is_refused_however_it_is_written(pattern, is_taken):
    """Each of the refused patterns took up to 12 µs a character: all their places were active."""
    schema = {"properties": {"a": {"pattern": pattern}}}
    if is_taken:
        refuse_slow(examine(schema))
        return
    with pytest.raises(InvalidSchemaError, match="places at once"):
        examine(schema, is_new=True)


@given(st.text("abB", min_size=1, max_size=8))
def test_characters_in_a_row_are_at_as_many_places_at_once_as_a_text_can_bring_about(text):
    starts = [text[:end].lower() for end in range(1, len(text) + 1)]
    most = max(sum(start.endswith(other) for other in starts) for start in starts)
    assert count_places(text).growing == most


@pytest.mark.parametrize("pattern", ["(" * 5000, r"^(?i)[" + r"\pL" * 100, r"^[" + r"\w" * 100])
def test_a_schema_that_would_be_slow_is_refused_before_its_patterns_are_compiled(pattern):
    schema = {"properties": {"a": {"pattern": pattern}}}
    with pytest.raises(InvalidSchemaError, match="4,096 characters"):
        examine(schema, is_new=True)


def test_long_patterns_are_refused_where_a_schema_is_set():
    """Compiling 64 KiB of Unicode classes takes seconds, and blocks the collector."""
    schema = {"properties": {"a": {"pattern": "[" + r"\pL" * 2000 + "]"}, "b": {"pattern": "^" + "x" * 100}}}
    with pytest.raises(InvalidSchemaError, match="4,096 characters"):
        refuse_slow(examine(schema))
    refuse_slow(examine({"properties": {"b": {"pattern": "^" + "x" * 100}}}))
