"""The violations of events, and that the library agrees with an independent implementation."""

from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_tracker.model.equal_values import KEYWORDS
from event_tracker.model.schema_checks import MAX_CHARACTERS, MAX_FINDINGS, Check, Violation
from event_tracker.model.schema_rules import InvalidSchemaError


@pytest.mark.parametrize(
    ("schema", "properties", "found"),
    [
        ({"required": ["a", "b"]}, {"a": 1}, [("/b", "Is missing.")]),
        ({"additionalProperties": False}, {"a": 1}, [("", "It may have no members.")]),
        ({"properties": {"c": True}, "additionalProperties": False}, {"a/b": 1, "c~d": 2}, [("/a~1b", "Is not in the schema."), ("/c~0d", "Is not in the schema.")]),
        ({"unevaluatedProperties": False}, {"a": 1}, [("/a", "Is not in the schema.")]),
        ({"properties": {"a": {"type": "number"}}}, {"a": "1"}, [("/a", 'It is not of type "number".')]),
        ({"properties": {"a": {"items": {"enum": ["x"]}}}}, {"a": ["x", "secret"]}, [("/a/1", 'It is not one of "x".')]),
        ({"properties": {"a": {"format": "date-time"}}}, {"a": "now"}, [("/a", 'It is not a "date-time".')]),
        ({"properties": {"a": False}}, {"a": "secret"}, [("/a", "It is not allowed.")]),
        ({"properties": {"a": {"not": {"type": "string"}}}}, {"a": "secret"}, [("/a", "It is what `not` forbids.")]),
        ({"properties": {"a": {"contains": {"const": 1}}}}, {"a": ["secret"]}, [("/a", "It doesn't have the items that `contains` requires.")]),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": ["secret", 1, "secret"]}, [("/a", "It has non-unique elements.")]),
        ({"properties": {"a": {"minimum": 0}, "b": {"maxLength": 1}}}, {"a": -1, "b": "secret"}, [
            ("/a", "It is less than the minimum of 0."), ("/b", "It is longer than 1 character.")]),
    ],
)  # fmt: skip
def test_findings_point_to_what_is_wrong_and_quote_nothing(schema, properties, found):
    said = Check(1, schema).find(properties)
    assert sorted(said) == sorted(Violation(*one) for one in found)
    assert "secret" not in str(said)


@pytest.mark.parametrize(
    ("schema", "properties"),
    [
        ({"propertyNames": {"maxLength": 1}}, {f"k{number}": 0 for number in range(4900)}),
        ({"required": [f"k{number}" for number in range(7000)]}, {}),
        ({"dependentRequired": {"a": [f"k{number}" for number in range(7000)]}}, {"a": 1}),
        ({"properties": {"a": {"items": {"enum": list(range(11_000))}}}}, {"a": [-1] * 3300}),
        ({"properties": {"a": {"items": {"required": [f"k{number}" for number in range(7000)]}}}}, {"a": [{}] * 200}),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": [1] * 2400}),
    ],
    ids=["names of members", "required", "dependentRequired", "enum", "required of items", "items"],
)
def test_where_much_may_be_wrong_the_first_mistake_is_all_that_is_looked_for(schema, properties):
    """The library makes all errors at once, in time quadratic in their number: some 16 s."""
    assert len(Check(1, schema).find(properties)) == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"items": {"dependentRequired": {f"k{number}": [] for number in range(6000)}}}}},
        {"properties": {"a": {"items": {"enum": [*map(str, range(9000)), 1, None, True]}}}},
        {"properties": {"a": {"items": {"multipleOf": 1e-300}}}},
        {"properties": {"a": {"uniqueItems": True}}},
    ],
    ids=["dependentRequired", "a mixed enum", "multipleOf", "uniqueItems"],
)
def test_large_events_of_schemas_that_list_much_are_checked_elsewhere(schema):
    assert Check(1, schema).fast_bytes <= 10_000


def test_of_many_findings_some_are_told_and_none_is_long():
    check = Check(1, {"additionalProperties": {"enum": ["x" * 50] * 100}})
    found = check.find({str(number): number for number in range(50)})
    assert len(found) == MAX_FINDINGS
    assert all(len(violation.detail) <= MAX_CHARACTERS for violation in found)


def test_of_a_large_event_only_the_first_finding_is_looked_for():
    """The library keeps each finding in memory: a gigabyte for an event of 64 KiB that violates twenty subschemas."""
    check = Check(1, {"properties": {"a": {"items": {"allOf": [{"type": "string"}] * 20}}}})
    assert check.find({"a": [1] * 30_000}) == [Violation("/a/0", 'It is not of type "string".')]


@pytest.mark.parametrize(
    ("items", "is_unique"),
    [
        ([1, 2, True, False, None, "", "1", "null", [], {}, [1], [[1]], [1, [2]], [[1], 2], {"a": 1}, {"a": [1]}], True),
        ([1, 1.0], False),
        ([0, -0.0], False),
        ([0.5, 5e-1], False),
        ([0.1, 0.2, 5e-324, 1e308, 1e307], True),
        ([2**64, 2.0**64], False),
        ([2**64, 2**64 + 1], True),
        ([10**4000, 10**4000 + 1], True),
        ([[1], [1.0]], False),
        ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], False),
        ([{"a": 1}, {"a": True}], True),
        (["a,b", "a", "b", '"a"', "é", "e\u0301"], True),
    ],
)  # fmt: skip
def test_items_are_unique_where_no_two_are_equal_in_json(items, is_unique):
    schema = {"properties": {"a": {"uniqueItems": True}}}
    assert (Check(1, schema).find({"a": items}) == []) is is_unique
    assert (Check(1, schema).find({"a": [*items, *items]}) == []) is False
    assert Check(1, {"properties": {"a": {"uniqueItems": False}}}).find({"a": [*items, *items]}) == []


