"""CloudEvents over HTTP: every mode, every answer, and what an event of theirs becomes."""

import gzip
import json
from uuid import UUID

import captures
import pytest
import requests
from sites import make_source
from waiting import eventually

T = "2026-11-01T10:00:00.123Z"
EVENT = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/notes",
    "type": "note.made",
    "time": T,
    "subject": "ann",
}
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
V7 = "019a3f3e-8a7b-7000-8000-000000000000"

CAPTURES = {
    "cloudevents": ([202, 400, 202, 400, 207], 1),
    "cloudevents_go": ([202, 202, 200], 3),
    "cloudevents_python": ([202, 202], 1),
}
"""Client → the statuses of its requests, and the events in them. The JavaScript client's note is of nobody."""


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", ["https://shop.example"])


def post(collector, key, body, content_type=STRUCTURED, path="/cloudevents", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {key}"} if key else {}
    typed = {"Content-Type": content_type} if content_type else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(collector.url + path, data=data, headers={**given, **typed, **named}, timeout=30)


def post_binary(collector, key, body=b"", content_type="application/json", **attributes):
    sent = {**EVENT, **attributes}
    return post(
        collector, key, body, content_type, **{f"ce-{name}": value for name, value in sent.items() if value is not None}
    )


def stored(owner):
    return owner.execute(
        "select user_id, event_type, session_id, properties from events order by event_type"
    ).fetchall()


def count(owner):
    return owner.execute("select count(*) from events").fetchone()[0]


@pytest.mark.parametrize("name", CAPTURES)
def test_what_a_client_sent_is_stored_once(collector, shared_owner, key, name):
    statuses, expected = CAPTURES[name]
    for _ in range(2):
        answers = [captures.send(collector.url, one, key, f"Bearer {key}", always=True) for one in captures.posts(name)]
        assert [answer.status_code for answer in answers] == statuses
        assert {answer.content for answer in answers if answer.status_code == 202} == {b""}
        assert count(shared_owner) == expected


def test_an_event_is_the_same_in_every_mode(collector, shared_owner, key):
    properties = {
        "n": 1,
        "ce_source": "/notes",
        "ce_subject": "ann",
        "ce_partitionkey": "p",
        "ce_dataschema": "https://s",
    }
    more = {"partitionkey": "p", "dataschema": "https://s", "traceparent": "00-1-2-3", "sessionid": "s-1"}
    event = {**EVENT, **more, "data": {"n": 1}}
    answers = [
        post(collector, key, event),
        post(collector, key, event, "application/cloudevents; charset=UTF-8"),
        post(collector, key, gzip.compress(json.dumps(event).encode()), Content_Encoding="gzip"),
        post_binary(collector, key, b'{"n":1}', **more),
        post_binary(collector, key, b'{"n":1}', "application/vnd.note+json; charset=utf-8", **more),
        post_binary(collector, key, b' {"n":1}\n', None, **more),
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * len(answers)
    answer = post(collector, key, [event, event], BATCHED)
    assert (answer.status_code, answer.json()) == (200, {"received": 2, "stored": 0, "duplicates": 2, "rejected": 0})
    assert stored(shared_owner) == [("ann", "note.made", "s-1", properties)]
    assert shared_owner.execute("select event_id, timestamp::text from events").fetchall() == [
        (UUID("712fb9b7-a79d-5efe-bb13-2a32820662c7"), "2026-11-01 10:00:00.123+00")
    ]


def test_what_a_relay_cut_off_a_time_is_cut_off_here(collector, shared_owner, key):
    for time in ("2026-11-01T10:00:00.123456789Z", "2026-11-01T10:00:00.123Z", "2026-11-01T11:00:00.1239+01:00"):
        assert post(collector, key, {**EVENT, "time": time}).status_code == 202
    assert count(shared_owner) == 1
    timeless = {name: value for name, value in EVENT.items() if name != "time"} | {"id": V7}
    assert [post(collector, key, timeless).status_code for _ in range(2)] == [202, 202]
    assert count(shared_owner) == 2


@pytest.mark.parametrize(
    ("event", "user_id"),
    [
        ({"userid": "u", "data": {"user_id": "d"}}, "u"),
        ({"data": {"user_id": 7, "userId": "e"}}, "7"),
        ({"data": {"user_id": "", "userId": "e"}}, "e"),
        ({"data": {"user_id": None}}, "ann"),
        ({"data": "text"}, "ann"),
    ],
)
def test_whose_event_it_is(collector, shared_owner, key, event, user_id):
    assert post(collector, key, {**EVENT, **event}).status_code == 202
    assert [user for user, *_ in stored(shared_owner)] == [user_id]


DATA = [
    ("text/plain", b"hello", {"data": "hello"}),
    ("text/plain; charset=us-ascii", b"hello", {"data": "hello"}),
    ("application/json", b"[1, 2.50]", {"data": [1, 2.5]}),
    ("application/json", b'"hello"', {"data": "hello"}),
    ("application/json", b"null", {}),
    ("application/json", b"", {}),
    ("image/png", b"", {}),
]


@pytest.mark.parametrize(("content_type", "body", "properties"), DATA)
def test_data_that_is_no_object(collector, shared_owner, key, content_type, body, properties):
    assert post_binary(collector, key, body, content_type, subject=None, userid="ann").status_code == 202
    assert stored(shared_owner) == [("ann", "note.made", None, {"ce_source": "/notes", **properties})]


def test_headers_are_decoded_once(collector, shared_owner, key):
    values = {
        "subject": "Euro%20%E2%82%AC",
        "one": "a%2520b",
        "two": '"a \\"b\\" %41"',
        "three": "€".encode(),
        "four": "100%",
    }
    assert post_binary(collector, key, userid="ann", **values).status_code == 202
    assert stored(shared_owner)[0][3] == {
        "ce_source": "/notes",
        "ce_subject": "Euro €",
        "ce_one": "a%20b",
        "ce_two": 'a "b" A',
        "ce_three": "€",
        "ce_four": "100%",
    }


WITHOUT_TIME = {name: value for name, value in EVENT.items() if name != "time"}

REFUSED = [
    ({**EVENT, "specversion": "0.3"}, "/specversion", "unsupported_version"),
    ({**EVENT, "specversion": None}, "/specversion", "required"),
    ({**EVENT, "id": ""}, "/id", "required"),
    ({**EVENT, "id": 5}, "/id", "wrong_type"),
    ({**EVENT, "source": None}, "/source", "required"),
    ({**EVENT, "type": None}, "/type", "required"),
    ({**EVENT, "type": 5}, "/type", "wrong_type"),
    ({**EVENT, "type": "x" * 101}, "/type", "length"),
    ({**EVENT, "time": "yesterday"}, "/time", "invalid_timestamp"),
    (WITHOUT_TIME, "/time", "timestamp_required"),
    ({**EVENT, "subject": None}, "/userid", "required"),
    ({**EVENT, "data": {"userId": []}}, "/data/userId", "wrong_type"),
    ({**EVENT, "subject": "x" * 201}, "/subject", "length"),
    ({**EVENT, "sessionid": {"a": 1}}, "/sessionid", "wrong_type"),
    ({**EVENT, "data": {"a": float("nan")}}, "/data/a", "number_out_of_range"),
    ({**EVENT, "data": [float("nan")]}, "/data/0", "number_out_of_range"),
    ({**EVENT, "data_base64": "AA=="}, "/data_base64", "not_storable"),
    ({**EVENT, "data": "x" * 65_536}, "/data", "event_too_large"),
    ({**EVENT, "extension": "x" * 70_000}, "", "event_too_large"),
    (5, "", "wrong_type"),
]  # fmt: skip


def test_a_refused_event_of_a_batch(collector, key, rejections):
    answer = post(collector, key, [*(event for event, *_ in REFUSED), EVENT], BATCHED)
    assert answer.status_code == 207
    found = answer.json()
    assert (found["received"], found["stored"], found["rejected"]) == (len(REFUSED) + 1, 1, len(REFUSED))
    firsts = {error["index"]: error for error in reversed(found["errors"])}
    for index, (event, pointer, code) in enumerate(REFUSED):
        assert (firsts[index]["pointer"], firsts[index]["code"]) == (f"/{index}{pointer}", code), event
    assert eventually(lambda: len(rejections()) == len(REFUSED))


@pytest.mark.parametrize(("event", "pointer", "code"), REFUSED[:-1])
def test_a_refused_event_alone(collector, key, event, pointer, code):
    answer = post(collector, key, event)
    assert answer.status_code == (413 if code == "event_too_large" else 400)
    assert answer.json()["code"] == "invalid_events"
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def test_64_kib_are_measured_on_the_data(collector, shared_owner, key):
    data = json.dumps({"a": "x" * (65_536 - 9)}).encode()
    assert len(data) == 65_536
    assert post_binary(collector, key, data, extension="x" * 1000).status_code == 202
    assert post_binary(collector, key, data + b"  ").status_code == 413
    assert count(shared_owner) == 1


OTHERS = [
    (b"hello", STRUCTURED, {}, 400, "invalid_events"),
    (b"", STRUCTURED, {}, 400, "invalid_events"),
    (b"{}", BATCHED, {}, 400, "invalid_json"),
    (b"[{}", BATCHED, {}, 400, "invalid_json"),
    (b"[5]", BATCHED, {}, 400, "invalid_events"),
    (b"[" + b"1," * 2500 + b"1]", BATCHED, {}, 413, "too_many_events"),
    (b"{}", "application/cloudevents+avro", {}, 415, "unsupported_media_type"),
    (b"{}", "application/cloudevents-batch+avro", {}, 415, "unsupported_media_type"),
    (b"{}", f"{STRUCTURED}; charset=latin-1", {}, 415, "unsupported_charset"),
    (b"{}", "application/json", {}, 400, "not_a_cloud_event"),
    (b"{}", None, {}, 400, "not_a_cloud_event"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type", "headers", "status", "code"), OTHERS)
def test_what_is_no_cloudevent(collector, key, body, content_type, headers, status, code):
    answer = post(collector, key, body, content_type, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"] == answer.json()["detail"]


BAD_BINARY = [
    (b'{"a":', "application/json", {}, 400, "invalid_json"),
    (b'1},"user_id":"eve","properties":{', "application/json", {}, 400, "invalid_json"),
    (b"hello", "application/json", {}, 400, "invalid_json"),
    (b"\xff", "text/plain", {}, 400, "invalid_text"),
    (b"a", "text/plain; charset=utf-16", {}, 415, "unsupported_charset"),
    (b"\x00\x01", "application/octet-stream", {}, 400, "invalid_events"),
    (b"", "application/json", {"subject": "%ff"}, 400, "invalid_header"),
    (b"", "application/json", {"subject": b"\xff"}, 400, "invalid_header"),
    (b"", "application/json", {"specversion": None}, 400, "invalid_events"),
    (b"", "application/json", {"id": None}, 400, "invalid_events"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type", "attributes", "status", "code"), BAD_BINARY)
def test_what_is_wrong_in_binary_mode(collector, shared_owner, key, body, content_type, attributes, status, code):
    answer = post_binary(collector, key, body, content_type, **attributes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert count(shared_owner) == 0


def test_keys(collector, shared_owner, key):
    assert post(collector, None, EVENT, X_Write_Key=key).status_code == 202
    assert post(collector, None, EVENT, path=f"/cloudevents/?write_key={key}").status_code == 202
    assert post(collector, None, [], BATCHED, path=f"/cloudevents?write_key={key}").json()["received"] == 0
    for wrong, code in ((None, "key_required"), ("wk_example", "invalid_key")):
        answer = post(collector, wrong, EVENT)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert count(shared_owner) == 1
    answer = requests.get(f"{collector.url}/cloudevents", timeout=30)
    assert answer.status_code == 405


def test_a_rate_limit(collector, shared_owner, key):
    shared_owner.execute("update sources set rate_limit = 1 where name = 'shop'")
    answers = []
    assert eventually(
        lambda: answers.append(post(collector, key, [EVENT] * 20, BATCHED)) or answers[-1].status_code == 429
    )
    assert int(answers[-1].headers["Retry-After"]) >= 1


def ask(collector, key, origin="events.example", **headers):
    asked = {"WebHook-Request-Origin": origin, "WebHook-Request-Callback": "http://127.0.0.1:1/", **headers}
    return requests.options(f"{collector.url}/cloudevents", params={"write_key": key}, headers=asked, timeout=30)


def test_a_sender_of_webhooks_asks_first(collector, shared_owner, key):
    answer = ask(collector, key)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert "POST" in answer.headers["Allow"]
    shared_owner.execute("update sources set rate_limit = 2 where name = 'shop'")
    assert eventually(lambda: ask(collector, key).headers["WebHook-Allowed-Rate"] == "120")


@pytest.mark.parametrize(
    ("sent", "origin", "status"),
    [(None, "events.example", 401), ("wk_example", "events.example", 401), ("key", "", 400), ("key", "a b", 400)],
)
def test_a_sender_that_is_not_allowed(collector, key, sent, origin, status):
    answer = ask(collector, key if sent == "key" else sent, origin)
    assert answer.status_code == status
    assert "WebHook-Allowed-Origin" not in answer.headers
