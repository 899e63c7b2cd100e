"""Requests of other products' clients, in shapes that reading could be slow at."""

from contextlib import suppress

from pieces import Shape, filled

from event_tracker.collector.protocols.amplitude.protocol import Amplitude
from event_tracker.collector.protocols.cloudevents.protocol import CloudEvents
from event_tracker.collector.protocols.mixpanel.protocol import Mixpanel
from event_tracker.collector.protocols.otlp.protocol import OtlpLogs
from event_tracker.collector.protocols.posthog import PostHog
from event_tracker.collector.protocols.segment import Segment
from event_tracker.collector.protocols.snowplow.protocol import Snowplow
from event_tracker.core.http.errors import Problem

MAX_EVENT_BYTES = 65_536

segment, posthog, amplitude = Segment(MAX_EVENT_BYTES), PostHog(MAX_EVENT_BYTES), Amplitude(MAX_EVENT_BYTES)
cloudevents, otlp, snowplow = CloudEvents(MAX_EVENT_BYTES), OtlpLogs(MAX_EVENT_BYTES), Snowplow(MAX_EVENT_BYTES)

mixpanel = Mixpanel(MAX_EVENT_BYTES)

TRACK = b'"type":"track","event":"a","userId":"u","messageId":"m","timestamp":"2026-03-01T10:00:00Z"'


def read_segment(body: bytes) -> None:
    """As /v1/batch does it, up to the parser."""
    with suppress(Problem):
        list(segment.open(body, {"PATH_INFO": "/v1/batch"}, 2500).map(lambda _, __: None))


def read_posthog(body: bytes) -> None:
    """As /batch does it, up to the parser."""
    with suppress(Problem):
        list(posthog.open(body, {"PATH_INFO": "/batch"}, 2500).map(lambda _, __: None))


def read_amplitude(body: bytes) -> None:
    """As /2/httpapi does it, up to the parser."""
    with suppress(Problem):
        list(amplitude.open(body, {}, 2500).map(lambda _, __: None))


def read_mixpanel(body: bytes) -> None:
    """As /track does it, up to the parser."""
    with suppress(Problem):
        mixpanel.find_key_in_body(body)
        list(mixpanel.open(body, {}, 2500).map(lambda _, __: None))


def read_snowplow(body: bytes) -> None:
    """As /com.snowplowanalytics.snowplow/tp2 does it, up to the parser."""
    with suppress(Problem):
        list(snowplow.open(body, {}, 2500).map(lambda _, __: None))


def read_cloudevents(body: bytes) -> None:
    """As /cloudevents does it, up to the parser."""
    environ = {"CONTENT_TYPE": "application/cloudevents-batch+json"}
    with suppress(Problem):
        list(cloudevents.open(body, environ, 2500).map(lambda _, __: None))


def read_logs(body: bytes, kind: str = "json") -> None:
    """As /v1/logs does it, up to the parser."""
    with suppress(Problem):
        list(otlp.open(body, {"CONTENT_TYPE": f"application/{kind}"}, 2500).map(lambda _, __: None))


def read_protobuf(body: bytes) -> None:
    """The same of protobuf."""
    read_logs(body, "x-protobuf")


def logs(records: bytes, resource: bytes = b"{}") -> bytes:
    return b'{"resourceLogs":[{"resource":' + resource + b',"scopeLogs":[{"logRecords":[' + records + b"]}]}]}"


