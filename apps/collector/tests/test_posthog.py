"""PostHog's clients for servers: what they send is stored once, and every answer is one that they understand."""

import gzip
import json

import captures
import pytest
import requests
from sites import make_source

T = "2026-11-01T10:00:00Z"
ID = "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"
ID7 = "01a22529-f3c0-72e5-bec0-976c9fecbb5f"
EVENT = {"event": "order completed", "distinct_id": "ann", "uuid": ID, "timestamp": T}


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def post(collector, body, path="/batch/", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(collector.url + path, data=data, headers=headers, timeout=60)


def stored(owner):
    return owner.execute("select event_type, user_id, session_id, properties from events order by timestamp").fetchall()


@pytest.mark.parametrize(
    ("name", "people"), [("posthog_node", [("anon-1", "ann")]), ("posthog_python", [("anon-1", "ann")])]
)
def test_what_a_client_sent_is_stored_once(collector, shared_owner, key, name, people):
    (sent,) = captures.posts(name)
    for _ in range(2):
        answer = captures.send(collector.url, sent, key, "")
        assert (answer.status_code, answer.json()) == (200, {"status": 1})
        types = sorted(event_type for event_type, *_ in stored(shared_owner))
        assert types == ["alias", "identify", "order completed", "page_view"]
    assert shared_owner.execute("select alias, person from links").fetchall() == people
    users = {user_id for (user_id,) in shared_owner.execute("select user_id from users")}
    assert users <= {"ann", "anon-1"}


def test_a_message_becomes_an_event(collector, shared_owner, key):
    events = [
        {**EVENT, "event": "$pageview", "timestamp": "2026-11-01T10:00:01Z", "properties": {
            "$current_url": "https://shop.example/a?b=1", "$referrer": "https://x.example/?q=1", "$session_id": "s", "$ip": "192.0.2.1"}},
        {**EVENT, "event": "$identify", "timestamp": "2026-11-01T10:00:02Z", "$set": {"plan": "pro"}, "properties": {"$anon_distinct_id": "a"}},
        {**EVENT, "event": "$groupidentify", "timestamp": "2026-11-01T10:00:03Z",
         "properties": {"$group_type": "company", "$group_key": "acme", "$group_set": {"n": 1}}},
        {**EVENT, "event": "buy", "timestamp": "2026-11-01T10:00:04Z", "$set": {"plan": "pro"}},
    ]  # fmt: skip
    assert post(collector, {"api_key": key, "batch": events, "sent_at": T}).json() == {"status": 1}
    page, identify, group, buy = stored(shared_owner)
    assert page[:3] == ("page_view", "ann", "s")
    assert page[3] == {
        "page": "/a", "host": "shop.example", "referrer": "https://x.example/",
        "$current_url": "https://shop.example/a?b=1", "$referrer": "https://x.example/?q=1", "$session_id": "s",
    }  # fmt: skip
    assert identify[3] == {"$anon_distinct_id": "a", "anonymous_id": "a", "traits": {"plan": "pro"}}
    assert group[3].items() >= {"group_id": "acme", "group_type": "company", "traits": {"n": 1}}.items()
    assert buy[3] == {"$set": {"plan": "pro"}}
    assert shared_owner.execute("select alias, person from links").fetchall() == [("a", "ann")]


@pytest.mark.parametrize("path", ["/capture/", "/capture", "/i/v0/e/", "/i/v0/e", "/batch"])
def test_one_event_alone(collector, shared_owner, key, path):
    one = {**EVENT, "api_key": key}
    in_properties = {**EVENT, "properties": {"token": key}}
    for body in (one, [one], in_properties, [in_properties]):
        assert post(collector, gzip.compress(json.dumps(body).encode()), path).json() == {"status": 1}
    assert len(stored(shared_owner)) == 1


def test_refusals(collector, shared_owner, key):
    without_time = {name: value for name, value in EVENT.items() if name != "timestamp"}
    refused = [
        ({**EVENT, "distinct_id": ""}, "/distinct_id", "required"),
        ({**EVENT, "uuid": "x"}, "/uuid", "invalid_uuid"),
        ({**EVENT, "event": "x" * 101}, "/event", "length"),
        (without_time, "/timestamp", "timestamp_required"),
        ({**EVENT, "event": "$set", "$set": {"a": float("nan")}}, "/$set/a", "number_out_of_range"),
        ({**EVENT, "properties": 5}, "/properties", "wrong_type"),
        ([], "", "wrong_type"),
    ]
    body = {"api_key": key, "batch": [*(event for event, *_ in refused), {**without_time, "uuid": ID7}]}
    answer = post(collector, body)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["status"], found["stored"], found["rejected"]) == (1, 1, len(refused))
    firsts = {error["index"]: (error["pointer"], error["code"]) for error in reversed(found["errors"])}
    assert firsts == {index: (f"/batch/{index}{pointer}", code) for index, (_, pointer, code) in enumerate(refused)}

    alone = post(collector, {**EVENT, "api_key": key, "distinct_id": None}, "/capture/")
    assert (alone.status_code, alone.json()["code"]) == (400, "invalid_events")
    assert alone.json()["errors"][0]["pointer"] == "/distinct_id"
    for wrong in (None, "phc_unknown"):
        answer = post(collector, {"api_key": wrong, "batch": [EVENT]})
        assert answer.status_code == 401
        assert answer.json()["message"]
    assert post(collector, b"hello").status_code == 400
    assert post(collector, {"api_key": key, "batch": [EVENT] * 2501}).status_code == 413
