"""What is refused of OpenTelemetry's logs, and in which words."""

import json

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess
from otlp import JSON, PROTOBUF, TIME, USER, logs, partial, post, record, text, to_protobuf
from sites import make_source
from waiting import eventually


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def ids(owner):
    return owner.execute("select event_id from events").fetchall()


deep = text("x")
for _ in range(40):
    deep = {"arrayValue": {"values": [deep]}}


def nested(levels):
    return '{"arrayValue":{"values":[' * levels + "]}}" * levels


REFUSED = [
    (record(values={}), "/attributes/user.id: required"),
    (record(values={"user__id": {"boolValue": True}}), "/attributes/user.id: wrong_type"),
    (record(values={"enduser__id": text("x" * 201)}), "/attributes/enduser.id: length"),
    (record(eventName="x" * 101), "/eventName: length"),
    (record(timeUnixNano=None), "/timeUnixNano: timestamp_required"),
    (record(timeUnixNano="1"), "/timeUnixNano: timestamp_too_old"),
    (record(timeUnixNano="18446744073709551615"), "/timeUnixNano: timestamp_in_future"),
    (record(values={**USER, "a": deep}), "/attributes/a"),
    (record(values={**USER, "a": text("x" * 66_000)}), "event_too_large"),
]
"""Records, and what their refusal says, in both encodings."""


@pytest.mark.parametrize("encoding", [JSON, PROTOBUF])
def test_a_refused_event_is_told_of_and_kept(collector, shared_owner, key, encoding, rejections):
    for one, told in REFUSED:
        request = logs(one, record(), {"body": text("a log line")})
        number, message = partial(post(collector, key, request if encoding == JSON else to_protobuf(request), encoding))
        assert number == 2
        assert "1 log records have no event name" in message
        assert "1 events were refused" in message
        assert "/resourceLogs/0/scopeLogs/0/logRecords/0" in message
        assert told in message
    assert len(ids(shared_owner)) == 1
    assert eventually(lambda: len(rejections()) == len(REFUSED))


BAD_RECORDS = [
    ('{"eventName":5}', "wrong_type"),
    ('{"eventName":"a","attributes":[{"key":"a","value":{"intValue":"x"}}]}', "wrong_type"),
    ('{"eventName":"a","attributes":[{"key":"a","value":{"intValue":9223372036854775808}}]}', "wrong_type"),
    ('{"eventName":"a","attributes":[{"key":"a","value":{"doubleValue":1e999}}]}', "wrong_type"),
    ('{"eventName":"a","attributes":[{"key":"a","value":{"bytesValue":"?"}}]}', "wrong_type"),
    ('{"eventName":"a","timeUnixNano":-1}', "wrong_type"),
    ('{"eventName":"a","attributes":[{"key":"a","value":{"doubleValue":NaN}}]}', "invalid_json"),
    ('{"eventName":"\\ud800"}', "invalid_json"),
    (f'{{"eventName":"a","body":{nested(200)}}}', "too_deep"),
    ("5", "wrong_type"),
]


@pytest.mark.parametrize(("sent", "code"), BAD_RECORDS)
def test_a_record_that_can_not_be_read(collector, shared_owner, key, sent, code):
    body = json.dumps(logs(record(), "HERE")).replace('"HERE"', sent).encode()
    number, message = partial(post(collector, key, body))
    assert number == 1
    assert code in message
    assert len(ids(shared_owner)) == 1


def status(answer):
    """The code and the message of a `google.rpc.Status`, in either encoding."""
    if answer.headers["Content-Type"] == PROTOBUF:
        found = ExportLogsPartialSuccess.FromString(answer.content)  # the same fields
        return found.rejected_log_records, found.error_message
    assert answer.headers["Content-Type"] == JSON
    assert set(answer.json()) == {"code", "message"}
    return answer.json()["code"], answer.json()["message"]


def with_attribute(part, value):
    """A body whose resource, or whose scope, has an attribute."""
    found = f'"{part}":{{"attributes":[{{"key":"a","value":{value}}}]}}'
    inner, outer = (found, '"resource":{}') if part == "scope" else ('"scope":{}', found)
    return f'{{"resourceLogs":[{{{outer},"scopeLogs":[{{{inner},"logRecords":[]}}]}}]}}'.encode()


WRONG = [
    (b"hello", JSON, "invalid_json"),
    (b"", JSON, "invalid_json"),
    (b"[]", JSON, "invalid_json"),
    (b'{"resourceLogs":5}', JSON, "invalid_json"),
    (b'{"resourceLogs":[5]}', JSON, "invalid_json"),
    (b'{"resourceLogs":[{"scopeLogs":{}}]}', JSON, None),
    (b'{"resourceLogs":[{"scopeLogs":5}]}', JSON, "invalid_json"),
    (b'{"resourceLogs":[{"resource":5,"scopeLogs":[{}]}]}', JSON, "invalid_json"),
    (b'{"resourceLogs":[{"scopeLogs":[{"scope":[]}]}]}', JSON, "invalid_json"),
    (with_attribute("resource", '{"intValue":"x"}'), JSON, "invalid_json"),
    (with_attribute("resource", '{"doubleValue":1e999}'), JSON, "invalid_json"),
    (with_attribute("scope", '{"bytesValue":"?"}'), JSON, "invalid_json"),
    (b'{"resourceLogs":[{"resource":null,"scopeLogs":[{"scope":null,"logRecords":null}]}]}', JSON, None),
    (json.dumps(logs("HERE")).replace('"HERE"', nested(5000)).encode(), JSON, "invalid_json"),
    (b"", PROTOBUF, None),
    (b"\xff", PROTOBUF, "invalid_protobuf"),
    (b"\x0a", PROTOBUF, "invalid_protobuf"),
    (b"\x0a\x05a", PROTOBUF, "invalid_protobuf"),
    (b"\x0b", PROTOBUF, "invalid_protobuf"),
    (b"\x0a" + b"\xff" * 11, PROTOBUF, "invalid_protobuf"),
    (b"\x0a\x06\x0a\x02\x0a\x05\x12\x00", PROTOBUF, "invalid_protobuf"),
    (b"\x0a\x07\x12\x05\x12\x03\x12\x01\xff", PROTOBUF, None),
    (b"\x18\x01\x21" + b"1" * 8 + b"\x2d" + b"1" * 4, PROTOBUF, None),
    (b"\x1f\x8bhello", PROTOBUF, "invalid_gzip"),
]


