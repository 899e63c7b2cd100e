"""GET /users/{user_id}/export: everything that is stored of a user, and nothing of anybody else."""

import hashlib
import json

import pytest
import requests
from world import World, an_event, life_of


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


def export(world, user_id, headers=None, **parameters):
    url = f"{world.query.url}/users/{user_id}/export"
    return requests.get(url, params=parameters, headers=headers or world.admin(), timeout=60)


def ids(events):
    return sorted(event["event_id"] for event in events)


def test_it_has_everything_that_is_stored_of_the_user_and_of_nobody_else(world):
    world.send(life_of("ann") + life_of("bob"))
    world.maintain()
    answer = export(world, "ann")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="user.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json()
    assert list(found) == [
        "user_id",
        "identity",
        "ids",
        "exported_at",
        "sources",
        "events",
        "rejections",
        "links",
        "users",
    ]
    assert (found["user_id"], found["sources"]) == ("ann", None)
    assert found["users"] == [
        {"user_id": "ann", "first_seen": "2026-03-01T10:00:00Z", "last_hour": "2026-03-05T23:00:00Z"}
    ]
    assert ids(found["events"]) == ids(life_of("ann"))
    assert {event["user_id"] for event in found["events"]} == {"ann"}
    assert found["events"][-1]["properties"] == {"n": 1, "none": None, "page": "/"}
    assert "bob" not in answer.text


def test_as_lines_it_is_the_same(world):
    world.send(life_of("ann"))
    world.maintain()
    whole = export(world, "ann").json()
    answer = export(world, "ann", format="ndjson")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    head, *lines = map(json.loads, answer.text.splitlines())
    assert head.keys() == {"user_id", "identity", "ids", "exported_at", "sources"}
    for table in ("users", "events"):
        assert [line["row"] for line in lines if line["table"] == table] == whole[table]
    assert len(lines) == 15 + 1


def test_many_rows_are_streamed_whole(world):
    rows = 2300
    world.owner.execute(
        """insert into events (user_id, timestamp, event_id, event_type, properties)
           select 'ann', timestamptz '2026-03-01' + n * interval '1 h', gen_random_uuid(), 'view', jsonb_build_object('n', n)
           from generate_series(1, %s) n""",
        [rows],
    )
    found = export(world, "ann").json()
    assert sorted(event["properties"]["n"] for event in found["events"]) == list(range(1, rows + 1))
    lines = export(world, "ann", format="ndjson").text.splitlines()
    assert len(lines) == 1 + rows


def test_who_is_restricted_to_a_source_gets_its_events_alone(world):
    shop, blog = world.make_source("shop"), world.make_source("blog")
    world.send(life_of("ann")[::2], shop)
    world.send(life_of("ann")[1::2] + life_of("bob"), blog)
    world.maintain()
    found = export(world, "ann", world.admin("shop")).json()
    assert list(found) == ["user_id", "identity", "ids", "exported_at", "sources", "events", "rejections", "links"]
    assert found["sources"] == ["shop"]
    assert ids(found["events"]) == ids(life_of("ann")[::2])
    foreign, missing = (export(world, user_id, world.admin("shop")) for user_id in ("bob", "nobody"))
    assert foreign.status_code == missing.status_code == 404
    different = {"request_id": None}
    assert {**foreign.json(), **different} == {**missing.json(), **different}


def test_refused_and_flagged_events_are_in_it(world):
    world.send([an_event("ann", "2026-03-01T10:00:00Z", 1)])
    world.owner.execute("""update events set violations = '{"schema_version": 1, "errors": []}'""")
    world.reject("ann", "shop", b'{"user_id": "ann"}')
    world.reject("ann", "shop", b"\xff")
    world.reject("bob", "shop")
    world.reject("cara", "shop")
    found = export(world, "ann", format="ndjson")
    lines = [json.loads(line) for line in found.text.splitlines()]
    assert [line["row"]["violations"] for line in lines if line.get("table") == "events"] == [
        {"schema_version": 1, "errors": []}
    ]
    refused = [line["row"] for line in lines if line.get("table") == "rejections"]
    assert {(row.get("payload"), row.get("payload_base64")) for row in refused} == {
        ('{"user_id": "ann"}', None),
        (None, "/w=="),
    }
    assert export(world, "cara").json()["events"] == []
    assert export(world, "cara", world.admin("blog")).status_code == 404
    assert len(export(world, "cara", world.admin("shop")).json()["rejections"]) == 1


def test_nothing_is_a_404(world):
    answer = export(world, "ann")
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")
    world.send(life_of("ann"))
    assert export(world, "ann").status_code == 200
    world.erase("ann").raise_for_status()
    assert export(world, "ann").status_code == 404


@pytest.mark.parametrize("removed_at", [None, "2026-03-02"])
def test_links_alone_are_exported(world, removed_at):
    """As they are left when the events have been deleted. A removed one is stored, too."""
    world.owner.execute(
        """insert into links (source, alias, person, at, event_id, removed_at)
           values ('shop', 'anon', 'ann', '2026-03-01', gen_random_uuid(), %s)""",
        [removed_at],
    )
    for user_id in ("anon", "ann"):
        for headers in (world.admin(), world.admin("shop")):
            found = export(world, user_id, headers, identity="raw").json()
            assert [(link["alias"], link["person"]) for link in found["links"]] == [("anon", "ann")]
            assert (found["events"], found["rejections"]) == ([], [])
        assert export(world, user_id, world.admin("blog")).status_code == 404


def test_it_stands_in_the_audit_log_for_who_knows_the_id(world):
    world.send([an_event("ann", "2026-03-01T10:00:00Z", 1)])
    export(world, "ann")
    export(world, "nobody")
    found = world.owner.execute("select action, target, detail from audit").fetchall()
    assert found == [("export_user", hashlib.sha256(b"ann").hexdigest(), {})]


@pytest.mark.parametrize("user_id", ["a/b", "export", "a/export", "ünï", "100%", "a b?c#d"])
def test_ids_with_any_characters_are_exported(world, user_id):
    world.send([an_event(user_id, "2026-03-01T10:00:00Z", 1)])
    found = export(world, requests.utils.quote(user_id, safe=""))
    assert found.json()["events"][0]["user_id"] == user_id


@pytest.mark.parametrize(
    ("path", "parameter", "code"),
    [
        ("ann/export?format=csv", "format", "invalid_choice"),
        ("ann/export?limit=1", "limit", "unknown_parameter"),
        ("x" * 201 + "/export", "user_id", "length"),
        ("a%00b/export", "user_id", "nul_character"),
    ],
)
def test_what_is_misspelt_is_refused(world, path, parameter, code):
    answer = requests.get(f"{world.query.url}/users/{path}", headers=world.admin(), timeout=30)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [(parameter, code)]


def test_it_is_compressed_for_who_takes_it_so(world):
    world.send(life_of("ann"))
    answer = export(world, "ann", world.admin() | {"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.json()["events"]) == 15
