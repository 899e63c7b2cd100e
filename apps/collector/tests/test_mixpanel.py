"""Mixpanel's clients for servers: what they send is stored once, and every answer is one that they understand."""

import base64
import gzip
import json
from urllib.parse import urlencode

import captures
import pytest
import requests
from sites import make_source
from waiting import eventually

from event_tracker.collector.protocols.mixpanel import forms

S = 1793527200.25
"""2026-11-01T10:00:00.25Z."""

ID = "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"
ID7 = "01a22529-f3c0-72e5-bec0-976c9fecbb5f"
OWN = {"distinct_id": "ann", "$insert_id": ID, "time": S}
EVENT = {"event": "order completed", "properties": OWN}
SUCCESS = {"status": 1, "error": None}


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def post(collector, body, path="/track", *, auth=None, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(collector.url + path, data=data, headers=headers, auth=auth, timeout=60)


def post_form(collector, data, path="/track", **headers):
    body = urlencode({"data": json.dumps(data), "verbose": 1, "ip": 0}).encode()
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return post(collector, body, path, **headers)


def stored(owner):
    return owner.execute("select event_type, user_id, properties from events order by timestamp, event_type").fetchall()


def with_own(event="order completed", **properties):
    return {"event": event, "properties": {**OWN, **properties}}


@pytest.mark.parametrize(
    ("name", "types", "links"),
    [
        ("mixpanel_python", ["identify", "order completed", "order completed", "page_view"], [("anon-1", "ann")]),
        ("mixpanel_node", ["order completed", "order completed"], []),
    ],
)
def test_what_a_client_sent_is_stored_once(collector, shared_owner, key, name, types, links):
    basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    for _ in range(2):
        for sent in captures.posts(name):
            if name == "mixpanel_node":
                answer = captures.send(collector.url, sent, key, "")
                assert (answer.status_code, answer.text) == (200, "1")
            else:
                answer = captures.send(collector.url, sent, key, basic)
                assert (answer.status_code, answer.json()) == (200, SUCCESS)
        assert sorted(event_type for event_type, *_ in stored(shared_owner)) == types
    assert shared_owner.execute("select alias, person from links").fetchall() == links
    assert {user_id for _, user_id, _ in stored(shared_owner)} <= {"ann", "anon-1"}


def test_an_event_becomes_one_of_ours(collector, shared_owner, key):
    events = [
        with_own("$mp_web_page_view", distinct_id="$device:d-1", **{"$device_id": "d-1", "$current_url": "https://shop.example/a?b=1",
                 "$referrer": "https://x.example/?q=1", "ip": "192.0.2.1", "token": key}),
        with_own("$identify", time=S + 1, **{"$identified_id": "ann", "$anon_id": "$device:d-1"}),
        with_own("$create_alias", time=S + 2, distinct_id="a-0", alias="ann"),
        with_own(time=round((S + 3) * 1000), distinct_id="ann", **{"$device_id": "d-2", "a": 1.50, "mp_lib": "x"}),
        with_own(time=S + 4, distinct_id=None, **{"$user_id": 7}),
        with_own(time=S + 5, distinct_id=None, **{"$device_id": "d-3"}),
    ]  # fmt: skip
    assert post(collector, events).json() == SUCCESS
    page, identify, alias, track, user, device = stored(shared_owner)
    assert page == (
        "page_view", "d-1",
        {"page": "/a", "host": "shop.example", "referrer": "https://x.example/", "$device_id": "d-1",
         "$current_url": "https://shop.example/a?b=1", "$referrer": "https://x.example/?q=1"},
    )  # fmt: skip
    assert identify[:2] == ("identify", "ann")
    assert identify[2]["anonymous_id"] == "d-1"
    assert alias == ("alias", "ann", {"alias": "ann", "previous_id": "a-0"})
    assert track == ("order completed", "ann", {"$device_id": "d-2", "a": 1.5, "mp_lib": "x", "anonymous_id": "d-2"})
    assert user == ("order completed", "7", {"$user_id": 7})
    assert device == ("order completed", "d-3", {"$device_id": "d-3"})
    times = shared_owner.execute("select timestamp::text, event_id::text from events order by timestamp").fetchall()
    assert (times[0], times[3][0]) == (("2026-11-01 10:00:00.25+00", ID), "2026-11-01 10:00:03.25+00")
    assert sorted(shared_owner.execute("select alias, person from links").fetchall()) == [
        ("a-0", "ann"),
        ("d-1", "ann"),
    ]


def test_every_way_to_send_an_event_and_its_key(collector, shared_owner, key):
    with_token, text = with_own(token=key, **{"$insert_id": "i-1"}), json.dumps([with_own(**{"$insert_id": "i-1"})])
    encoded = base64.b64encode(json.dumps([with_own(token=key, **{"$insert_id": "i-1"})]).encode())
    for answer in (
        post(collector, with_token),
        post(collector, [with_token], "/track/"),
        post(collector, gzip.compress(text.encode()), auth=(key, "")),
        post(collector, text.encode(), auth=("service-account", key)),
        post(collector, text.encode(), **{"X-Write-Key": key}),
        post(collector, text.encode(), f"/track?api_key={key}"),
        post_form(collector, with_token),
        post_form(collector, [with_token], "/import"),
        post(collector, b"ip=0&data=" + encoded),
        post(collector, b"ip=0&data=" + encoded.rstrip(b"=")),
    ):
        assert (answer.status_code, answer.json()) == (200, SUCCESS), answer.request.body
    imported = post(collector, [with_token], "/import")
    assert imported.json() == {"code": 200, "num_records_imported": 1, "status": "OK"}
    assert post(collector, [with_token], "/track?verbose=0").text == "1"
    assert [str(event_id) for (event_id,) in shared_owner.execute("select event_id from events")] == [
        "743a70f1-4470-57e2-bf93-b5290c89022f"
    ]


REFUSED = [
    (with_own(distinct_id="", mp_lib="x", **{"$lib_version": "1"}), "/properties/distinct_id", "required"),
    (with_own("$create_alias"), "/properties/alias", "required"),
    (with_own("x" * 101), "/event", "length"),
    (with_own(**{"$insert_id": ["x"]}), "/properties/$insert_id", "wrong_type"),
    (with_own(time=None), "/properties/time", "timestamp_required"),
    (with_own(time="now"), "/properties/time", "invalid_timestamp"),
    (with_own(time=1e18), "/properties/time", "invalid_timestamp"),
    (with_own(a={"b": float("nan")}), "/properties/a/b", "number_out_of_range"),
    ({**EVENT, "properties": 5}, "/properties", "wrong_type"),
    ([], "", "wrong_type"),
]


def test_refusals_beside_an_event_that_is_stored(collector, key, rejections):
    good = with_own(time=None, **{"$insert_id": ID7})
    events = [*(event for event, *_ in REFUSED), good]
    answer = post_form(collector, events, **{"X-Write-Key": key})
    found = answer.json()
    assert (answer.status_code, found["status"], found["stored"], found["rejected"]) == (200, 1, 1, len(REFUSED))
    firsts = {error["index"]: (error["pointer"], error["code"]) for error in reversed(found["errors"])}
    for index, (_, pointer, code) in enumerate(REFUSED):
        assert firsts[index] == (f"/{index}{pointer}", code)
    assert eventually(lambda: len(rejections()) == len(REFUSED))
    assert {one.client for one in rejections()} == {"mixpanel/x/1"}

    imported = post(collector, events, "/import", auth=(key, ""))
    found = imported.json()
    assert (imported.status_code, found["code"], found["status"], found["num_records_imported"]) == (
        400,
        400,
        "Bad Request",
        1,
    )
    assert {record["index"] for record in found["failed_records"]} == set(range(len(REFUSED)))
    assert found["failed_records"][0]["field"] == "properties.distinct_id"
    assert found["failed_records"][0]["message"].startswith("required: ")


def test_a_request_that_is_refused_has_an_error_that_clients_read(collector, key):
    for body in (with_own(), with_own(token="wk_unknown"), [], [5]):
        answer = post_form(collector, body)
        assert (answer.status_code, answer.json()["status"]) == (401, 401)
        assert answer.json()["error"] == answer.json()["detail"]
    for body in (b"hello", b"data=!", b"data=%5B%5D%ff", b"verbose=1", b"&" * 30 + b"data=[]", b"[5"):
        assert post(collector, body, **{"X-Write-Key": key}).status_code == 400, body
    assert post(collector, [EVENT] * 2501, **{"X-Write-Key": key}).status_code == 413
    assert post(collector, b"data=" + b"a" * forms.MAX_FORM_BYTES).status_code == 413


def test_a_form_is_taken_though_no_event_is_valid(collector, key):
    """The client for Python would send the same events for ever."""
    answer = post_form(collector, with_own(token=key, distinct_id=""))
    found = answer.json()
    assert (answer.status_code, found["status"], found["rejected"]) == (200, 1, 1)
    assert found["errors"][0]["pointer"] == "/properties/distinct_id"


def test_a_form_is_decoded_in_parts(monkeypatch):
    monkeypatch.setattr(forms, "CHUNK_BYTES", 7)
    text = json.dumps([{"event": 'ä%25+ &="{}', "properties": {}}] * 5)
    assert forms.read_data(urlencode({"ip": 0, "data": text}).encode()).decode() == text