def record(attributes: bytes) -> bytes:
    return b'{"eventName":"a","timeUnixNano":"1772272800000000000","attributes":[' + attributes + b"]}"


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf, with a length of three bytes."""
    size = len(content)
    return bytes([number << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + content


def batch(messages: bytes, more: bytes = b"") -> bytes:
    return b'{"batch":[' + messages + b"]" + more + b"}"


def message(more: bytes) -> bytes:
    return b"{" + TRACK + b"," + more + b"}"


def members(size: int, value: bytes) -> bytes:
    return b"{" + filled(size, lambda number: b'"k%d":%b' % (number, value)) + b"}"


PLAIN = rb"{\"data\":{\"schema\":\"iglu:a/b/c/1\",\"data\":{\"a\":1}}}"


def self_describing(name: bytes, data: bytes) -> bytes:
    return b'{"e":"ue","uid":"u","eid":"i","dtm":"1772272800000",' + name + b':"' + data + b'"}'


CLIENT_SHAPES = {
    f"clients: {name}": shape
    for name, shape in {
        "many messages": Shape(lambda n: batch(filled(n, lambda _: message(b'"properties":{"a":1}'))), read_segment),
        "no messages": Shape(lambda n: batch(filled(n, lambda _: b"1")), read_segment),
        "many properties": Shape(lambda n: batch(message(b'"properties":' + members(n, b"1"))), read_segment),
        "NaN": Shape(lambda n: batch(message(b'"properties":' + members(n, b"NaN"))), read_segment),
        "a long id": Shape(lambda n: batch(message(b'"messageId":"' + b"\xc3\xa9" * (n // 2) + b'"')), read_segment),
        "a long URL": Shape(
            lambda n: batch(message(b'"context":{"page":{"url":"' + b"a:" * (n // 2) + b'"}}')), read_segment
        ),
        "members outside": Shape(lambda n: b"{" + members(n, b"NaN")[1:-1] + b',"batch":[]}', read_segment),
        "nested": Shape(lambda n: b"[" * n, read_posthog),
        "PostHog's": Shape(
            lambda n: batch(
                filled(n, lambda _: b'{"event":"$identify","distinct_id":"u","properties":{"$set":{"a":1}}}')
            ),
            read_posthog,
        ),
        "Amplitude's": Shape(
            lambda n: (
                b'{"events":['
                + filled(n, lambda _: b'{"event_type":"$identify","user_id":"u","user_properties":{"$set":{"a":1}}}')
                + b"]}"
            ),
            read_amplitude,
        ),
        "a long time": Shape(
            lambda n: b'{"events":[{"event_type":"a","user_id":"u","time":1' + b"0" * n + b"}]}", read_amplitude
        ),
        "Amplitude's context": Shape(
            lambda n: b'{"events":[{"event_type":"a","user_id":"u",' + members(n, b"1")[1:] + b"]}", read_amplitude
        ),
        "Mixpanel's": Shape(
            lambda n: b"[" + filled(n, lambda _: b'{"event":"a","properties":{"distinct_id":"u","time":1.5}}') + b"]",
            read_mixpanel,
        ),
        "Mixpanel's form": Shape(lambda n: b"data=%5B" + b"%7B%7D%2C" * (n // 9) + b"%5B", read_mixpanel),
        "Mixpanel's form in Base64": Shape(lambda n: b"data=W3t9" + b"LHt9" * (n // 4) + b"XQ==", read_mixpanel),
        "fields of a form": Shape(lambda n: b"a=&" * (n // 3), read_mixpanel),
        "Snowplow's": Shape(
            lambda n: b'{"data":[' + filled(n, lambda _: self_describing(b'"ue_pr"', PLAIN)) + b"]}", read_snowplow
        ),
        "Snowplow's data": Shape(
            lambda n: (
                b'{"data":[' + self_describing(b'"ue_pr"', PLAIN.replace(b"1", b"[" + b"1," * (n // 2) + b"1]")) + b"]}"
            ),
            read_snowplow,
        ),
        "Snowplow's data in Base64": Shape(
            lambda n: b'{"data":[' + self_describing(b'"ue_px"', b"e30" * (n // 3)) + b"]}", read_snowplow
        ),
        "Snowplow's context": Shape(
            lambda n: b'{"data":[{"e":"pv","uid":"u","dtm":"1","eid":"i",' + members(n, b'"1"')[1:] + b"]}",
            read_snowplow,
        ),
        "CloudEvents": Shape(
            lambda n: (
                b"[" + filled(n, lambda _: b'{"specversion":"1.0","id":"1","source":"a","type":"b","data":{}}') + b"]"
            ),
            read_cloudevents,
        ),
        "a resource of many records": Shape(
            lambda n: logs(
                filled(n // 2, lambda _: record(b"")),
                b'{"attributes":[' + filled(n // 2, lambda _: b'{"key":"a"}') + b"]}",
            ),
            read_logs,
        ),
        "attributes": Shape(
            lambda n: logs(record(filled(n, lambda number: b'{"key":"k%d","value":{"doubleValue":1e308}}' % number))),
            read_logs,
        ),
        "nested values": Shape(
            lambda n: logs(record(b'{"value":' + b'{"arrayValue":{"values":[' * (n // 24))), read_logs
        ),
        "empty records": Shape(lambda n: field(1, field(2, b"\x12\0" * (n // 2))), read_protobuf),
        "empty scopes": Shape(lambda n: field(1, b"\x12\0" * (n // 2)), read_protobuf),
        "one record": Shape(lambda n: field(1, field(2, field(2, b"\x32\0" * (n // 2)))), read_protobuf),
        "nested protobuf": Shape(lambda n: field(1, field(2, field(2, b"\x2a\x7f" * (n // 2)))), read_protobuf),
    }.items()
}
