"""Clients of Segment and RudderStack: what they send is stored once, and every answer is one that they understand."""

import base64
import gzip
import json
from uuid import UUID

import captures
import pytest
import requests
from attacks import answers_meanwhile
from sites import make_source
from waiting import eventually

from event_tracker.model.event_schemas import set_schema
from event_tracker.model.rejections import list_rejections, request_replay

ORIGIN = "https://shop.example"
T = "2026-11-01T10:00:00Z"
TRACK = {"type": "track", "event": "View", "userId": "ann", "messageId": "m-1", "timestamp": T}

CAPTURES = {
    "segment_node": 6,
    "segment_node_old": 3,
    "segment_python": 6,
    "segment_browser": 5,
    "segment_browser_batching": 6,
    "rudder_node": 6,
    "rudder_python": 6,
    "rudder_browser": 5,
}
"""Client → messages in its capture."""


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [ORIGIN])


def basic(key, colon=":"):
    return f"Basic {base64.b64encode(f'{key}{colon}'.encode()).decode()}"


def post(collector, key, body, path="/v1/batch", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": basic(key)} if key else {}
    return requests.post(collector.url + path, data=data, headers={**given, **headers}, timeout=60)


def stored(owner):
    rows = owner.execute("select event_type, user_id, properties from events order by timestamp, event_type, user_id")
    return rows.fetchall()


@pytest.mark.parametrize("name", CAPTURES)
def test_what_a_client_sent_is_stored_once(collector, shared_owner, key, name):
    sent = captures.posts(name)
    for expected in (CAPTURES[name], 0):
        before = count(shared_owner)
        answers = [captures.send(collector.url, one, key, basic(key)) for one in sent]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"success": True})] * len(sent)
        assert count(shared_owner) - before == expected
    assert {source for (source,) in shared_owner.execute("select source from events")} == {"shop"}


def count(owner):
    return owner.execute("select count(*) from events").fetchone()[0]


def test_ids_and_people_of_a_capture(collector, shared_owner, key):
    (sent,) = captures.posts("segment_node")
    assert captures.send(collector.url, sent, key, basic(key)).status_code == 200
    rows = shared_owner.execute("select event_type, user_id, event_id from events").fetchall()
    anonymous = "a1b2c3d4-0000-4000-8000-00000000aaaa"
    assert {(event_type, user_id) for event_type, user_id, _ in rows} == {
        ("page_view", anonymous),
        *((event_type, "ann") for event_type in ("identify", "Order Completed", "group", "alias", "screen_view")),
    }
    assert {event_id for *_, event_id in rows} >= {UUID("d5e0a0d1-22a9-52fc-acad-59542844f920")}
    links = shared_owner.execute("select source, alias, person from links").fetchall()
    assert links == [("shop", anonymous, "ann")]


def test_a_message_becomes_an_event(collector, shared_owner, key):
    context = {
        "page": {"path": "/a", "url": "https://u@shop.example:81/a?b=1", "referrer": "https://x.example/y?q=1"},
        "campaign": {"source": "news", "name": "spring"},
        "sessionId": 17,
        "ip": "192.0.2.1",
        "userAgent": "Example/1.0",
        "traits": {"a": 1},
        "locale": "de",
        "empty": {},
    }
    message = {**TRACK, "userId": 7, "anonymousId": "a", "context": context, "properties": {"page": "/own", "n": 1}}
    raw = json.dumps(message).replace('"n": 1', '"n": 12345678901234567890123')
    assert post(collector, key, raw.encode(), "/v1/track").status_code == 200
    row = shared_owner.execute("select user_id, event_type, session_id, properties::text from events").fetchone()
    assert row[:3] == ("7", "View", "17")
    assert "12345678901234567890123" in row[3]
    assert json.loads(row[3]) == {
        "page": "/own",
        "n": 12345678901234567890123,
        "host": "shop.example:81",
        "referrer": "https://x.example/y",
        "utm_source": "news",
        "utm_campaign": "spring",
        "anonymous_id": "a",
        "context": {"sessionId": 17, "locale": "de"},
    }


def test_identify_links_the_visitor_to_the_user(collector, shared_owner, key):
    identify = {
        "userId": "ann",
        "anonymousId": "a",
        "timestamp": T,
        "messageId": "i",
        "properties": {"anonymous_id": "b"},
    }
    same = {**identify, "anonymousId": "ann", "messageId": "j", "properties": {}}
    unknown = {**identify, "userId": None, "messageId": "k", "properties": {}}
    for message in (identify, same, unknown):
        assert post(collector, key, message, "/v1/identify").status_code == 200
    assert shared_owner.execute("select alias, person from links").fetchall() == [("a", "ann")]