@pytest.mark.parametrize(
    "listed", [[1], [1, 2], [1.5, "a", 2], ["a", 1, 2, 3], ["a", *range(900)], [{"b": 1, "a": 0.5}, None, []]]
)
def test_of_many_numbers_is_said_what_the_library_says_of_few(listed):
    (error,) = jsonschema_rs.Draft202012Validator({"enum": listed}, mask="It").iter_errors("secret")
    (own,) = jsonschema_rs.Draft202012Validator({"equalsOne": listed}, keywords=KEYWORDS).iter_errors("secret")
    assert own.message == error.message


@pytest.mark.parametrize(
    ("entry", "value", "is_one"),
    [
        (1, 1.0, True),
        (1.0, 1, True),
        (1, True, False),
        (True, 1, False),
        (0.5, 5e-1, True),
        (0, -0.0, True),
        (2**64, 2**64 + 1, False),
        (10**4000, 10**4000, True),
        (1e308, 1e308, True),
        ([1, {"a": 1.0, "b": 2}], [1.0, {"b": 2.0, "a": 1}], True),
        ([1], [True], False),
        ("1", 1, False),
        (None, None, True),
        ("é", "e\u0301", False),
        ({}, {}, True),
    ],
)
@pytest.mark.parametrize("others", [[], list(range(100, 200))], ids=["few", "many"])
def test_a_value_is_one_of_an_enum_if_both_are_equal_in_json(entry, value, is_one, others):
    assert (Check(1, {"properties": {"a": {"enum": [*others, entry]}}}).find({"a": value}) == []) is is_one


def test_of_many_numbers_one_beyond_64_bits_equals_a_double():
    """The library, which compares few, doesn't find that."""
    for one, other in [(2**64, 2.0**64), (2.0**63, 2**63), (-(2**70), -(2.0**70)), (int(1e300), 1e300)]:
        assert Check(1, {"properties": {"a": {"enum": [*range(10), one]}}}).find({"a": other}) == []
        assert Check(1, {"properties": {"a": {"enum": [*range(10), one]}}}).find({"a": int(other) + 1}) != []


def test_an_enum_counts_wherever_it_stands_and_a_name_of_its_own_means_nothing():
    schema = {
        "$ref": "#/$defs/x",
        "$defs": {"x": {"additionalProperties": {"items": {"enum": [*range(20)]}, "equalsOne": [3]}}},
    }
    check = Check(1, schema)
    assert check.schema == schema
    assert check.find({"a": [1, 2.0], "b": "x"}) == []
    assert check.find({"a": [1, 20]}) == [Violation("/a/1", "It is not one of 0, 1 or 18 other candidates.")]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text("ab", max_size=4))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)), max_leaves=8
)  # fmt: skip
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
LEAVES = st.one_of(
    st.booleans(),
    st.fixed_dictionaries({"type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3, unique=True))}),
    st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=3).map(lambda few: [*few, *range(100, 110)])}),
    st.fixed_dictionaries({"const": VALUES}),
    st.fixed_dictionaries({"minimum": st.integers(-3, 3), "maximum": st.integers(-3, 3)}),
    st.fixed_dictionaries({"minLength": st.integers(0, 3), "pattern": st.sampled_from(["^a", "b$", "^(a|b)*$", "[^a]"])}),
    st.fixed_dictionaries({"minItems": st.integers(0, 3), "uniqueItems": st.booleans()}),
    st.fixed_dictionaries({"required": st.lists(st.sampled_from("abc"), unique=True)}),
    st.fixed_dictionaries({"multipleOf": st.integers(1, 3)}),
)  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({}, optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3), "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1), "propertyNames": inner,
        }),
        st.fixed_dictionaries({}, optional={"prefixItems": st.lists(inner, min_size=1, max_size=2), "items": inner, "contains": inner}),
        st.fixed_dictionaries({}, optional={"if": inner, "then": inner, "else": inner, "not": inner}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}, optional={"unevaluatedProperties": st.booleans()}),
        st.fixed_dictionaries({}, optional={"anyOf": st.lists(inner, min_size=1, max_size=2), "oneOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=10,
)  # fmt: skip


NUMBERS = st.one_of(
    st.integers(), st.integers(-(10**400), 10**400), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 1e308, 5e-324, 2**63, 2**64, 10**4299]),
)  # fmt: skip
BOUNDS = st.sampled_from(
    ["multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const", "maxLength", "maxItems"]
)


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(BOUNDS, NUMBERS, max_size=3),
    st.lists(st.one_of(NUMBERS, st.lists(NUMBERS, max_size=20)), max_size=4),
)
def test_numbers_of_any_size_break_nothing(schema, values):
    try:
        check = Check(1, {"properties": {"a": {**schema, "uniqueItems": True}}})
    except InvalidSchemaError:
        return
    for value in values:
        assert all(violation.pointer == "/a" for violation in check.find({"a": value}))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), SCHEMAS, max_size=3),
    st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=4),
)
def test_an_independent_implementation_agrees(properties, events):  # fmt: skip
    schema = {"properties": properties}
    try:
        check = Check(1, schema)
    except InvalidSchemaError as error:
        assert "unevaluated" in error.detail or "subschemas" in error.detail  # noqa: PT017  # which bound it was
        return
    reference = jsonschema.Draft202012Validator(schema)
    for event in events:
        assert (check.find(event) == []) == reference.is_valid(event)
