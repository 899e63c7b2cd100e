"""`tracker schema`, as run."""

import json

import pytest
import requests

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


def test_a_schema_is_inferred_and_can_be_set(tracker, shop, collector, owner):
    assert "No event of this type" in tracker("schema", "infer", "default", "purchase").stderr
    events = [{"user_id": "ann", "event_type": "purchase", "properties": {"amount": n / 2}} for n in range(10)]
    assert requests.post(f"{collector.url}/events", json=events, timeout=30).status_code == 200
    inferred = tracker("schema", "infer", "default", "purchase", "--sample", "5")
    assert inferred.stderr == "made from 5 events\n"
    assert json.loads(inferred.stdout)["properties"] == {"amount": {"type": "number"}}
    assert set_schema(tracker, json.loads(inferred.stdout), "default", "purchase").returncode == 0


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