def test_the_context_of_a_batch_is_under_that_of_its_messages(collector, shared_owner, key):
    batch = {"batch": [{**TRACK, "context": {"b": 2}}], "context": {"a": 1, "b": 1}, "sentAt": T}
    assert post(collector, key, batch).status_code == 200
    assert stored(shared_owner) == [("View", "ann", {"context": {"a": 1, "b": 2}})]


WITHOUT_TIME = {name: value for name, value in TRACK.items() if name != "timestamp"}

REFUSED = [
    ({**TRACK, "userId": None}, "/userId", "required"),
    ({**TRACK, "userId": None, "anonymousId": {}}, "/anonymousId", "wrong_type"),
    ({**TRACK, "userId": [1]}, "/userId", "wrong_type"),
    ({**TRACK, "userId": None, "anonymousId": "x" * 201}, "/anonymousId", "length"),
    ({**TRACK, "event": "x" * 101}, "/event", "length"),
    ({**TRACK, "event": None}, "/event", "required"),
    ({**TRACK, "properties": [1]}, "/properties", "wrong_type"),
    ({**TRACK, "timestamp": "2026-11-01T10:00:00"}, "/timestamp", "invalid_timestamp"),
    ({**WITHOUT_TIME, "originalTimestamp": "2026-11-01"}, "/originalTimestamp", "invalid_timestamp"),
    (WITHOUT_TIME, "/timestamp", "timestamp_required"),
    ({**WITHOUT_TIME, "messageId": None}, "/timestamp", "timestamp_required"),
    ({**TRACK, "type": "buy"}, "/type", "unknown_type"),
    ({**TRACK, "type": None}, "/type", "required"),
    ({**TRACK, "messageId": []}, "/messageId", "wrong_type"),
    ({**TRACK, "userId": "a\0"}, "/userId", "nul_character"),
    ({**TRACK, "properties": {"a": float("nan")}}, "/properties/a", "number_out_of_range"),
    ({**TRACK, "type": "identify", "context": {"traits": {"a": float("inf")}}}, "/context/traits/a", "number_out_of_range"),
    ({**TRACK, "properties": {"a": "x" * 70_000}}, "", "event_too_large"),
    (5, "", "wrong_type"),
]  # fmt: skip


def test_a_refused_message_is_told_of_in_its_own_words_and_kept(collector, shared_owner, key):
    good = {**TRACK, "context": {"library": {"name": "analytics-x", "version": "1.2"}}}
    answer = post(collector, key, {"batch": [*(message for message, *_ in REFUSED), good]})
    assert answer.status_code == 200
    found = answer.json()
    assert {name: value for name, value in found.items() if name != "errors"} == {
        "success": True, "received": len(REFUSED) + 1, "stored": 1, "duplicates": 0, "rejected": len(REFUSED),
    }  # fmt: skip
    firsts = {error["index"]: error for error in reversed(found["errors"])}
    for index, (message, pointer, code) in enumerate(REFUSED):
        assert (firsts[index]["pointer"], firsts[index]["code"]) == (f"/batch/{index}{pointer}", code), message
    assert eventually(lambda: len(list_rejections(shared_owner)) == len(REFUSED))
    assert {one.client for one in list_rejections(shared_owner)} == {"analytics-x/1.2"}


