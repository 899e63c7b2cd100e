"""Amplitude's clients: what they send is stored once, and every answer is one that they understand."""

import gzip
import json

import captures
import pytest
import requests
from sites import make_source
from waiting import eventually

MS = 1793527200250
"""2026-11-01T10:00:00.25Z."""

ID = "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"
ID7 = "01a22529-f3c0-72e5-bec0-976c9fecbb5f"
EVENT = {"event_type": "order completed", "user_id": "ann", "insert_id": ID, "time": MS}


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def post(collector, body, path="/2/httpapi", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(collector.url + path, data=data, headers=headers, timeout=60)


def stored(owner):
    return owner.execute("select event_type, user_id, session_id, properties from events order by timestamp").fetchall()


@pytest.mark.parametrize("name", ["amplitude_node", "amplitude_python"])
def test_what_a_client_sent_is_stored_once(collector, shared_owner, key, name):
    (sent,) = captures.posts(name)
    for _ in range(2):
        answer = captures.send(collector.url, sent, key, "")
        assert (answer.status_code, answer.json()) == (200, {"code": 200, "events_ingested": 4})
        types = sorted(event_type for event_type, *_ in stored(shared_owner))
        assert types == ["group", "identify", "order completed", "page_view"]
    assert shared_owner.execute("select alias, person from links").fetchall() == [("anon-1", "ann")]
    assert {user_id for _, user_id, *_ in stored(shared_owner)} == {"ann", "anon-1"}
    (page,) = shared_owner.execute("select properties from events where event_type = 'page_view'").fetchone()
    assert (page["page"], page["host"]) == ("/pricing", "shop.example")


def test_an_event_becomes_one_of_ours(collector, shared_owner, key):
    events = [
        {**EVENT, "user_id": None, "device_id": "d-1", "session_id": 1796117182000, "platform": "iOS", "ip": "192.0.2.1",
         "user_agent": "x", "plan": {}, "event_properties": {"a": 1.50}},
        {**EVENT, "time": MS + 1, "event_type": "$identify", "device_id": "d-1", "session_id": -1,
         "user_properties": {"$set": {"plan": "pro"}, "$add": {"n": 1}}},
        {**EVENT, "time": MS + 2, "event_type": "$groupidentify", "groups": {"company": 7}, "group_properties": {"n": 1}},
        {**EVENT, "time": MS + 3, "event_type": "$groupidentify", "groups": {"company": ["a", "b"]}},
        {**EVENT, "time": MS + 4, "device_id": "d-1", "user_properties": {"plan": "pro"}, "groups": {"company": "acme"}},
        {**EVENT, "time": MS + 5, "event_type": "[Amplitude] Screen Viewed",
         "event_properties": {"[Amplitude] Screen Name": "Cart"}},
    ]  # fmt: skip
    assert post(collector, {"api_key": key, "events": events}).json() == {"code": 200, "events_ingested": 6}
    anonymous, identify, group, groups, track, screen = stored(shared_owner)
    assert anonymous == ("order completed", "d-1", "1796117182000", {"a": 1.5, "context": {"platform": "iOS"}})
    assert identify == (
        "identify", "ann", None, {"traits": {"plan": "pro"}, "user_properties": {"$add": {"n": 1}}, "anonymous_id": "d-1"},
    )  # fmt: skip
    assert group[3] == {"group_type": "company", "group_id": "7", "traits": {"n": 1}}
    assert groups[3] == {"groups": {"company": ["a", "b"]}}
    assert track[3] == {"user_properties": {"plan": "pro"}, "groups": {"company": "acme"}, "anonymous_id": "d-1"}
    assert (screen[0], screen[3]["name"]) == ("screen_view", "Cart")
    times = shared_owner.execute("select timestamp::text, event_id::text from events order by timestamp").fetchall()
    assert times[0] == ("2026-11-01 10:00:00.25+00", ID)
    assert shared_owner.execute("select alias, person from links").fetchall() == [("d-1", "ann")]


def test_an_insert_id_that_is_no_uuid_makes_always_the_same_id(collector, shared_owner, key):
    for sent in ("i-1", "i-1", "i-2"):
        assert post(collector, {"api_key": key, "events": [{**EVENT, "insert_id": sent}]}).status_code == 200
    ids = {str(event_id) for (event_id,) in shared_owner.execute("select event_id from events")}
    assert ids == {"979b61d3-3b48-5ac5-be50-89ef6ebcbda0", "44a167a7-f6eb-58c0-af45-e35df1b6fc3c"}


def test_gzip_the_slash_and_a_key_in_a_header(collector, shared_owner, key):
    body = gzip.compress(json.dumps({"events": [EVENT]}).encode())
    for path, headers in (("/2/httpapi/", {"X-Write-Key": key}), (f"/2/httpapi?api_key={key}", {})):
        assert post(collector, body, path, **headers).json() == {"code": 200, "events_ingested": 1}
    assert len(stored(shared_owner)) == 1


def test_refused_events_are_listed_as_amplitude_lists_them(collector, key, rejections):
    without_time = {name: value for name, value in EVENT.items() if name != "time"}
    refused = [
        ({**EVENT, "user_id": ""}, "/user_id", "required"),
        ({**EVENT, "user_id": None, "device_id": "x" * 201}, "/device_id", "length"),
        ({**EVENT, "insert_id": 5.5, "event_type": "x" * 101}, "/event_type", "length"),
        (without_time, "/time", "timestamp_required"),
        ({**EVENT, "time": "2026-11-01"}, "/time", "invalid_timestamp"),
        ({**EVENT, "time": 1e300}, "/time", "invalid_timestamp"),
        ({**EVENT, "time": 5}, "/time", "timestamp_too_old"),
        ({**EVENT, "event_properties": {"a": float("nan")}}, "/event_properties/a", "number_out_of_range"),
        ({**EVENT, "user_properties": {"$set": {"a": float("nan")}}, "event_type": "$identify"}, "/user_properties/$set/a",
         "number_out_of_range"),
        ({**EVENT, "platform": float("nan")}, "/platform", "number_out_of_range"),
        ({**EVENT, "event_properties": 5}, "/event_properties", "wrong_type"),
        ([], "", "wrong_type"),
    ]  # fmt: skip
    events = [
        *({**event, "library": "x/1"} if event else event for event, *_ in refused),
        {**without_time, "insert_id": ID7},
    ]
    answer = post(collector, {"api_key": key, "events": events})
    found = answer.json()
    assert (answer.status_code, found["code"], found["stored"], found["rejected"]) == (400, 400, 1, len(refused))
    firsts = {error["index"]: (error["pointer"], error["code"]) for error in reversed(found["errors"])}
    assert firsts == {index: (f"/events/{index}{pointer}", code) for index, (_, pointer, code) in enumerate(refused)}
    assert found["events_with_missing_fields"] == {"user_id": [0], "time": [3]}
    assert found["events_with_invalid_fields"] == {
        "device_id": [1], "event_type": [2], "time": [4, 5, 6], "event_properties": [7, 10], "user_properties": [8],
        "platform": [9], "event": [11],
    }  # fmt: skip
    assert eventually(lambda: len(rejections()) == len(refused))
    assert {one.client for one in rejections()} == {"x/1"}


def test_a_request_that_is_refused_has_the_status_in_its_body_and_the_member_that_is_wrong(collector, key):
    for wrong in (None, "", "unknown"):
        answer = post(collector, {"api_key": wrong, "events": [EVENT]})
        assert (answer.status_code, answer.json()["code"], answer.json()["missing_field"]) == (401, 401, "api_key")
        assert answer.json()["error"].startswith(("key_required: ", "invalid_key: "))
    for body in (b"hello", json.dumps({"api_key": key, "event": [EVENT]}).encode()):
        answer = post(collector, body)
        assert (answer.status_code, answer.json()["code"], answer.json()["missing_field"]) == (400, 400, "events")
    answer = post(collector, {"api_key": key, "events": [EVENT] * 2501})
    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert "missing_field" not in answer.json()
