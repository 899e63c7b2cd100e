"""Snowplow's trackers: what they post is stored once, and every answer is one that they understand."""

import base64
import gzip
import json

import captures
import pytest
import requests
from sites import make_source
from waiting import eventually

from event_tracker.model.rejections import list_rejections

PATH = "/com.snowplowanalytics.snowplow/tp2"
MS = 1793527200250
"""2026-11-01T10:00:00.25Z."""

ID = "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"
ID7 = "01a22529-f3c0-72e5-bec0-976c9fecbb5f"
EVENT = {"e": "se", "se_ca": "shop", "se_ac": "order", "uid": "ann", "eid": ID, "dtm": str(MS)}


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def post(collector, key, events, path=PATH):
    data = events if isinstance(events, bytes) else json.dumps({"schema": "iglu:a/b/jsonschema/1-0-4", "data": events})
    return requests.post(collector.url + path, data=data, headers={"X-Write-Key": key} if key else {}, timeout=60)


def stored(owner):
    return owner.execute("select event_type, user_id, session_id, properties from events order by timestamp").fetchall()


def event(data, schema="iglu:com.example/order_completed/jsonschema/1-0-0"):
    """The data of a self-describing event, as its tracker encloses it."""
    return json.dumps({"schema": "iglu:a/unstruct_event/jsonschema/1-0-0", "data": {"schema": schema, "data": data}})


def in_base64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("snowplow_node", ["add-to-basket", "order_completed", "page_ping", "page_view"] * 2),
        ("snowplow_python", ["add-to-basket", "order_completed", "order_completed", "page_view"]),
    ],
)
def test_what_a_tracker_sent_is_stored_once(collector, shared_owner, key, name, types):
    for _ in range(2):
        for sent in captures.posts(name):
            answer = captures.send(collector.url, sent, key, f"Bearer {key}", always=True)
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
        assert sorted(event_type for event_type, *_ in stored(shared_owner)) == sorted(types)
    assert {user_id for _, user_id, *_ in stored(shared_owner)} == {"ann"}
    found = {event_type: properties for event_type, *_, properties in stored(shared_owner)}
    page, order, basket = found["page_view"], found["order_completed"], found["add-to-basket"]
    assert (page["page"], page["host"], page["title"]) == ("/pricing", "shop.example", "Pricing")
    assert (order["revenue"], order["anonymous_id"], order["entities"][0]["data"]) == (20.5, "anon-1", {"sku": "mug-7"})
    assert basket.items() >= {"category": "shop", "label": "web", "property": "pcs", "value": 2}.items()


def test_an_event_becomes_one_of_ours(collector, shared_owner, key):
    contexts = json.dumps(
        {"schema": "iglu:a/contexts/jsonschema/1-0-0", "data": [{"schema": "iglu:a/b/c/1", "data": {"x": 1.50}}]}
    )
    events = [
        {"e": "pv", "duid": "anon-1", "sid": "s-1", "eid": "i-1", "dtm": "1", "ttm": str(MS), "url": "https://shop.example/a?b=1",
         "refr": "https://x.example/?q=1", "page": "A", "ip": "192.0.2.1", "ua": "x", "stm": "5", "aid": "shop", "tv": "js-4"},
        {**EVENT, "dtm": str(MS + 1), "duid": "anon-1", "se_va": "1.50", "se_pr": "7", "se_la": ""},
        {"e": "ue", "uid": "ann", "eid": ID, "dtm": str(MS + 2), "ue_px": in_base64(event({"a": "ü?>"})), "cx": in_base64(contexts)},
        {"e": "ue", "uid": "ann", "eid": ID, "dtm": str(MS + 3), "ue_pr": event([1]), "co": contexts},
        {"e": "pp", "uid": "ann", "eid": ID, "dtm": str(MS + 4), "pp_mix": "0", "pp_may": "x"},
        {"e": "ti", "uid": "ann", "eid": ID, "dtm": str(MS + 5), "ti_sk": "7", "ti_pr": "20.50"},
        {"e": "tr", "uid": "ann", "eid": ID, "dtm": str(MS + 6), "tr_id": "7"},
    ]  # fmt: skip
    assert post(collector, key, events).json() == {"ok": True}
    page, order, encoded, plain, ping, item, transaction = stored(shared_owner)
    assert page == (
        "page_view", "anon-1", "s-1",
        {"page": "/a", "host": "shop.example", "referrer": "https://x.example/", "title": "A", "context": {"aid": "shop"}},
    )  # fmt: skip
    assert order == (
        "order", "ann", None, {"category": "shop", "property": "7", "value": 1.5, "anonymous_id": "anon-1"},
    )  # fmt: skip
    context = {"schema": "iglu:com.example/order_completed/jsonschema/1-0-0"}
    entities = [{"schema": "iglu:a/b/c/1", "data": {"x": 1.5}}]
    assert encoded == ("order_completed", "ann", None, {"a": "ü?>", "entities": entities, "context": context})
    assert plain[3] == {"data": [1], "entities": entities, "context": context}
    assert ping == ("page_ping", "ann", None, {"pp_mix": 0, "pp_may": "x"})
    assert item == ("transaction_item", "ann", None, {"ti_sk": "7", "ti_pr": 20.5})
    assert transaction == ("transaction", "ann", None, {"tr_id": "7"})
    first = shared_owner.execute("select timestamp::text, event_id::text from events order by timestamp").fetchone()
    assert first == ("2026-11-01 10:00:00.25+00", "b4fa8b8b-f0f7-53c8-b435-881de9d61d8f")
    assert shared_owner.execute("select from links").fetchall() == []


