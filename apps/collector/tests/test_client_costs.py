"""Requests of other products' clients are read in bounded work: what would cost more is refused before."""

import gzip
import json
import socket

import pytest
import requests

from event_tracker.collector.parsing import batch
from event_tracker.collector.protocols import json_members
from event_tracker.collector.protocols.amplitude.protocol import Amplitude
from event_tracker.collector.protocols.mixpanel.protocol import Mixpanel
from event_tracker.collector.protocols.otlp.json_format import MAX_BODY_COMMAS
from event_tracker.collector.protocols.otlp.protobuf_format import MAX_VALUES
from event_tracker.collector.protocols.otlp.protocol import OtlpLogs
from event_tracker.collector.protocols.posthog import PostHog
from event_tracker.collector.protocols.segment import Segment
from event_tracker.core.http.errors import Problem

MAX_BYTES = 65_536

otlp, segment, posthog = OtlpLogs(MAX_BYTES), Segment(MAX_BYTES), PostHog(MAX_BYTES)
amplitude, mixpanel = Amplitude(MAX_BYTES), Mixpanel(MAX_BYTES)


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("costs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def splits(monkeypatch):
    """The sizes of texts that were split by our own code, not by msgspec."""
    sizes = []
    split = batch._split

    def note(text, most, brackets):
        sizes.append(len(text))
        return split(text, most, brackets)

    monkeypatch.setattr(batch, "_split", note)
    return sizes


def code_of(answer):
    """The problem's code. For Amplitude's clients, it is in `error`, since they want the status as `code`."""
    problem = answer.json()
    return problem["error"].partition(":")[0] if isinstance(problem["code"], int) else problem["code"]


def read(body, kind):
    return list(otlp.open(body, {"CONTENT_TYPE": f"application/{kind}"}, 2500).map(lambda _, __: None))


def logs(*records):
    return b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b",".join(records) + b"]}]}]}"


def empties(number):
    return b'{"attributes":[' + b",".join([b"{}"] * number) + b"]}"


def test_logs_with_many_commas_are_split_by_msgspec(splits):
    assert len(read(logs(*[empties(16_000)] * 8), "json")) == 8
    assert splits == []


def test_logs_with_too_many_commas_are_not_read(splits):
    many = logs(*[empties(16_000)] * (MAX_BODY_COMMAS // 16_000 + 1))
    with pytest.raises(Problem) as refused:
        read(many, "json")
    assert (refused.value.status, refused.value.code, splits) == (413, "too_many_values", [])


@pytest.mark.parametrize("filling", [empties(100_000), b"[" * 100_000 + b"]" * 100_000], ids=["commas", "brackets"])
def test_only_few_parts_are_split_as_text(splits, filling):
    with pytest.raises(Problem) as refused:
        read(logs(b"NaN", filling), "json")
    assert (refused.value.status, refused.value.code, splits) == (400, "invalid_json", [])
    assert len(read(logs(b"NaN", empties(1000)), "json")) == 2
    assert splits


def field(number, content):
    """A field of protobuf, with a length of three bytes."""
    size = len(content)
    return bytes([number << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + content


@pytest.mark.parametrize(
    "record",
    [
        b"\x32\0" * 32_000,
        field(5, field(5, b"\x0a\0" * 32_000)),
        field(5, field(6, b"\x0a\0" * 32_000)),
    ],
    ids=["attributes", "elements", "members"],
)
def test_logs_in_protobuf_with_too_many_values_are_refused(record):
    def records(number):
        return field(1, field(2, field(2, record) * number))

    most = MAX_VALUES // 32_000
    assert len(read(records(most), "x-protobuf")) == most
    with pytest.raises(Problem) as refused:
        read(records(most + 1), "x-protobuf")
    assert (refused.value.status, refused.value.code) == (413, "too_many_values")


def test_a_resource_s_and_a_scope_s_values_count(monkeypatch):
    monkeypatch.setattr("event_tracker.collector.protocols.otlp.protobuf_format.MAX_VALUES", 3)
    resource, scope, record = field(1, b"\x0a\0"), field(1, b"\x1a\0"), field(2, b"\x32\0")
    assert len(read(field(1, resource + field(2, scope + record)), "x-protobuf")) == 1
    with pytest.raises(Problem, match="values"):
        read(field(1, resource + field(2, scope + record * 2)), "x-protobuf")


@pytest.mark.parametrize("path", ["/v1/logs", "/cloudevents", "/com.snowplowanalytics.snowplow/tp2"])
def test_without_a_key_where_only_headers_have_one_the_body_is_not_awaited(collector, path):
    address = collector.url.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection((address[0], int(address[1])), timeout=30) as client:
        client.sendall(head.encode())
        answer = client.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 401 ")


MANY = b"[" + b"{}," * 1_000_000 + b"{}]"

KEYLESS = [
    (segment, b'{"batch":%b,"a":1}', None),
    (segment, b'{"batch":%b,"writeKey":"wk_a"}', "wk_a"),
    (segment, b'{"batch":%b,"writeKey":null}', None),
    (posthog, b'{"api_key":"wk_a","batch":%b}', "wk_a"),
    (posthog, b'{"token":"wk_a","batch":%b}', "wk_a"),
    (posthog, b'{"event":"a","properties":{"token":"wk_a"},"a":%b}', "wk_a"),
    (posthog, b'{"event":"a","properties":{"token":5},"a":%b}', None),
    (posthog, b'{"event":"a","properties":{"a":%b,"token":"wk_a"}}', None),
    (amplitude, b'{"api_key":"wk_a","events":%b}', "wk_a"),
    (amplitude, b'{"events":%b}', None),
    (mixpanel, b'{"event":"a","properties":{"token":"wk_a"},"a":%b}', "wk_a"),
    (mixpanel, b'{"event":"a","properties":{"a":%b,"token":"wk_a"}}', None),
]


@pytest.mark.parametrize(("protocol", "body", "key"), KEYLESS)
def test_a_key_is_found_without_splitting_messages(splits, protocol, body, key):
    assert protocol.find_key_in_body(body % MANY) == key
    assert splits == []


def test_of_an_array_the_first_event_is_looked_at(splits):
    for protocol in (posthog, mixpanel):
        assert protocol.find_key_in_body(b' [{"properties":{"token":"wk_a"}},' + MANY + b"]") == "wk_a"
        assert protocol.find_key_in_body(b'[{"a":' + MANY + b',"properties":{"token":"wk_a"}}]') is None
    assert max(splits) < 2 * MAX_BYTES


def test_what_is_not_json_is_split_for_a_key_only_if_it_has_few_parts(splits):
    for protocol, name in ((segment, "writeKey"), (posthog, "api_key")):
        few = b'{"batch":[{"a":NaN}],"%b":"wk_a"}' % name.encode()
        assert protocol.find_key_in_body(few) == "wk_a"
        splits.clear()
        with pytest.raises(Problem) as refused:
            protocol.find_key_in_body(few.replace(b"NaN", b"NaN," + MANY))
        assert (refused.value.status, refused.value.code, splits) == (400, "invalid_json", [])


def test_without_a_key_messages_are_not_looked_at(collector):
    body = gzip.compress(b'{"batch":' + MANY + b"}")
    for path in ("/v1/batch", "/batch", "/2/httpapi"):
        answer = requests.post(f"{collector.url}{path}", body, timeout=60)
        assert (answer.status_code, code_of(answer)) == (401, "key_required")


def test_what_a_batch_says_of_all_is_read_once(monkeypatch):
    read = []
    lenient = json_members.read_lenient
    monkeypatch.setattr(json_members, "read_lenient", lambda text: read.append(text) or lenient(text))
    message = b'{"type":"page","userId":"u","timestamp":"2026-03-01T10:00:00Z"}'
    own = b'{"type":"page","userId":"u","timestamp":"2026-03-01T10:00:00Z","context":{"page":{"path":"/b"}}}'
    context = b'{"page":{"path":"/a","a":NaN},"campaign":{"source":"s","b":NaN},"library":{"name":"n","c":NaN}}'
    body = b'{"batch":[%b],"context":%b}' % (b",".join([message, own] * 100), context)
    mapped = list(segment.open(body, {"PATH_INFO": "/v1/batch"}, 2500).map(lambda _, __: None))
    assert len(read) == 4  # the context, and each of its members
    for one, path in zip(mapped, ["/a", "/b"] * 100, strict=True):
        found = json.loads(one.event)["properties"]
        assert (found["page"], found["utm_source"], one.client) == (path, "s", "n")


UNREADABLE_KEYS = [
    ("/v1/batch", {"writeKey": 5}, {}),
    ("/v1/batch", {"writeKey": ["wk_a"]}, {}),
    ("/v1/batch", {}, {"Authorization": "Basic !!!"}),
    ("/v1/batch", {}, {"Authorization": "Basic /w=="}),
    ("/v1/batch", {}, {"Authorization": "Basic d2tfY"}),
    ("/batch", {"api_key": 5}, {}),
    ("/batch", {"token": {"a": 1}}, {}),
    ("/2/httpapi", {"api_key": 5}, {}),
    ("/track", {"token": 5}, {}),
    ("/track", {}, {"Authorization": "Basic !!!"}),
]


def test_a_key_that_can_not_be_read_is_not_none(start_service, postgres, shared_database, shared_owner):
    service = start_service("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="open")
    for path, more, headers in UNREADABLE_KEYS:
        body = {"batch": [], **more}
        answer = requests.post(f"{service.url}{path}", json=body, headers=headers, timeout=30)
        assert (answer.status_code, code_of(answer)) == (401, "invalid_key"), (more, headers)
    for path, more, headers in (("/v1/batch", {"writeKey": ""}, {"Authorization": "Basic Og=="}), ("/batch", {}, {})):
        answer = requests.post(f"{service.url}{path}", json={"batch": [], **more}, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
