"""`tracker schema`, as run."""

import json
import os
import subprocess
import sys

import pytest

AMOUNT = {"type": "object", "properties": {"amount": {"type": "number"}}}


@pytest.fixture
def tracker(postgres, database):
    """Runs a command of the owner's on this test's database."""

    def run(*arguments, text=None):
        return subprocess.run(
            [sys.executable, "-m", "tracker", *arguments],
            env={**os.environ, "DATABASE_URL": postgres.url(database), "COLUMNS": "160"},
            input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def shop(owner):
    owner.execute("insert into sources (name) values ('shop')")


def set_schema(tracker, schema, *names):
    return tracker("schema", "set", *(names or ("shop", "purchase")), "-", text=json.dumps(schema))


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
        (["set", "shop", "purchase", "-"], "[]", "must be a JSON object"),
        (["set", "shop", "purchase", "-"], '{"properties": {"a": {"type": "nmber"}}}', "/properties/a/type"),
        (["set", "shop", "purchase", "-"], '{"$ref": "https://example.com"}', "Nothing is fetched"),
        (["set", "shop", "x" * 101, "-"], "{}", "1 to 100 characters"),
        (["set", "nowhere", "purchase", "-"], "{}", "there is no source nowhere"),
        (["show", "shop", "purchase"], "", "no such schema"),
    ],
)
def test_mistakes_are_told(tracker, shop, arguments, text, says):
    done = tracker("schema", *arguments, text=text)
    assert done.returncode != 0
    assert says in done.stderr