def test_gzip_the_slash_and_a_key_in_the_query_string(collector, shared_owner, key):
    body = gzip.compress(json.dumps({"data": [EVENT]}).encode())
    for path, given in ((f"{PATH}/", key), (f"{PATH}?write_key={key}", None)):
        assert post(collector, given, body, path).json() == {"ok": True}
    assert len(stored(shared_owner)) == 1


def test_refusals(collector, shared_owner, key):
    without_time = {name: value for name, value in EVENT.items() if name != "dtm"}
    own = {**EVENT, "e": "ue"}
    refused = [
        ({**EVENT, "uid": ""}, "/uid", "required"),
        ({**EVENT, "e": "xx"}, "/e", "unknown_type"),
        ({**EVENT, "e": None}, "/e", "required"),
        ({**EVENT, "se_ac": "x" * 101}, "/se_ac", "length"),
        ({**EVENT, "se_ac": ""}, "/se_ac", "required"),
        (without_time, "/dtm", "timestamp_required"),
        ({**EVENT, "dtm": "yesterday"}, "/dtm", "invalid_timestamp"),
        ({**EVENT, "ttm": "1e999999999999999999"}, "/ttm", "invalid_timestamp"),
        (own, "/ue_px", "required"),
        ({**own, "ue_pr": {}, "ue_px": 5}, "/ue_px", "wrong_type"),
        ({**own, "ue_px": "!"}, "/ue_px", "invalid_json"),
        ({**own, "ue_pr": "{"}, "/ue_pr", "invalid_json"),
        ({**own, "ue_pr": '{"data":[]}'}, "/ue_pr/data", "wrong_type"),
        ({**own, "ue_pr": event({}, "order")}, "/ue_pr/data/schema", "wrong_type"),
        ({**own, "ue_pr": event({}, f"iglu:a/{'x' * 101}/b/1")}, "/ue_pr/data/schema", "length"),
        ({**own, "ue_pr": event({"a": {"b": float("nan")}})}, "/ue_pr/data/data/a/b", "number_out_of_range"),
        ({**EVENT, "co": "{"}, "/co", "invalid_json"),
        ({**EVENT, "aid": float("nan")}, "/aid", "number_out_of_range"),
        ([], "", "wrong_type"),
    ]
    events = [
        *({**message, "tv": "py-1"} if message else message for message, *_ in refused),
        {**without_time, "eid": ID7},
    ]
    answer = post(collector, key, events)
    found = answer.json()
    assert (answer.status_code, found["ok"], found["stored"], found["rejected"]) == (200, True, 1, len(refused))
    firsts = {error["index"]: (error["pointer"], error["code"]) for error in reversed(found["errors"])}
    assert firsts == {index: (f"/data/{index}{pointer}", code) for index, (_, pointer, code) in enumerate(refused)}
    assert eventually(lambda: len(list_rejections(shared_owner)) == len(refused))
    assert {one.client for one in list_rejections(shared_owner)} == {"snowplow/py-1"}


def test_a_request_that_is_refused_has_a_status_after_which_trackers_stop(collector, key):
    assert post(collector, None, [EVENT]).status_code == 401
    assert post(collector, "wk_unknown", [EVENT]).status_code == 401
    answer = post(collector, key, [{**EVENT, "uid": None}])
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (
        400,
        "invalid_events",
        "/data/0/uid",
    )
    for body in (b"hello", b'{"data":5}', [EVENT] * 2501, gzip.compress(b" " * 11_000_000)):
        assert post(collector, key, body).status_code == 400