def test_where_no_message_is_valid(collector, shared_owner, key):
    answer = post(collector, key, {**TRACK, "userId": ""}, "/v1/t")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_events"
    assert answer.json()["message"] == answer.json()["detail"]
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/userId", "required")]
    assert post(collector, key, {"batch": []}).json() == {"success": True}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"hello", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"", "invalid_json"),
        (b'{"batch":5}', "invalid_json"),
        (b"{}", "invalid_json"),
        (b'{"batch":[{}', "invalid_json"),
        (b'{"batch":[],"context":[1]}', "invalid_json"),
        (b"\x1f\x8bhello", "invalid_gzip"),
        (b'{"batch":[' + b"1," * 2500 + b"1]}", "too_many_events"),
        (b" " * (10 * 2**20 + 1), "body_too_large"),
        (gzip.compress(b" " * (10 * 2**20 + 1)), "body_too_large"),
    ],
)
def test_what_is_no_request(collector, key, body, code):
    answer = post(collector, key, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["message"]


def test_keys(collector, shared_owner, key):
    batch = {"batch": [TRACK]}
    ways = [
        ({"Authorization": basic(key)}, {}, ""),
        ({"Authorization": basic(key, "")}, {}, ""),
        ({"Authorization": f"Bearer {key}"}, {}, ""),
        ({"X-Write-Key": key}, {}, ""),
        ({}, {"writeKey": key}, ""),
        ({"Authorization": "Bearer oauth-token"}, {"writeKey": key}, ""),
        ({}, {}, f"?writeKey={key}"),
    ]
    for headers, more, query in ways:
        answer = post(collector, None, {**batch, **more}, f"/v1/batch{query}", **headers)
        assert answer.status_code == 200, answer.text
    assert count(shared_owner) == 1


def test_wrong_keys(collector, shared_owner, key):
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    unknown = "wk_0123456789_" + "0" * 40
    for given, code in [
        (None, "key_required"),
        ("wk_example", "invalid_key"),
        (wrong, "invalid_key"),
        (unknown, "invalid_key"),
    ]:
        for headers, body in [({"Authorization": basic(given)} if given else {}, {}), ({}, {"writeKey": given})]:
            answer = post(collector, None, {"batch": [TRACK], **body}, **headers)
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert answer.json()["message"]
    assert count(shared_owner) == 0
    shared_owner.execute("update sources set enabled = false where name = 'shop'")
    assert eventually(lambda: post(collector, key, {"batch": [TRACK]}).status_code == 403)
    assert post(collector, key, {"batch": [TRACK]}).json()["code"] == "source_disabled"


def test_gzip_is_known_however_it_is_labelled(collector, shared_owner, key):
    body = gzip.compress(json.dumps({"batch": [TRACK]}).encode())
    for headers in (
        {},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
        {"Content-Type": "text/plain"},
        {"Content-Encoding": "br"},
    ):
        assert post(collector, key, body, **headers).json() == {"success": True}
    assert count(shared_owner) == 1


def test_many_messages_and_a_large_one(collector, shared_owner, key):
    batch = [{**TRACK, "messageId": f"m-{number}"} for number in range(2500)]
    assert post(collector, key, {"batch": batch}).json() == {"success": True}
    assert count(shared_owner) == 2500
    large = {**TRACK, "messageId": "large", "properties": {"a": "x" * 4_000_000}}
    answer = post(collector, key, {"batch": [large, {**TRACK, "messageId": "small"}]}).json()
    assert (answer["stored"], answer["rejected"]) == (1, 1)
    assert [(error["pointer"], error["code"]) for error in answer["errors"]] == [("/batch/0", "event_too_large")]


def test_what_a_batch_says_of_all_counts_for_each(collector, key):
    context = {"a": "x" * 60_000}
    answer = post(collector, key, {"batch": [TRACK] * 2500, "context": context})
    assert (answer.status_code, answer.json()["code"]) == (400, "body_too_large")


def test_a_rate_limit_counts_messages(collector, shared_owner, key):
    shared_owner.execute("update sources set rate_limit = 1 where name = 'shop'")
    batch = {"batch": [{**TRACK, "messageId": f"m-{number}"} for number in range(20)]}
    answers = []
    assert eventually(lambda: answers.append(post(collector, key, batch)) or answers[-1].status_code == 429)
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert answers[-1].json()["code"] == "rate_limited"


def test_paths_and_methods(collector, key):
    for path in ("/v1/batch/", "/v1/import", "/v1/b", "/beacon/v1/batch"):
        assert post(collector, key, {"batch": [TRACK]}, path).json() == {"success": True}, path
    assert post(collector, None, {"series": []}, "/v1/m").json() == {"success": True}
    answer = requests.get(f"{collector.url}/v1/batch", timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_what_browsers_ask_for_first(collector, key):
    answer = requests.get(f"{collector.url}/v1/projects/{key}/settings", headers={"Origin": ORIGIN}, timeout=30)
    host = collector.url.removeprefix("http://")
    sender = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": "http"}
    assert answer.json() == {"integrations": {"Segment.io": sender}}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    behind = requests.get(answer.url, headers={"X-Forwarded-Proto": "https"}, timeout=30).json()
    assert behind["integrations"]["Segment.io"]["protocol"] == "https"

    config = f"{collector.url}/sourceConfig/?p=npm&v=3.34.1&build=modern&writeKey={key}"
    answer = requests.get(config, headers={"Origin": ORIGIN, "Authorization": basic(key)}, timeout=30)
    assert answer.json()["source"]["name"] == "shop"
    assert answer.json()["source"]["enabled"] is True
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert requests.get(config, headers={"Authorization": basic("wk_wrong")}, timeout=30).status_code == 401


def test_pages_of_the_sources_origins_may_send(collector, key):
    def ask(path, method, origin=ORIGIN):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "anonymousid,authorization,content-type,sentat,x-retry-count",
        }
        return requests.options(collector.url + path, headers=headers, timeout=30)

    for path, method in (("/v1/track", "POST"), ("/v1/b", "POST"), ("/sourceConfig/", "GET")):
        answer = ask(path, method)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert method in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert all(name in allowed for name in ("anonymousid", "authorization", "sentat", "x-retry-count"))
        assert "Access-Control-Allow-Origin" not in ask(path, method, "https://other.example").headers
    assert "Access-Control-Allow-Origin" not in ask("/metrics", "GET").headers
    answer = post(collector, key, {"batch": [TRACK]}, Origin=ORIGIN)
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    refused = post(collector, key, {"batch": [TRACK]}, Origin="https://other.example")
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")


def test_an_outage_is_to_be_waited_for(start_service, own_postgres):
    collector = start_service(
        "collector", DATABASE_URL=own_postgres.url("events", "collector"), AUTH="open", DRAIN_SECONDS=0
    )
    assert post(collector, None, {"batch": [TRACK]}).status_code == 200
    own_postgres.stop("immediate")
    waits = set()
    for number in range(4):
        answer = post(collector, None, {"batch": [{**TRACK, "messageId": f"m-{number}"}]})
        assert answer.status_code == 503
        assert answer.json()["code"]
        assert answer.json()["message"]
        waits.add(int(answer.headers["Retry-After"]))
    assert waits <= set(range(10, 21))
    own_postgres.start()
    assert eventually(lambda: post(collector, None, {"batch": [TRACK]}).json() == {"success": True})


def test_a_refused_message_can_be_replayed(collector, shared_owner, key):
    set_schema(shared_owner, "shop", "View", {"properties": {"n": {"type": "number"}}})
    shared_owner.execute("update sources set schema_mode = 'enforce' where name = 'shop'")
    message = {**TRACK, "properties": {"n": "1"}, "context": {"library": {"name": "x", "version": "1"}}}
    answers = []
    assert eventually(
        lambda: answers.append(post(collector, key, {"batch": [message]})) or answers[-1].status_code == 400
    )
    assert [(one["pointer"], one["code"]) for one in answers[-1].json()["errors"]] == [
        ("/batch/0/properties/n", "schema_violation")
    ]
    assert eventually(lambda: list_rejections(shared_owner))
    (first, *_) = list_rejections(shared_owner)
    assert (first.client, first.event_type, first.user_id) == ("x/1", "View", "ann")
    shared_owner.execute("delete from events")
    set_schema(shared_owner, "shop", "View", {"properties": {"n": {"type": "string"}}})
    assert request_replay(shared_owner, "shop")
    assert eventually(lambda: count(shared_owner) == 1)
    assert post(collector, key, {"batch": [message]}).json() == {"success": True}
    assert count(shared_owner) == 1, "a resend of a replayed message is a duplicate"


def test_which_protocols_are_on_and_what_is_known_of_visitors(start_service, postgres, database, owner):
    collector = start_service(
        "collector",
        DATABASE_URL=postgres.url(database, "collector"),
        AUTH="open",
        PROTOCOLS="segment",
        ENRICH="network,source",
    )
    assert post(collector, None, {"batch": []}, "/batch/").status_code == 404
    said = {"ip": "192.0.2.7", "page": {"url": "https://shop.example/a", "referrer": "https://www.google.com/"}}
    page = {"type": "page", "userId": "ann", "timestamp": T}
    batch = [
        {**page, "messageId": "1", "context": said},
        {**page, "messageId": "2", "properties": {"$network": "mine"}},
    ]
    assert post(collector, None, {"batch": batch}).json() == {"success": True}
    rows = owner.execute("select properties from events order by properties ? 'host' desc").fetchall()
    (first,), (second,) = rows
    assert (first["$network"], first["$source"], first["referrer"]) == (
        "192.0.2.0/24",
        "Google",
        "https://www.google.com/",
    )
    assert "ip" not in str(first)
    assert second["$network"] == "mine"


def test_a_large_batch_holds_up_nobody(collector, key):
    messages = [
        {**TRACK, "messageId": f"m-{number}", "properties": {"a": float("nan"), "b": "x" * 3500}}
        for number in range(2500)
    ]

    def attack():
        assert post(collector, key, {"batch": messages}).status_code == 400

    answers_meanwhile(collector.url, attack)


def test_a_schema_is_about_what_was_sent(start_service, postgres, database, owner):
    set_schema(owner, "default", "View", {"properties": {"n": {}, "context": {}}, "additionalProperties": False})
    owner.execute("update sources set schema_mode = 'enforce' where name = 'default'")
    collector = start_service(
        "collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="open", ENRICH="network"
    )
    message = {**TRACK, "properties": {"n": 1}, "context": {"ip": "192.0.2.7"}}
    assert post(collector, None, {"batch": [message]}).json() == {"success": True}
    assert stored(owner) == [("View", "ann", {"n": 1, "$network": "192.0.2.0/24"})]
