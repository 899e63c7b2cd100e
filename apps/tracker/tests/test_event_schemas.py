"""`tracker schema`, as run."""

import json

import pytest

AMOUNT = {"type": "object", "properties": {"amount": {"type": "number"}}}


@pytest.fixture
def shop(owner):
    owner.execute("insert into sources (name) values ('shop')")


def set_schema(tracker, schema, *names):
    return tracker("schema", "set", *(names or ("shop", "purchase")), "-", stdin=json.dumps(schema))


def test_a_schema_is_set_listed_and_shown_by_version(tracker, shop):
    assert set_schema(tracker, AMOUNT).stdout == "set version 1 of the schema of purchase of source shop\n"
    assert set_schema(tracker, AMOUNT).stdout == "this already is version 1 of the schema of purchase of source shop\n"
    second = {**AMOUNT, "required": ["amount"]}
    assert set_schema(tracker, second).stdout == "set version 2 of the schema of purchase of source shop\n"
    assert set_schema(tracker, AMOUNT).stdout == "set version 3 of the schema of purchase of source shop\n"
    assert json.loads(tracker("schema", "show", "shop", "purchase").stdout) == AMOUNT
    assert json.loads(tracker("schema", "show", "shop", "purchase", "--version", "2").stdout) == second
    set_schema(tracker, {}, "default", "view")
    listed = tracker("schema", "list").stdout
    assert "purchase" in listed
    assert "view" in listed
    assert "view" not in tracker("schema", "list", "shop").stdout


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (["set", "shop", "purchase", "-"], "{", "isn't JSON"),
        (["set", "shop", "purchase", "-"], "[]", "schema: "),
        (["set", "shop", "purchase", "-"], '{"properties": {"a": {"type": "nmber"}}}', "/properties/a/type"),
        (["set", "shop", "purchase", "-"], '{"$ref": "https://example.com"}', "Nothing is fetched"),
        (["set", "shop", "x" * 101, "-"], "{}", "event_type: Must have 1 to 100 characters"),
        (["set", "nowhere", "purchase", "-"], "{}", "404"),
        (["show", "shop", "purchase"], "", "no such schema"),
    ],
)
def test_mistakes_are_told(tracker, shop, arguments, text, says):
    done = tracker("schema", *arguments, stdin=text)
    assert done.returncode != 0
    assert says in done.stderr