@pytest.mark.parametrize(("body", "content_type", "code"), WRONG)
def test_what_is_no_request(collector, key, body, content_type, code):
    answer = post(collector, key, body, content_type)
    if code is None:
        assert answer.status_code == 200, answer.content
        return
    assert answer.status_code == 400
    number, message = status(answer)
    assert number == 3
    assert message.startswith(f"{code}: ")
    assert answer.headers["Content-Type"] == content_type


TOO_MUCH = [
    b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 10_000 + b"{}]}]}]}",
    b'{"resourceLogs":[{"scopeLogs":[' + b"{}," * 10_000 + b"{}]}]}",
    b'{"resourceLogs":[' + b'{"scopeLogs":[{},{}]},' * 5000 + b'{"scopeLogs":[{}]}]}',
    b'{"resourceLogs":[' + b"{}," * 10_000 + b"{}]}",
    b'{"resourceLogs":[{"resource":{"attributes":[' + b'{"key":"a"},' * 6000 + b'{}]},"scopeLogs":[{}]}]}',
    b" " * (10 * 2**20 + 1),
]


@pytest.mark.parametrize("body", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_too_much(collector, key, body):
    answer = post(collector, key, body)
    assert (answer.status_code, status(answer)[0]) == (413, 8)


def message(number, content):
    """A field of protobuf."""
    length, size = len(content), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def test_too_much_protobuf(collector, key):
    many = message(1, message(2, message(2, b"") * 10_001))
    assert post(collector, key, many, PROTOBUF).status_code == 413
    scopes = message(1, message(2, b"") * 10_001)
    assert post(collector, key, scopes, PROTOBUF).status_code == 413
    fields = message(1, b"\x18\x01" * 80_001)
    assert post(collector, key, fields, PROTOBUF).status_code == 413
    resource = message(1, message(1, message(1, b"") * 40_000) + message(2, b""))
    assert status(post(collector, key, resource, PROTOBUF)) == (
        8,
        "event_too_large: A resource or a scope may have 65536 bytes; this one has 80000.",
    )
    allowed = message(1, message(2, message(2, b"") * 10_000))
    assert partial(post(collector, key, allowed, PROTOBUF))[0] == 10_000


def deep_value(levels):
    value = b""
    for _ in range(levels):
        value = message(5, message(1, value))
    return value


@pytest.mark.parametrize(
    "broken", [b"\x1a\x02\xff\xfe", b"\x32\x05", b"\x0a\x05", message(5, deep_value(200))], ids=range(4)
)
def test_a_record_of_protobuf_that_can_not_be_read(collector, shared_owner, key, broken, rejections):
    body = to_protobuf(logs(record())) + message(1, message(2, message(2, broken)))
    number, told = partial(post(collector, key, body, PROTOBUF))
    assert number == 1
    assert "at /resourceLogs/1/scopeLogs/0/logRecords/0: invalid_protobuf: " in told
    assert len(ids(shared_owner)) == 1
    assert eventually(lambda: len(rejections()) == 1)


def test_keys_and_paths(collector, shared_owner, key):
    body = logs(record())
    assert partial(post(collector, None, body, X_Write_Key=key)) == (0, "")
    assert partial(post(collector, None, body, path=f"/v1/logs/?write_key={key}")) == (0, "")
    assert len(ids(shared_owner)) == 1
    for wrong, code in ((None, "key_required"), ("wk_example", "invalid_key")):
        for content, content_type in ((body, JSON), (to_protobuf(body), PROTOBUF)):
            answer = post(collector, wrong, content, content_type)
            assert answer.status_code == 401
            number, told = status(answer)
            assert (number, told.partition(":")[0]) == (16, code)
    answer = post(collector, key, body, "text/plain")
    assert (answer.status_code, status(answer)[0]) == (415, 3)
    answer = requests.get(f"{collector.url}/v1/logs", timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_what_is_to_be_sent_again(collector, shared_owner, key, start_service, own_postgres):
    shared_owner.execute("update sources set rate_limit = 1 where name = 'shop'")
    many = logs(*(record(timeUnixNano=str(TIME + number * 1000)) for number in range(20)))
    answers = []
    assert eventually(lambda: answers.append(post(collector, key, many)) or answers[-1].status_code == 429)
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert status(answers[-1])[0] == 8

    alone = start_service(
        "collector", DATABASE_URL=own_postgres.url("events", "collector"), AUTH="open", DRAIN_SECONDS=0
    )
    assert partial(post(alone, None, logs(record()))) == (0, "")
    own_postgres.stop("immediate")
    for body, content_type in ((logs(record()), JSON), (to_protobuf(logs(record())), PROTOBUF)):
        answer = post(alone, None, body, content_type)
        assert (answer.status_code, status(answer)[0], answer.headers["Retry-After"]) == (503, 14, "1")
    own_postgres.start()
    assert eventually(lambda: post(alone, None, logs(record())).status_code == 200)
