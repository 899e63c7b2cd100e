"""`tracker schema`, run as a process."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from click.testing import CliRunner

from event_tracker.cli.admin.event_schemas import list_schemas

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


@pytest.fixture
def older_query():
    """The URL of a query service of a release before schemas could be set aside: its items have no `set_aside_until`."""
    item = {
        "source": "shop",
        "mode": "warn",
        "event_type": "purchase",
        "version": 3,
        "created_at": "2026-01-02T03:04:05Z",
    }
    answer = json.dumps({"items": [item]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_member_that_an_older_service_does_not_send_is_left_empty(older_query):
    listed = CliRunner().invoke(list_schemas, ["shop", "--query", older_query])
    assert listed.exception is None
    head, row = listed.stdout.splitlines()
    assert "set aside until" in head
    assert row.split() == ["shop", "warn", "purchase", "3", "2026-01-02T03:04:05Z"]
